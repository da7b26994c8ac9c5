// SPDX-License-Identifier: GPL-2.0-only
/*
 * What udev and users made of /dev: links, owners, modes, and nodes and files made by hand. The nodes
 * that a driver has are the next kernel's own, with its numbers.
 *
 *	dev: {entries: [{path, type, mode, uid, gid, major, minor, kernel, driver, dm, target, xattrs, data}]}
 *
 * type is a letter of ls(1); parents come before children; path "" is /dev itself. "passing" is the node of a
 * device that the hibernation itself has made, and links to it: known so that udev's records of it go, made nowhere.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "config/devnode.h"
#include "dm/dm.h"
#include "util/cleanup.h"

#define DEV "/dev"
#define DATA_MAX 65536

static void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static char type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR: return 'd';
	case S_IFLNK: return 'l';
	case S_IFCHR: return 'c';
	case S_IFBLK: return 'b';
	case S_IFIFO: return 'p';
	case S_IFREG: return '-';
	default: return 's';
	}
}

static mode_t mode_of(const char *type)
{
	switch (type ? *type : 0) {
	case 'd': return S_IFDIR;
	case 'l': return S_IFLNK;
	case 'c': return S_IFCHR;
	case 'b': return S_IFBLK;
	case 'p': return S_IFIFO;
	case '-': return S_IFREG;
	default: return 0;
	}
}

static void add_xattrs(struct json_object *o, const char *full)
{
	struct json_object *x = json_object_new_object();
	char names[4096], value[4096];
	ssize_t n = llistxattr(full, names, sizeof(names));

	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		ssize_t len = lgetxattr(full, p, value, sizeof(value));

		if (len >= 0)
			js_add_hex(x, p, value, (size_t)len);
	}
	if (json_object_object_length(x))
		json_object_object_add(o, "xattrs", x);
	else
		json_object_put(x);
}

/* Does @name, of a node or at the end of a link, mean the device that is there for the hibernation alone? */
static bool is_passing(const char *name)
{
	const char *base = strrchr(name, '/');

	base = base ? base + 1 : name;
	return !strcmp(base, DM_AREA) || dm_is(base, DM_AREA);
}

static int add_entry(struct json_object *list, const char *path, const struct stat *st, bool mounted,
		     struct refusals *rows)
{
	struct json_object *o = json_object_new_object();
	char full[PATH_MAX + 8], buf[PATH_MAX], type[2] = { type_of(st->st_mode), '\0' };
	bool block = S_ISBLK(st->st_mode);
	_cleanup_free_ char *data = NULL;
	ssize_t n;

	snprintf(full, sizeof(full), DEV "%s%s", *path ? "/" : "", path);
	json_object_array_add(list, o);
	js_add_str(o, "path", path);
	js_add_str(o, "type", type);
	if (mounted) {
		/* What lies under the mount is covered. */
		json_object_object_add(o, "mounted", json_object_new_boolean(1));
		return 0;
	}
	js_add_int(o, "mode", st->st_mode & 07777);
	js_add_int(o, "uid", st->st_uid);
	js_add_int(o, "gid", st->st_gid);
	add_xattrs(o, full);
	if (S_ISLNK(st->st_mode)) {
		n = readlink(full, buf, sizeof(buf) - 1);
		if (n < 0)
			return -errno;
		buf[n] = '\0';
		js_add_str(o, "target", buf);
		if (is_passing(buf))
			json_object_object_add(o, "passing", json_object_new_boolean(1));
		json_object_object_add(o, "dangling", json_object_new_boolean(access(full, F_OK)));
	}
	if (S_ISCHR(st->st_mode) || block) {
		js_add_int(o, "major", major(st->st_rdev));
		js_add_int(o, "minor", minor(st->st_rdev));
		if (kernel_node_name(block, st->st_rdev, buf, sizeof(buf)) && !strcmp(buf, path))
			json_object_object_add(o, "kernel", json_object_new_boolean(1));
		if (block && is_passing(path))
			json_object_object_add(o, "passing", json_object_new_boolean(1));
		if (driver_of_major(block, major(st->st_rdev), buf, sizeof(buf)))
			js_add_str(o, "driver", buf);
		if (block && dm_identity(st->st_rdev, buf, sizeof(buf)))
			js_add_str(o, "dm", buf);
	}
	if (S_ISREG(st->st_mode)) {
		if (st->st_size > DATA_MAX) {
			if (rows)
				refuse(rows, 0, "", full, "a file of %lld bytes in /dev; at most %d are carried",
				       (long long)st->st_size, DATA_MAX);
			return 0;
		}
		n = text_read(full, &data);
		if (n < 0)
			return (int)n;
		js_add_hex(o, "data", data, (size_t)n);
	}
	return 0;
}

