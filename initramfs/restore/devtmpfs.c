// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev. There is one devtmpfs in a kernel, and the kernel fills it: what user space had added to it
 * (folders to mount on, links, nodes of modules not loaded yet) is added again before the commit,
 * with a list to take it back; owners, modes and links that lead elsewhere follow after it.
 * The nodes of this kernel stay: a number that the kernel chose may differ from the machine's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mounts.h"
#include "util/cleanup.h"

#define DEPTH_MAX 64
#define MISC_DYNAMIC_MINOR 255

struct walk {
	struct restore *r;
	struct r_sb *sb;
	char path[4096];	/* of the folder at hand, relative to the root */
	bool attrs;
};

/* Documentation/admin-guide/devices.txt: 60-63, 120-127, 234-254 and 384 up are nobody's own. */
static bool is_static(u64 rdev)
{
	unsigned int ma = major(rdev);

	/* drivers/char/misc.c: the kernel chooses below 128, or from 256 on. */
	if (ma == MISC_MAJOR)
		return minor(rdev) >= 128 && minor(rdev) < MISC_DYNAMIC_MINOR;
	return ma < 60 || (ma > 63 && ma < 120) || (ma > 127 && ma < 234);
}

/* udev's links by number, "char/10:125": of what has another number now, or none. */
static bool is_stale_number(const struct walk *w, const char *name)
{
	unsigned int ma, mi;

	return (!strcmp(w->path, "char/") || !strcmp(w->path, "block/")) &&
	       sscanf(name, "%u:%u", &ma, &mi) == 2 && !is_static(makedev(ma, mi));
}

static int remember(struct walk *w, const char *name, bool dir)
{
	struct r_made made = { .dir = dir };

	if (asprintf(&made.path, "%s%s", w->path, name) < 0)
		return -ENOMEM;
	if (vec_push(&w->sb->made, made)) {
		free(made.path);
		return -ENOMEM;
	}
	return 0;
}

static int add_one(struct walk *w, struct m_inode *i, int dir, const char *name)
{
	_cleanup_close_ int fd = -1;
	int ret;

	switch (i->mode & S_IFMT) {
	case S_IFDIR:
		ret = mkdirat(dir, name, 0755);
		break;
	case S_IFLNK:
		if (is_stale_number(w, name))
			return 0;
		ret = symlinkat(i->symlink ? i->symlink : "", dir, name);
		break;
	case S_IFCHR:
	case S_IFBLK:
		if (!is_static(i->rdev))
			return 0; /* comes with its driver, under a number of this kernel */
		ret = mknodat(dir, name, (i->mode & S_IFMT) | 0600, i->rdev);
		break;
	case S_IFIFO:
		ret = mknodat(dir, name, S_IFIFO | 0600, 0);
		break;
	case S_IFREG:
		ret = fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0 && i->shmem) {
			ret = shmem_fill(w->r, i->shmem, fd);
			if (ret)
				return ret;
		}
		break;
	default:
		return 0; /* a socket: by bind() */
	}
	if (ret < 0)
		return errno == EEXIST ? 0 : -errno;
	return remember(w, name, S_ISDIR(i->mode));
}

/* A link of the next kernel's own early user space gives way to the machine's. */
static int relink(struct m_inode *i, int dir, const char *name)
{
	char target[4096];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return 0;
	target[n] = '\0';
	if (!i->symlink || !strcmp(target, i->symlink))
		return 0;
	return unlinkat(dir, name, 0) || symlinkat(i->symlink, dir, name) ? -errno : 0;
}

static int set_attrs(struct walk *w, struct m_inode *i, int dir, const char *name)
{
	struct stat st;
	int ret;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) /* a driver that is not here yet */
		return 0;
	if ((st.st_mode & S_IFMT) != (i->mode & S_IFMT))
		return 0;
	if (S_ISLNK(i->mode) && is_stale_number(w, name))
		return 0;
	if (S_ISLNK(i->mode) && (ret = relink(i, dir, name)))
		return r_fail(w->r, ret, "/dev/%s%s: cannot be linked again", w->path, name);
	return inode_attrs(w->r, i, dir, name);
}

static int walk_dir(struct walk *w, struct m_dentry *d, int dir, unsigned int depth)
{
	size_t len = strlen(w->path);
	struct m_dentry *c;
	int ret;

	vec_foreach(c, &d->children) {
		ret = w->attrs ? 0 : add_one(w, c->inode, dir, c->name);
		if (ret)
			return r_fail(w->r, ret, "/dev/%s%s: cannot be made", w->path, c->name);
		if (S_ISDIR(c->inode->mode)) {
			_cleanup_close_ int sub = openat(dir, c->name, O_RDONLY | O_DIRECTORY |
									       O_CLOEXEC | O_NOFOLLOW);

			if (sub < 0)
				continue;
			if (depth > DEPTH_MAX || len + strlen(c->name) + 2 > sizeof(w->path))
				return r_fail(w->r, -ELOOP, "/dev/%s: too deep", w->path);
			sprintf(w->path + len, "%s/", c->name);
			ret = walk_dir(w, c, sub, depth + 1);
			w->path[len] = '\0';
		}
		if (!ret && w->attrs)
			ret = set_attrs(w, c->inode, dir, c->name);
		if (ret)
			return ret;
	}
	return 0;
}

static int walk(struct restore *r, struct r_sb *sb, bool attrs)
{
	_cleanup_close_ int root = openat(sb->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk w = { .r = r, .sb = sb, .attrs = attrs };
	int ret;

	if (!sb->m->root)
		return 0;
	if (root < 0)
		return r_fail(r, -errno, "/dev: cannot be opened");
	ret = walk_dir(&w, sb->m->root, root, 0);
	return ret || !attrs ? ret : inode_attrs(r, sb->m->root->inode, root, "");
}

int devtmpfs_add(struct restore *r, struct r_sb *sb)
{
	return walk(r, sb, false);
}

int devtmpfs_attrs(struct restore *r, struct r_sb *sb)
{
	return walk(r, sb, true);
}

void devtmpfs_undo(struct r_sb *sb)
{
	while (sb->made.n) {
		struct r_made *m = &sb->made.v[--sb->made.n];

		unlinkat(sb->fd, m->path, m->dir ? AT_REMOVEDIR : 0);
		free(m->path);
	}
	vec_free(&sb->made);
}
