// SPDX-License-Identifier: GPL-2.0-only
/* Contents of file systems that live in memory: names, links, nodes, owners, modes, times, xattrs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "fs.h"
#include "util/map.h"

struct tree {
	struct restore *r;
	int root;
	bool merge;
	struct map first;	/* inode's kaddr → path of its first name */
	char path[PATH_MAX];	/* of what is being made, relative to root */
};

static struct timespec ts_of(s64 ns)
{
	struct timespec ts = { ns / (s64)NSEC_PER_SEC, ns % (s64)NSEC_PER_SEC };

	if (ts.tv_nsec < 0) {
		ts.tv_nsec += (long)NSEC_PER_SEC;
		ts.tv_sec--;
	}
	return ts;
}

static int fail(struct tree *t, const char *what)
{
	int err = errno;

	return r_fail(t->r, -err, "file in memory %s: %s", t->path, what);
}

/* Owner before mode, which it would clear bits of; times last of all. */
static int set_meta(struct tree *t, const struct m_inode *in)
{
	struct timespec ts[2] = { ts_of(in->atime_ns), ts_of(in->mtime_ns) };
	char proc[48];
	int fd, ret = 0, flags;

	if (fchownat(t->root, t->path, in->uid, in->gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return fail(t, "cannot set its owner");
	if (!S_ISLNK(in->mode) && fchmodat(t->root, *t->path ? t->path : ".", in->mode & 07777, 0))
		return fail(t, "cannot set its mode");
	fd = in->xattrs.n || in->fs_flags ? openat(t->root, *t->path ? t->path : ".",
						   O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	for (size_t i = 0; !ret && fd >= 0 && i < in->xattrs.n; i++)
		if (setxattr(proc, in->xattrs.v[i].name, in->xattrs.v[i].value, in->xattrs.v[i].len, 0) &&
		    !t->merge)
			ret = fail(t, in->xattrs.v[i].name);
	if (fd >= 0)
		close(fd);
	if (!ret && utimensat(t->root, *t->path ? t->path : ".", ts, AT_SYMLINK_NOFOLLOW))
		ret = fail(t, "cannot set its times");
	if (!ret && in->fs_flags && (S_ISREG(in->mode) || S_ISDIR(in->mode))) {
		flags = (int)in->fs_flags;
		fd = openat(t->root, *t->path ? t->path : ".", O_RDONLY | O_CLOEXEC);
		if (fd < 0 || ioctl(fd, FS_IOC_SETFLAGS, &flags))
			ret = fail(t, "cannot set its flags");
		if (fd >= 0)
			close(fd);
	}
	return ret;
}

static int make_file(struct tree *t, const struct m_inode *in)
{
	int fd = openat(t->root, t->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), ret = 0;

	if (fd < 0)
		return fail(t, "cannot be made");
	if (in->shmem && ftruncate(fd, (off_t)in->shmem->size))
		ret = fail(t, "cannot be sized");
	if (!ret && in->shmem)
		ret = shmem_fill(t->r, in->shmem, fd);
	close(fd);
	return ret;
}

/* Majors that the kernel deals out as drivers come: the same number may be another device now. */
static bool dynamic_major(u64 rdev)
{
	unsigned int maj = major(rdev);

	return (maj >= 234 && maj <= 254) || maj >= 384;
}

static int make_node(struct tree *t, const struct m_inode *in)
{
	struct stat st;

	if (t->merge) {
		/* The kernel's and udev's own stay; what only the machine had is added. */
		if (!fstatat(t->root, t->path, &st, AT_SYMLINK_NOFOLLOW))
			return (st.st_mode & S_IFMT) == (in->mode & S_IFMT) ? 0 : 1;
		if ((S_ISCHR(in->mode) || S_ISBLK(in->mode)) && dynamic_major(in->rdev))
			return 1;
	}
	switch (in->mode & S_IFMT) {
	case S_IFDIR:
		return mkdirat(t->root, t->path, 0700) ? fail(t, "cannot be made") : 0;
	case S_IFLNK:
		return symlinkat(in->symlink ? in->symlink : "", t->root, t->path) ?
			       fail(t, "cannot be made") : 0;
	case S_IFREG:
		return make_file(t, in);
	default:
		return mknodat(t->root, t->path, (in->mode & S_IFMT) | 0600, in->rdev) ?
			       fail(t, "cannot be made") : 0;
	}
}

static int make(struct tree *t, const struct m_dentry *d)
{
	const struct m_inode *in = d->inode;
	const struct m_dentry *child;
	size_t len = strlen(t->path);
	char *first;
	int ret;

	first = map_get(&t->first, (u64)in);
	if (first) {
		if (linkat(t->root, first, t->root, t->path, 0) && !(t->merge && errno == EEXIST))
			return fail(t, "cannot be linked");
		return 0;
	}
	if (*t->path) {
		ret = make_node(t, in);
		if (ret)
			return ret < 0 ? ret : 0;
		if (!S_ISDIR(in->mode)) {
			first = arena_strdup(t->r->m->arena, t->path);
			if (!first || map_put(&t->first, (u64)in, first))
				return r_fail(t->r, -ENOMEM, "no memory for links");
		}
	}
	vec_foreach(child, &d->children) {
		int n = snprintf(t->path + len, sizeof(t->path) - len, "%s%s", len ? "/" : "", child->name);

		if (n < 0 || (size_t)n >= sizeof(t->path) - len)
			return r_fail(t->r, -ENAMETOOLONG, "file in memory %s", child->name);
		ret = make(t, child);
		t->path[len] = '\0';
		if (ret)
			return ret;
	}
	return set_meta(t, in);
}

int tmpfs_fill(struct restore *r, const struct m_superblock *sb, int dirfd, bool merge)
{
	struct tree t = { .r = r, .root = dirfd, .merge = merge };
	int ret = make(&t, sb->root);

	map_free(&t.first);
	return ret;
}