static int walk(struct json_object *list, const char *prefix, dev_t dev, int depth,
		struct refusals *rows)
{
	_cleanup_(cleanup_dir) DIR *d = NULL;
	char full[PATH_MAX + 8];
	struct dirent *de;

	snprintf(full, sizeof(full), DEV "/%s", prefix);
	d = opendir(full);
	if (!d)
		return -errno;
	while ((de = readdir(d))) {
		char path[PATH_MAX];
		struct stat st;
		int r;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "/" : "", de->d_name) >=
		    (int)sizeof(path))
			return -ENAMETOOLONG;
		if (fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
			continue;
		/* Sockets are bound by those who own them. */
		if (S_ISSOCK(st.st_mode))
			continue;
		r = add_entry(list, path, &st, st.st_dev != dev, rows);
		if (!r && S_ISDIR(st.st_mode) && st.st_dev == dev)
			r = depth < 32 ? walk(list, path, dev, depth + 1, rows) : -ELOOP;
		if (r)
			return r;
	}
	return 0;
}

static int read_dev(struct json_object **out, struct refusals *rows)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	struct stat st;
	int r;

	json_object_object_add(o, "entries", list);
	r = stat(DEV, &st) ? -errno : 0;
	if (!r)
		r = add_entry(list, "", &st, false, rows);
	if (!r)
		r = walk(list, "", st.st_dev, 0, rows);
	if (r)
		json_object_put(o);
	else
		*out = o;
	return r;
}

static int capture(struct json_object **out, struct ohib_err *err)
{
	int r = read_dev(out, NULL);

	return r ? ohib_err_set(err, r, DEV ": %s", strerror(-r)) : 0;
}

static int check(struct config_check *c)
{
	struct json_object *o;
	int r = read_dev(&o, c->refusals);

	if (r)
		return ohib_err_set(c->err, r, DEV ": %s", strerror(-r));
	json_object_put(o);
	return 0;
}

static int set_owner(struct json_object *o, const char *full, mode_t type)
{
	struct json_object *x = js_obj(o, "xattrs");
	u8 value[4096];
	int r = 0, n;

	if (fchownat(AT_FDCWD, full, (uid_t)js_int(o, "uid"), (gid_t)js_int(o, "gid"),
		     AT_SYMLINK_NOFOLLOW))
		r = -errno;
	if (type != S_IFLNK && chmod(full, (mode_t)js_int(o, "mode") & 07777) && !r)
		r = -errno;
	if (x) {
		json_object_object_foreach(x, name, v) {
			n = json_object_is_type(v, json_type_string) ?
				js_hex(json_object_get_string(v), value, sizeof(value)) : -EINVAL;
			if (n < 0 || lsetxattr(full, name, value, (size_t)n, 0))
				r = r ? r : n < 0 ? n : -errno;
		}
	}
	return r;
}

/* Where the entry is now; false: its device is not there. */
static bool place_now(struct json_object *o, const char *path, char *full, size_t room)
{
	const char *dm = js_str(o, "dm");
	char name[NAME_MAX + 1];

	if (dm && !strncmp(path, "dm-", 3)) {
		snprintf(full, room, DEV "/");
		return dm_node_now(dm, name, sizeof(name)) && snprintf(full, room, DEV "/%s", name) < (int)room;
	}
	snprintf(full, room, DEV "%s%s", *path ? "/" : "", path);
	return true;
}

