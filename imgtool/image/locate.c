// SPDX-License-Identifier: GPL-2.0-only
/* Which block device or file is meant: by PARTUUID, label or path. */
#include <blkid/blkid.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "image/locate.h"
#include "image/place.h"
#include "util/cleanup.h"

int ohib_conf_get(const char *key, char *value, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen(OHIB_CONF, "re");
	_cleanup_free_ char *line = NULL;
	int r = -ENODATA;
	size_t room = 0;

	if (!f)
		return errno == ENOENT ? -ENODATA : -errno;
	while (getline(&line, &room, f) > 0) {
		char *p = line + strspn(line, " \t"), *end;

		if (strncmp(p, key, strlen(key)))
			continue;
		p += strlen(key);
		p += strspn(p, " \t");
		if (*p++ != '=')
			continue;
		p += strspn(p, " \t");
		end = p + strlen(p);
		while (end > p && isspace((unsigned char)end[-1]))
			end--;
		if (end - p >= 2 && *p == '"' && end[-1] == '"') {
			p++;
			end--;
		}
		snprintf(value, size, "%.*s", (int)(end - p), p);
		r = 0; /* the last one counts */
	}
	return r;
}

static bool is_tag(const char *spec, char *name, size_t size)
{
	static const char *const names[] = {"PARTUUID", "PARTLABEL", "UUID", "LABEL"};
	const char *eq = strchr(spec, '=');

	if (!eq || spec[0] == '/')
		return false;
	snprintf(name, size, "%.*s", (int)(eq - spec), spec);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* PARTUUID of a partition, or its path. */
static void lasting_name(const char *path, char *name, size_t size)
{
	blkid_probe pr = blkid_new_probe_from_filename(path);
	const char *uuid;

	snprintf(name, size, "%s", path);
	if (!pr)
		return;
	blkid_probe_enable_superblocks(pr, 0);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_ENTRY_DETAILS);
	if (blkid_do_safeprobe(pr) >= 0 &&
	    !blkid_probe_lookup_value(pr, "PART_ENTRY_UUID", &uuid, NULL))
		snprintf(name, size, "PARTUUID=%s", uuid);
	blkid_free_probe(pr);
}

/* What overlayctl image create makes is; a copy of an image, say, is read as it is. */
static bool is_pinned(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int flags;

	return fd >= 0 && !ioctl(fd, FS_IOC_GETFLAGS, &flags) && flags & FS_IMMUTABLE_FL;
}

int ohib_device_locate(const char *spec, char *path, size_t path_size, char *name, size_t name_size,
		       struct ohib_err *err)
{
	_cleanup_free_ char *found = NULL, *real = NULL;
	char from_conf[256], tag[16], node[256];
	const char *in_fs;
	struct stat st;

	if (!spec)
		spec = ohib_conf_get("device", from_conf, sizeof(from_conf)) ? OHIB_DEVICE_DEFAULT
									     : from_conf;
	/* A file of a file system, mounted or not: its device is looked for. */
	in_fs = place_path(spec);
	if (name)
		snprintf(name, name_size, "%s", spec);
	snprintf(node, sizeof(node), "%.*s", in_fs ? (int)(in_fs - 1 - spec) : (int)strlen(spec), spec);
	spec = node;
	if (is_tag(spec, tag, sizeof(tag))) {
		found = blkid_evaluate_tag(tag, strchr(spec, '=') + 1, NULL);
		if (!found)
			return ohib_err_set(err, -ENODEV, "no device has %s", spec);
		spec = found;
	}
	real = realpath(spec, NULL);
	if (!real)
		return ohib_err_set(err, -errno, "%s: %s", spec, strerror(errno));
	if (!in_fs && !stat(real, &st) && S_ISREG(st.st_mode) && is_pinned(real))
		return place_of_file(real, path, path_size, name, name_size, err);
	if ((size_t)snprintf(path, path_size, "%s%s%s", real, in_fs ? ":" : "", in_fs ? in_fs : "") >= path_size)
		return ohib_err_set(err, -ENAMETOOLONG, "%s: the name is too long", real);
	if (name && !in_fs && !stat(path, &st) && S_ISBLK(st.st_mode))
		lasting_name(path, name, name_size);
	else if (name && !in_fs)
		snprintf(name, name_size, "%s", path);
	return 0;
}

int ohib_device_contents(const char *path, char *type, size_t size, struct ohib_err *err)
{
	blkid_probe pr = blkid_new_probe_from_filename(path);
	const char *found;
	int r;

	*type = '\0';
	if (!pr)
		return ohib_err_set(err, -errno, "%s: %s", path, strerror(errno));
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE);
	r = blkid_do_safeprobe(pr);
	if (r == -2)
		snprintf(type, size, "more than one file system");
	else if (!r && !blkid_probe_lookup_value(pr, "TYPE", &found, NULL))
		snprintf(type, size, "%s", found);
	blkid_free_probe(pr);
	return 0;
}
