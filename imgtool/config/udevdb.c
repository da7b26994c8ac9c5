// SPDX-License-Identifier: GPL-2.0-only
/*
 * udev's database in /run/udev, which came back with /run, is keyed by device and interface numbers; under
 * the next kernel some are others. Files are renamed to the numbers of now, those of devices that are
 * gone are removed.
 *
 * Then, when the carried udevd runs, it and those who listen to it are told of what is different and of
 * nothing else: "change" for disks and interfaces whose number is another, "add" for devices that the
 * image kernel did not have. An "add" for all, as at boot, would run the hotplug actions of a machine
 * that is not booting; and so may a "change" of other devices (that of rtc0 sets the clock in Debian).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "config/devnode.h"
#include "util/cleanup.h"

#define UDEV "/run/udev"

static void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

struct change {
	char then[32], now[32];	/* "b254:1", "n2"; now "": gone */
};
struct changes {
	VEC(struct change) list;
	bool out_of_memory;
};

static void on_node(void *arg, bool block, dev_t then, dev_t now)
{
	struct changes *c = arg;
	struct change x = { 0 };

	if (then == now)
		return;
	snprintf(x.then, sizeof(x.then), "%c%u:%u", block ? 'b' : 'c', major(then), minor(then));
	if (now)
		snprintf(x.now, sizeof(x.now), "%c%u:%u", block ? 'b' : 'c', major(now), minor(now));
	c->out_of_memory |= vec_push(&c->list, x) != 0;
}

static int find_changes(struct config_run *run, struct changes *c)
{
	struct json_object *links = js_arr(js_obj(run->all, config_network.key), "links");

	devnodes_renumbered(js_obj(run->all, config_devnodes.key), on_node, c);
	for (size_t i = 0; i < js_len(links); i++) {
		struct json_object *o = json_object_array_get_idx(links, i);
		const char *name = js_str(o, "name");
		s64 then = js_int(o, "index");
		unsigned int now = name ? if_nametoindex(name) : 0;
		struct change x = { 0 };

		if (!name || then == now)
			continue;
		snprintf(x.then, sizeof(x.then), "n%lld", (long long)then);
		if (now)
			snprintf(x.now, sizeof(x.now), "n%u", now);
		c->out_of_memory |= vec_push(&c->list, x) != 0;
	}
	return c->out_of_memory ? -ENOMEM : 0;
}

/* Through a name of its own, because the numbers may have changed places. */
static void rename_in(int dir, const struct changes *c)
{
	char tmp[48];

	for (size_t i = 0; i < c->list.n; i++) {
		const struct change *x = &c->list.v[i];

		snprintf(tmp, sizeof(tmp), ".ohib-%s", x->now);
		if (!*x->now)
			unlinkat(dir, x->then, 0);
		else
			renameat(dir, x->then, dir, tmp);
	}
	for (size_t i = 0; i < c->list.n; i++) {
		const struct change *x = &c->list.v[i];

		snprintf(tmp, sizeof(tmp), ".ohib-%s", x->now);
		if (*x->now)
			renameat(dir, tmp, dir, x->now);
	}
}

static void rename_in_path(const char *path, const struct changes *c)
{
	_cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir >= 0)
		rename_in(dir, c);
}

/* tags/TAG/ID and links/NAME/ID */
static void rename_in_subfolders(const char *path, const struct changes *c)
{
	_cleanup_(cleanup_dir) DIR *d = opendir(path);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		_cleanup_close_ int dir = -1;

		if (de->d_name[0] == '.')
			continue;
		dir = openat(dirfd(d), de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (dir >= 0)
			rename_in(dir, c);
	}
}

/* watch/WD is a link to ID, and watch/ID one to WD. */
static void fix_watches(const struct changes *c)
{
	_cleanup_(cleanup_dir) DIR *d = opendir(UDEV "/watch");
	struct dirent *de;

	while (d && (de = readdir(d))) {
		char target[64];
		ssize_t n = readlinkat(dirfd(d), de->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		for (size_t i = 0; i < c->list.n; i++) {
			const struct change *x = &c->list.v[i];

			if (strcmp(x->then, target))
				continue;
			/* Without it udev does not learn of writes to the device; nothing else is lost. */
			if (!unlinkat(dirfd(d), de->d_name, 0) && *x->now &&
			    symlinkat(x->now, dirfd(d), de->d_name))
				return;
			break;
		}
	}
	rename_in_path(UDEV "/watch", c);
}

static int restore(struct config_run *run)
{
	struct changes c = { 0 };
	int r = find_changes(run, &c);

	if (!r && c.list.n) {
		rename_in_path(UDEV "/data", &c);
		rename_in_subfolders(UDEV "/tags", &c);
		rename_in_subfolders(UDEV "/links", &c);
		fix_watches(&c);
	}
	vec_free(&c.list);
	return r;
}

static void announce_new(struct json_object *dev, bool block)
{
	const char *folder = block ? "/sys/dev/block" : "/sys/dev/char";
	_cleanup_(cleanup_dir) DIR *d = opendir(folder);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		unsigned int major, minor;
		char name[PATH_MAX], path[PATH_MAX];

		if (sscanf(de->d_name, "%u:%u", &major, &minor) != 2 ||
		    !kernel_node_name(block, makedev(major, minor), name, sizeof(name)) ||
		    devnodes_had(dev, name))
			continue;
		snprintf(path, sizeof(path), "%s/%.40s/uevent", folder, de->d_name);
		text_write(path, "add");
	}
}

static int settle(struct config_run *run)
{
	struct json_object *dev = js_obj(run->all, config_devnodes.key);
	struct changes c = { 0 };
	int r = dev ? find_changes(run, &c) : 0;

	for (size_t i = 0; !r && i < c.list.n; i++) {
		const char *now = c.list.v[i].now;
		char path[128], name[IF_NAMESIZE];

		if (*now != 'n' && *now != 'b')
			continue;
		if (*now == 'n' && if_indextoname((unsigned int)atoi(now + 1), name))
			snprintf(path, sizeof(path), "/sys/class/net/%s/uevent", name);
		else
			snprintf(path, sizeof(path), "/sys/dev/block/%s/uevent", now + 1);
		text_write(path, "change");
	}
	if (!r && dev) {
		announce_new(dev, false);
		announce_new(dev, true);
	}
	vec_free(&c.list);
	return r;
}

const struct config_noun config_udevdb = {
	.key = "udev",
	.stage = { [CONFIG_RESTORE] = restore, [CONFIG_SETTLE] = settle },
};
