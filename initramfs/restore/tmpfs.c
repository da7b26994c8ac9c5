// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contents of file systems that live in memory.
 * A socket that somebody holds gets its name by bind(), from whoever makes the socket: that name is
 * left out first and gets its owner, mode and times at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mounts.h"
#include "util/cleanup.h"
#include "util/map.h"

#define DEPTH_MAX 2048	/* a path has 4096 bytes */

struct fill {
	struct restore *r;
	struct map live;	/* m_inode of sockets that somebody holds */
	struct map links;	/* m_inode with more than one name, to (fd + 1) of the first */
	VEC(int) fds;
};

static struct m_dentry *child_of(struct m_dentry *d, const char *name, size_t len)
{
	struct m_dentry *c;

	vec_foreach(c, &d->children)
		if (!strncmp(c->name, name, len) && !c->name[len])
			return c;
	return NULL;
}

static struct m_dentry *look_up(struct m_dentry *d, const char *path)
{
	while (d && *path) {
		size_t len = strcspn(path, "/");

		if (len)
			d = child_of(d, path, len);
		path += len + (path[len] == '/');
	}
	return d;
}

/* Names of @sb that bound sockets hold. */
static int find_live(struct fill *f, struct m_superblock *sb)
{
	struct m_dentry *d;
	struct m_sock *s;

	vec_foreach(s, &f->r->m->socks) {
		struct m_path *p = s->path;
		size_t skip;

		if (!p || p->unlinked || !p->mnt || p->mnt->sb != sb)
			continue;
		skip = strcmp(p->mnt->mountpoint, "/") ? strlen(p->mnt->mountpoint) : 0;
		if (strncmp(p->path, p->mnt->mountpoint, skip))
			continue;
		d = look_up(look_up(sb->root, p->mnt->root), p->path + skip);
		if (d && S_ISSOCK(d->inode->mode) && map_put(&f->live, (u64)(uintptr_t)d->inode, d))
			return r_fail(f->r, -ENOMEM, "no memory");
	}
	return 0;
}

static int make_file(struct fill *f, struct m_inode *i, int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
					0600);

	if (fd < 0)
		return -errno;
	if (!i->shmem)
		return 0;
	if (ftruncate(fd, (off_t)i->shmem->size))
		return -errno;
	return shmem_fill(f->r, i->shmem, fd);
}

static int make_one(struct fill *f, struct m_inode *i, int dir, const char *name)
{
	switch (i->mode & S_IFMT) {
	case S_IFREG:
		return make_file(f, i, dir, name);
	case S_IFDIR:
		return mkdirat(dir, name, 0700) ? -errno : 0;
	case S_IFLNK:
		return symlinkat(i->symlink ? i->symlink : "", dir, name) ? -errno : 0;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:	/* nobody holds it: connecting to it is refused, as it was */
		return mknodat(dir, name, (i->mode & S_IFMT) | 0600, i->rdev) ? -errno : 0;
	default:
		return -EINVAL;
	}
}

static int make_link(struct fill *f, struct m_inode *i, int dir, const char *name, bool *done)
{
	u64 first = (u64)(uintptr_t)map_get(&f->links, (u64)(uintptr_t)i);
	int fd;

	*done = false;
	if (S_ISDIR(i->mode) || i->nlink < 2)
		return 0;
	if (first) {
		*done = true;
		return linkat((int)first - 1, "", dir, name, AT_EMPTY_PATH) ? -errno : 0;
	}
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT)
		return 0; /* it is to be made first */
	if (fd < 0)
		return -errno;
	if (vec_push(&f->fds, fd)) {
		close(fd);
		return -ENOMEM;
	}
	return map_put(&f->links, (u64)(uintptr_t)i, (void *)(uintptr_t)(fd + 1));
}

static int fill_dir(struct fill *f, struct m_dentry *d, int dir, unsigned int depth);

