// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the file systems on disks look while they are frozen: the very bytes of each super block.
 * Whoever mounts one of them after that, even read-only with a journal to replay, leaves another
 * time, count or state in them, and the machine must not go on then.
 * Reads: /proc/1/mountinfo, the devices, past every cache.
 * Context: after disk_fs_freeze(): nothing is written to a file, nothing is waited for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "capture/parts.h"
#include "disk/node.h"
#include "disk/stack.h"
#include "disk/super.h"
#include "util/cleanup.h"

/* Is it made of other devices or of a file (LVM, LUKS, RAID, loop), which an initramfs need not put together? */
static bool is_stacked(const char *dev)
{
	struct disk_layer layers[DISK_LAYERS_MAX];

	return disk_stack("/sys", dev, layers) != 0;
}

static int add(struct json_object *list, const char *dev, const char *type, struct ohib_err *err)
{
	struct json_object *o;
	char node[DISK_NODE_LEN] = "", hex[2 * SUPER_BYTES + 1];
	u8 super[SUPER_BYTES];
	int r = disk_node(dev, node);

	if (r)
		return ohib_err_set(err, r, "the %s on device %s: the device is not known", type, dev);
	r = super_read(node, SUPER_OFFSET, sizeof(super), super, err);
	if (r)
		return r;
	for (size_t i = 0; i < sizeof(super); i++)
		sprintf(hex + 2 * i, "%02x", super[i]);
	o = json_object_new_object();
	json_object_object_add(o, "dev", json_object_new_string(dev));
	json_object_object_add(o, "node", json_object_new_string(node));
	json_object_object_add(o, "stacked", json_object_new_boolean(is_stacked(dev)));
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

/* Each ext2, ext3 or ext4 once, of the mounts that PID 1 sees and of @disks, which are of all namespaces. */
static int for_each_fs(const struct disk_fs_list *disks, struct json_object *list,
		       int (*what)(struct json_object *list, const char *dev, const char *type,
				   struct ohib_err *err), struct ohib_err *err)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/1/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	struct disk_fs *fs;
	char dev[32], type[16];
	size_t room = 0;
	int r = 0;

	if (!f)
		return ohib_err_set(err, -errno, "/proc/1/mountinfo: %s", strerror(errno));
	while (!r && getline(&line, &room, f) > 0) {
		const char *rest = strstr(line, " - ");

		if (!rest || sscanf(rest, " - %15s", type) != 1 || !super_is_known(type) ||
		    sscanf(line, "%*d %*d %31s", dev) != 1 || is_listed(list, dev))
			continue;
		r = what(list, dev, type, err);
	}
	vec_foreach(fs, &disks->fs) {
		snprintf(dev, sizeof(dev), "%u:%u", major(fs->dev), minor(fs->dev));
		if (!r && super_is_known(fs->type) && !is_listed(list, dev))
			r = what(list, dev, fs->type, err);
	}
	return r;
}

int capture_fs_identities(const struct disk_fs_list *disks, struct json_object *config,
			  struct ohib_err *err)
{
	struct json_object *list = json_object_new_array();

	json_object_object_add(config, "filesystems", list);
	return for_each_fs(disks, list, add, err);
}

/* Could the boot kernel tell which device it is? */
static int find_again(struct json_object *list, const char *dev, const char *type, struct ohib_err *err)
{
	u8 super[SUPER_BYTES], uuid[16];
	struct json_object *o;
	char node[DISK_NODE_LEN], found[80];
	int r = disk_node(dev, node);

	if (r)
		return ohib_err_set(err, r, "the %s on device %s: the device is not known", type, dev);
	o = json_object_new_object();
	json_object_object_add(o, "dev", json_object_new_string(dev));
	json_object_array_add(list, o);
	/* A snapshot of LVM, say, looks the same. */
	if (is_stacked(dev))
		return 0;
	r = super_read(node, SUPER_OFFSET, sizeof(super), super, err);
	if (r)
		return r;
	if (!super_uuid(super, uuid))
		return ohib_err_set(err, -ENODEV, "the %s on %s has no UUID to find it by: give it one with "
				    "tune2fs -U random", type, node);
	return super_find(uuid, node, found, err);
}

int capture_fs_check(const struct disk_fs_list *disks, struct ohib_err *err)
{
	struct json_object *seen = json_object_new_array();
	int r = for_each_fs(disks, seen, find_again, err);

	json_object_put(seen);
	return r;
}