/* 0: this kernel does not have the driver, or the device. */
static dev_t number_of(struct json_object *o, bool block)
{
	const char *dm = js_str(o, "dm");
	unsigned int major = (unsigned int)js_int(o, "major"), minor = (unsigned int)js_int(o, "minor");
	const char *driver = js_str(o, "driver");
	unsigned int now = driver ? major_of_driver(block, driver) : major;

	if (dm) {
		char full[NAME_MAX + 8], name[NAME_MAX + 1];
		struct stat st;

		snprintf(full, sizeof(full), DEV "/%s", dm_node_now(dm, name, sizeof(name)) ? name : "?");
		return stat(full, &st) ? 0 : st.st_rdev;
	}
	/* Drivers with a number of their choice; of one that is not loaded the number is all there is. */
	if (driver && !now && major >= 234) {
		return 0;
	}
	return makedev(now ? now : major, minor);
}

static int make_file(struct json_object *o, const char *full)
{
	const char *hex = js_str(o, "data");
	_cleanup_free_ u8 *data = malloc(DATA_MAX);
	int n;

	if (!data)
		return -ENOMEM;
	n = hex ? js_hex(hex, data, DATA_MAX) : -EINVAL;
	return n < 0 ? n : text_replace(full, data, (size_t)n);
}

/* A link is made although it leads nowhere when it did so before, or when it leads out of /dev. */
static int make_link(struct json_object *o, const char *target, const char *full, const char **why)
{
	struct json_object *dangling;
	char old[PATH_MAX];
	struct stat st;
	bool inside, was_dangling;
	ssize_t n;

	if (!target || !*target)
		return -EINVAL;
	n = readlink(full, old, sizeof(old) - 1);
	if (n > 0) {
		old[n] = '\0';
		if (!strcmp(old, target))
			return 0;
		unlink(full);
	} else if (!lstat(full, &st)) {
		*why = "was a link, and this kernel has a device of that name";
		return -EEXIST;
	}
	if (symlink(target, full))
		return -errno;
	inside = *target != '/' ? !strstr(target, "../proc") && !strstr(target, "../run") :
				  !strncmp(target, DEV "/", 5);
	was_dangling = json_object_object_get_ex(o, "dangling", &dangling) &&
		       json_object_get_boolean(dangling);
	if (inside && !was_dangling && access(full, F_OK)) {
		unlink(full);
		return -ENODEV;
	}
	return 0;
}

/*
 * udev's /dev/char/M:N and /dev/block/M:N: the number in the name is this kernel's. Into @full; false: the
 * link is not one of these, or its device is not there.
 */
static bool numbered_link(const char *target, const char *path, char *full, size_t room)
{
	bool block = !strncmp(path, "block/", 6);
	unsigned int old_major, old_minor;
	struct stat st;
	char node[PATH_MAX + 8];

	if ((!block && strncmp(path, "char/", 5)) ||
	    sscanf(path + 5 + block, "%u:%u", &old_major, &old_minor) != 2 ||
	    strncmp(target, "../", 3))
		return false;
	snprintf(node, sizeof(node), DEV "/%s", target + 3);
	if (stat(node, &st) || (st.st_mode & S_IFMT) != (block ? S_IFBLK : S_IFCHR))
		return false;
	snprintf(full, room, DEV "/%s/%u:%u", block ? "block" : "char", major(st.st_rdev),
		 minor(st.st_rdev));
	return true;
}

/* @target: of a link. */
static int make_entry(struct json_object *o, const char *target, const char *full, const char **why)
{
	mode_t type = mode_of(js_str(o, "type"));
	struct stat st;
	bool exists = !lstat(full, &st);
	struct json_object *flag;
	dev_t rdev;

	switch (type) {
	case S_IFLNK:
		return make_link(o, target, full, why);
	case S_IFDIR:
		if (exists && S_ISDIR(st.st_mode))
			return 0;
		return mkdir(full, 0755) ? -errno : 0;
	case S_IFREG:
		return exists && !S_ISREG(st.st_mode) ? -EEXIST : make_file(o, full);
	case S_IFIFO:
		return exists ? (S_ISFIFO(st.st_mode) ? 0 : -EEXIST) :
				mkfifo(full, 0600) ? -errno : 0;
	case S_IFCHR:
	case S_IFBLK:
		if (exists && (st.st_mode & S_IFMT) == type)
			return 0;
		if (json_object_object_get_ex(o, "kernel", &flag) && json_object_get_boolean(flag))
			return -ENODEV;
		rdev = number_of(o, type == S_IFBLK);
		if (!rdev)
			return -ENODEV;
		return exists ? -EEXIST : mknod(full, type | 0600, rdev) ? -errno : 0;
	default:
		return -EINVAL;
	}
}

