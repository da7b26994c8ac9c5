// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the file systems on disks look while they are frozen: the very bytes of each super block.
 * Whoever mounts one of them after that, even read-only with a journal to replay, leaves another
 * time, count or state in them, and the machine must not go on then.
 * Reads: /proc/1/mountinfo, the devices, past every cache.
 * Context: after disk_fs_freeze(): nothing is written to a file, nothing is waited for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/parts.h"
#include "util/cleanup.h"

#define SUPER_OFFSET 1024	/* ext2, ext3, ext4 */
#define SUPER_BYTES 1024
#define DIRECT_BYTES 4096

/* "/dev/" and the name of a block device, "8:1"; -ENODEV: it is none. */
static int device_node(const char *dev, char node[96])
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[64], line[96];

	snprintf(path, sizeof(path), "/sys/dev/block/%.32s/uevent", dev);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "DEVNAME=", 8))
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(node, 96, "/dev/%.80s", line + 8);
		return 0;
	}
	return -ENODEV;
}

static int read_super(const char *node, char hex[2 * SUPER_BYTES + 1])
{
	static u8 block[DIRECT_BYTES] __attribute__((aligned(DIRECT_BYTES)));
	_cleanup_close_ int fd = open(node, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (pread(fd, block, sizeof(block), 0) != (ssize_t)sizeof(block))
		return errno ? -errno : -EIO;
	for (int i = 0; i < SUPER_BYTES; i++)
		sprintf(hex + 2 * i, "%02x", block[SUPER_OFFSET + i]);
	return 0;
}

static int add(struct json_object *list, const char *dev, const char *type, struct ohib_err *err)
{
	struct json_object *o = json_object_new_object();
	char node[96] = "", hex[2 * SUPER_BYTES + 1];
	int r = device_node(dev, node);

	if (!r)
		r = read_super(node, hex);
	if (r) {
		json_object_put(o);
		return ohib_err_set(err, r, "the super block of the %s on device %s (%s): %s", type, dev,
				    node, strerror(-r));
	}
	json_object_object_add(o, "dev", json_object_new_string(dev));
	json_object_object_add(o, "type", json_object_new_string(type));
	json_object_object_add(o, "offset", json_object_new_int(SUPER_OFFSET));
	json_object_object_add(o, "bytes", json_object_new_string(hex));
	json_object_array_add(list, o);
	return 0;
}

static bool is_listed(struct json_object *list, const char *dev)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (!strcmp(json_object_get_string(json_object_object_get(o, "dev")), dev))
			return true;
	}
	return false;
}

int capture_fs_identities(struct json_object *config, struct ohib_err *err)
{
	struct json_object *list = json_object_new_array();
	_cleanup_fclose_ FILE *f = fopen("/proc/1/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	char dev[32], type[16];
	size_t room = 0;
	int r = 0;

	json_object_object_add(config, "filesystems", list);
	if (!f)
		return ohib_err_set(err, -errno, "/proc/1/mountinfo: %s", strerror(errno));
	while (!r && getline(&line, &room, f) > 0) {
		const char *rest = strstr(line, " - ");

		if (!rest || sscanf(rest, " - %15s", type) != 1 || strncmp(type, "ext", 3) ||
		    sscanf(line, "%*d %*d %31s", dev) != 1 || is_listed(list, dev))
			continue;
		r = add(list, dev, type, err);
	}
	return r;
}
