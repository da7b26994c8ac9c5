// SPDX-License-Identifier: GPL-2.0-only
/*
 * Are the file systems on disks as the suspended machine left them? An exact resume puts back a kernel that has
 * them mounted, with all that it has cached of them: whoever wrote to one in between would be overwritten.
 * Reads: "filesystems" of the image's config section (capture/fsident.c), the devices past every cache.
 * Never: writes. A device that the initramfs has not brought up cannot be looked at, and is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "reloader/reloader.h"
#include "util/cleanup.h"

/* struct ext4_super_block, fs/ext4/ext4.h: its place, its size, the magic number's and the UUID's place in it. */
#define SUPER_OFFSET 1024
#define SUPER_BYTES 1024
#define SUPER_MAGIC 0x38
#define SUPER_UUID 0x68

static int read_super(const char *node, u8 super[SUPER_BYTES])
{
	_cleanup_close_ int fd = open(node, O_RDONLY | O_DIRECT | O_CLOEXEC | O_NONBLOCK);
	_Alignas(4096) u8 block[4096];

	if (fd < 0 || pread(fd, block, sizeof(block), 0) != (ssize_t)sizeof(block))
		return -EIO;
	memcpy(super, block + SUPER_OFFSET, SUPER_BYTES);
	return 0;
}

static int from_hex(const char *hex, u8 super[SUPER_BYTES])
{
	unsigned int byte;

	if (!hex || strlen(hex) != 2 * SUPER_BYTES || strspn(hex, "0123456789abcdef") != 2 * SUPER_BYTES)
		return -EBADMSG;
	for (size_t i = 0; i < SUPER_BYTES; i++) {
		sscanf(hex + 2 * i, "%2x", &byte);
		super[i] = (u8)byte;
	}
	return 0;
}

static bool same_fs(const u8 *a, const u8 *b)
{
	return !memcmp(a + SUPER_MAGIC, b + SUPER_MAGIC, 2) && !memcmp(a + SUPER_UUID, b + SUPER_UUID, 16);
}

/* Every block device that has a size; disks of a mirror have the same file system, and one that is right will do. */
static int check(const u8 *was, const char *dev, struct ohib_err *err)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/partitions", "re");
	char line[256], name[64], node[80], found[80] = "";
	u8 is[SUPER_BYTES];

	if (!f)
		return ohib_err_set(err, -errno, "/proc/partitions: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %*u %*u %*u %63s", name) != 1)
			continue;
		for (char *p = name; (p = strchr(p, '!')); p++)
			*p = '/';
		snprintf(node, sizeof(node), "/dev/%s", name);
		if (read_super(node, is) || !same_fs(was, is))
			continue;
		if (!memcmp(was, is, SUPER_BYTES))
			return 0;
		strcpy(found, node);
	}
	if (found[0])
		return ohib_err_set(err, -ESTALE, "the file system on %s was mounted or written to since the machine "
						  "was suspended: going on would destroy it", found);
	say("note: the file system that was on device %s is not there to be looked at", dev);
	return 0;
}

int untouched(struct ohib_image *img, struct ohib_err *err)
{
	_cleanup_free_ void *data = NULL;
	struct json_object *json, *list;
	struct json_tokener *tok;
	u8 was[SUPER_BYTES];
	size_t len;
	int r;

	r = ohib_image_section(img, OHIB_SEC_CONFIG, &data, &len, err);
	if (r)
		return r;
	tok = json_tokener_new();
	if (!tok)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	json = len < INT32_MAX ? json_tokener_parse_ex(tok, data, (int)len) : NULL;
	json_tokener_free(tok);
	list = json_object_object_get(json, "filesystems");
	if (!json_object_is_type(list, json_type_array))
		r = ohib_err_set(err, -EBADMSG, "the image does not tell the state of the file systems");
	for (size_t i = 0; !r && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		r = from_hex(json_object_get_string(json_object_object_get(o, "bytes")), was);
		if (r)
			ohib_err_set(err, r, "the image's record of a super block is damaged");
		else
			r = check(was, json_object_get_string(json_object_object_get(o, "dev")), err);
	}
	json_object_put(json);
	return r;
}