/* @again: those that had no device the first time, which may have come meanwhile. */
static void make_all(struct config_run *run, bool again, char *missing, size_t room)
{
	struct json_object *list = js_arr(run->mine, "entries");

	/* Twice: a link may lead to what comes after it. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < js_len(list); i++) {
			struct json_object *o = json_object_array_get_idx(list, i);
			const char *path = js_str(o, "path"), *why = NULL;
			const char *to = js_str(o, "target");
			char full[PATH_MAX + 8], target[PATH_MAX];
			bool link = mode_of(js_str(o, "type")) == S_IFLNK;
			int r;

			if (!path || (*path && !path_is_plain(path)) || pass != link ||
			    strlen(path) >= PATH_MAX - sizeof(DEV))
				continue;
			if (again != json_object_object_get_ex(o, "missing", NULL) ||
			    json_object_object_get_ex(o, "passing", NULL))
				continue;
			r = place_now(o, path, full, sizeof(full)) ? 0 : -ENODEV;
			if (link && to && dm_target_now(list, to, target, sizeof(target)))
				numbered_link(target, path, full, sizeof(full));
			else if (link)
				/* restore/devtmpfs.c has made it as it was: it leads to another device */
				r = unlink(full) && errno != ENOENT ? -errno : -ENODEV;
			if (!r && *path)
				r = make_entry(o, target, full, &why);
			if (!r && !json_object_object_get_ex(o, "mounted", NULL))
				r = set_owner(o, full, mode_of(js_str(o, "type")));
			if (r == -ENODEV && again && strlen(missing) + strlen(path) + 2 < room)
				sprintf(missing + strlen(missing), " %s", path);
			else if (r == -ENODEV)
				json_object_object_add(o, "missing", json_object_new_boolean(1));
			else if (r)
				config_note(run, full, "%s", why ? why : strerror(-r));
		}
	}
}

static int restore(struct config_run *run)
{
	make_all(run, false, NULL, 0);
	return 0;
}

/* Some come with the first open (vcs2 …). */
static int settle(struct config_run *run)
{
	char missing[180] = "";

	make_all(run, true, missing, sizeof(missing));
	if (*missing)
		config_note(run, DEV, "this kernel has no device for:%s", missing);
	return 0;
}

int devnodes_renumbered(struct json_object *dev,
			void (*each)(void *arg, bool block, dev_t then, dev_t now), void *arg)
{
	struct json_object *list = js_arr(dev, "entries");

	for (size_t i = 0; i < js_len(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		mode_t type = mode_of(js_str(o, "type"));
		const char *path = js_str(o, "path");
		char full[PATH_MAX + 8];
		struct stat st;
		bool there;

		if (!path || !path_is_plain(path) || !json_object_object_get_ex(o, "kernel", NULL) ||
		    (type != S_IFCHR && type != S_IFBLK))
			continue;
		there = place_now(o, path, full, sizeof(full));
		each(arg, type == S_IFBLK,
		     makedev((unsigned int)js_int(o, "major"), (unsigned int)js_int(o, "minor")),
		     there && !json_object_object_get_ex(o, "passing", NULL) && !lstat(full, &st) &&
		     (st.st_mode & S_IFMT) == type ? st.st_rdev : 0);
	}
	return 0;
}

bool devnodes_had(struct json_object *dev, const char *path)
{
	struct json_object *list = js_arr(dev, "entries");

	for (size_t i = 0; i < js_len(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *p = js_str(o, "path");

		if (p && !strcmp(p, path) && !json_object_object_get_ex(o, "passing", NULL))
			return true;
	}
	return false;
}

const struct config_noun config_devnodes = {
	.key = "dev",
	.capture = capture,
	.check = check,
	.stage = { [CONFIG_RESTORE] = restore, [CONFIG_SETTLE] = settle },
};