static int fill_child(struct fill *f, struct m_dentry *d, int dir, unsigned int depth)
{
	struct m_inode *i = d->inode;
	bool linked;
	int ret;

	if (map_get(&f->live, (u64)(uintptr_t)i))
		return 0;
	ret = make_link(f, i, dir, d->name, &linked);
	if (ret || linked)
		return ret ? r_fail(f->r, ret, "%s: cannot be linked", d->name) : 0;
	ret = make_one(f, i, dir, d->name);
	if (!ret)
		ret = make_link(f, i, dir, d->name, &linked);
	if (ret)
		return r_fail(f->r, ret, "%s: cannot be made: %s", d->name, strerror(-ret));
	if (S_ISDIR(i->mode)) {
		_cleanup_close_ int sub = openat(dir, d->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
								       O_NOFOLLOW);

		return sub < 0 ? r_fail(f->r, -errno, "%s: cannot be opened", d->name) :
				 fill_dir(f, d, sub, depth + 1);
	}
	ret = inode_flags_check(f->r, i, dir, d->name);
	return ret ? ret : inode_attrs(f->r, i, dir, d->name);
}

static int fill_dir(struct fill *f, struct m_dentry *d, int dir, unsigned int depth)
{
	int ret = 0;

	if (depth > DEPTH_MAX)
		return r_fail(f->r, -ELOOP, "%s: too deep", d->name);
	/* The machine lists the newest name first. */
	for (size_t n = d->children.n; !ret && n-- > 0;)
		ret = fill_child(f, d->children.v[n], dir, depth);
	if (!ret)
		ret = inode_flags_check(f->r, d->inode, dir, "");
	return ret ? ret : inode_attrs(f->r, d->inode, dir, "");
}

/* The name is there by bind() now, unless what holds it is a connection made through it. */
static int finish_socket(struct fill *f, struct m_dentry *d, int dir)
{
	if (mknodat(dir, d->name, S_IFSOCK | 0600, 0) && errno != EEXIST)
		return r_fail(f->r, -errno, "%s: cannot be made", d->name);
	return inode_attrs(f->r, d->inode, dir, d->name);
}

static int finish_dir(struct fill *f, struct m_dentry *d, int dir, unsigned int depth)
{
	struct m_dentry *c;
	int ret = 0;

	if (depth > DEPTH_MAX)
		return r_fail(f->r, -ELOOP, "%s: too deep", d->name);
	vec_foreach(c, &d->children) {
		if (S_ISDIR(c->inode->mode)) {
			_cleanup_close_ int sub = openat(dir, c->name, O_RDONLY | O_DIRECTORY |
									       O_CLOEXEC | O_NOFOLLOW);

			ret = sub < 0 ? r_fail(f->r, -errno, "%s: cannot be opened", c->name) :
					finish_dir(f, c, sub, depth + 1);
		} else {
			if (map_get(&f->live, (u64)(uintptr_t)c->inode))
				ret = finish_socket(f, c, dir);
			if (!ret)
				ret = inode_flags(f->r, c->inode, dir, c->name);
		}
		if (ret)
			return ret;
	}
	ret = inode_attrs(f->r, d->inode, dir, "");
	return ret ? ret : inode_flags(f->r, d->inode, dir, "");
}

static int whole_tree(struct restore *r, struct r_sb *sb, bool finish)
{
	_cleanup_close_ int root = openat(sb->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct fill f = { .r = r };
	int ret;

	if (!sb->m->root)
		return r_fail(r, -ENODATA, "%s: its contents are not in the image", sb->source);
	if (root < 0)
		return r_fail(r, -errno, "%s: cannot be opened", sb->source);
	ret = find_live(&f, sb->m);
	if (!ret)
		ret = finish ? finish_dir(&f, sb->m->root, root, 0) : fill_dir(&f, sb->m->root, root, 0);
	for (size_t n = 0; n < f.fds.n; n++)
		close(f.fds.v[n]);
	vec_free(&f.fds);
	map_free(&f.live);
	map_free(&f.links);
	return ret;
}

int tmpfs_fill(struct restore *r, struct r_sb *sb)
{
	return whole_tree(r, sb, false);
}

int tmpfs_finish(struct restore *r, struct r_sb *sb)
{
	return whole_tree(r, sb, true);
}
