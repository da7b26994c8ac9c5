// SPDX-License-Identifier: GPL-2.0-only
/*
 * File systems on block devices, found by what is on them, and compared with what is remembered of them.
 * Whoever mounts one of them, even read-only with a journal to replay, leaves another time, count or
 * state in its super block.
 * Never: writes to a device.
 */
#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk/super.h"
#include "util/cleanup.h"

#define EXT4_MNT_COUNT 0x34
#define EXT4_INCOMPAT 0x60
#define EXT4_RECOVER 0x4u
#define EXT4_UUID 0x68

bool super_is_known(const char *type)
{
	return !strcmp(type, "ext2") || !strcmp(type, "ext3") || !strcmp(type, "ext4");
}

bool super_uuid(const u8 *super, u8 uuid[16])
{
	static const u8 none[16];

	memcpy(uuid, super + EXT4_UUID, 16);
	return memcmp(uuid, none, sizeof(none));
}

static void uuid_text(const u8 u[16], char s[37])
{
	snprintf(s, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
		 u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
		 u[14], u[15]);
}

static int probe(const char *node, const char *uuid)
{
	_cleanup_close_ int fd = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	blkid_probe pr = fd < 0 ? NULL : blkid_new_probe();
	const char *found = NULL;
	int match = 0;

	if (!pr)
		return 0;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_UUID | BLKID_SUBLKS_TYPE);
	if (!blkid_probe_set_device(pr, fd, 0, 0) && !blkid_do_safeprobe(pr))
		match = !blkid_probe_lookup_value(pr, "UUID", &found, NULL) && !strcasecmp(found, uuid);
	blkid_free_probe(pr);
	return match;
}

/* Something else (md, dm, bcache) is made of it: that is what holds the file system. */
static bool has_holders(const char *name)
{
	struct dirent *de;
	char path[128];
	bool any = false;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/class/block/%s/holders", name);
	d = opendir(path);
	while (d && (de = readdir(d)))
		any |= de->d_name[0] != '.';
	if (d)
		closedir(d);
	return any;
}

/* The rows of /proc/partitions: every block device that has a size. */
int super_find(const u8 uuid[16], const char *was, char node[80], struct ohib_err *err)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/partitions", "re");
	char line[256], name[64], path[80], text[37];
	unsigned long long blocks;

	uuid_text(uuid, text);
	node[0] = '\0';
	if (!f)
		return ohib_err_set(err, -errno, "/proc/partitions: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %*u %*u %llu %63s", &blocks, name) != 2 || has_holders(name))
			continue;
		for (char *p = name; (p = strchr(p, '!')); p++)
			*p = '/';
		snprintf(path, sizeof(path), "/dev/%s", name);
		if (!probe(path, text))
			continue;
		if (node[0])
			return ohib_err_set(err, -ENOTUNIQ, "%s and %s both have a file system with the "
					    "UUID %s (%s of the machine)", node, path, text, was);
		strcpy(node, path);
	}
	return node[0] ? 0 : ohib_err_set(err, -ENODEV, "no device has a file system with the UUID %s "
					  "(%s of the machine)", text, was);
}

int super_read(const char *node, u64 offset, size_t len, void *bytes, struct ohib_err *err)
{
	_cleanup_close_ int fd = open(node, O_RDONLY | O_DIRECT | O_CLOEXEC);
	u64 start = offset & OHIB_PAGE_MASK;
	size_t span = (offset + len - start + OHIB_PAGE_SIZE - 1) & OHIB_PAGE_MASK;
	_cleanup_free_ u8 *pages = aligned_alloc(OHIB_PAGE_SIZE, span);
	ssize_t got;

	if (!pages)
		return ohib_err_set(err, -ENOMEM, "no memory");
	got = fd < 0 ? -1 : pread(fd, pages, span, (off_t)start);
	if (got != (ssize_t)span) {
		int code = got < 0 ? -errno : -EIO;

		return ohib_err_set(err, code, "cannot read %s: %s", node, strerror(-code));
	}
	memcpy(bytes, pages + (offset - start), len);
	return 0;
}

bool super_is_clean(const u8 *super)
{
	u32 incompat;

	memcpy(&incompat, super + EXT4_INCOMPAT, sizeof(incompat));
	return !(incompat & EXT4_RECOVER);
}

/* Tell what happened, as far as it can be told. */
static int changed(const char *node, const u8 *was, const u8 *is, struct ohib_err *err)
{
	const char *what = "was written to";

	if (!super_is_clean(is))
		what = "is mounted, or was not unmounted";
	else if (memcmp(was + EXT4_MNT_COUNT, is + EXT4_MNT_COUNT, 2))
		what = "was mounted";
	return ohib_err_set(err, -ESTALE, "the file system on %s %s since the machine was suspended: "
			    "going on would destroy it", node, what);
}

int super_compare(const char *node, const u8 *was, size_t len, u64 offset, struct ohib_err *err)
{
	_cleanup_free_ u8 *now = NULL;
	int r;

	if (!was || len < EXT4_UUID)
		return ohib_err_set(err, -ENODATA, "the image does not tell the state of the file system on %s",
				    node);
	now = malloc(len);
	if (!now)
		return ohib_err_set(err, -ENOMEM, "no memory");
	r = super_read(node, offset, len, now, err);
	if (r)
		return r;
	return memcmp(now, was, len) ? changed(node, was, now, err) : 0;
}
