// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mount tree, built on a folder of the initramfs and moved over its root in the end, as
 * switch_root does. Each mount is a clone of its super block's base, so that bind mounts and several
 * mounts of one file system are nothing special.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fs.h"


#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x100
#endif

/* The initramfs's own root, which the machine's root file system is mounted over. */
static bool is_rootfs(const struct m_mount *m)
{
	return !m->parent && !strcmp(m->sb->fstype, "rootfs");
}

static bool is_root(const struct m_mount *m)
{
	return !m->parent || (is_rootfs(m->parent) && !strcmp(m->mountpoint, "/"));
}

static int move_mount_fd(int from, int to)
{
	return (int)syscall(SYS_move_mount, from, "", to, "",
			    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* A detached clone of what is at @root of the super block. */
static int clone_tree(const struct m_mount *m)
{
	int base = open(superblock_base(m->sb), O_PATH | O_CLOEXEC), ret;
	const char *rel = m->root ? m->root : "/";

	if (base < 0)
		return -errno;
	while (*rel == '/')
		rel++;
	ret = (int)syscall(SYS_open_tree, base, rel,
			   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*rel ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH));
	if (ret < 0)
		ret = -errno;
	close(base);
	return ret;
}

/* A mount point that only the file system in memory below lacks is made. */
static int open_point(struct restore *r, const struct m_mount *m)
{
	int fd = path_open(r, m->mountpoint, O_PATH, 0), dir;
	char parent[PATH_MAX];
	char *slash;

	if (fd != -ENOENT || !m->parent || m->parent->sb->kind == M_FS_BLOCK)
		return fd;
	snprintf(parent, sizeof(parent), "%s", m->mountpoint);
	slash = strrchr(parent, '/');
	if (!slash || !slash[1])
		return fd;
	*slash = '\0';
	dir = path_open(r, *parent ? parent : "/", O_PATH | O_DIRECTORY, 0);
	if (dir < 0)
		return fd;
	if (!mkdirat(dir, slash + 1, 0755))
		fd = path_open(r, m->mountpoint, O_PATH, 0);
	close(dir);
	return fd;
}

#define PER_MOUNT                                                                                  \
	(MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME |             \
	 MS_STRICTATIME | MS_RDONLY | MS_NOSYMFOLLOW)

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

static int set_flags(struct restore *r, const struct m_mount *m, int at)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
	if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | (m->flags & PER_MOUNT), NULL))
		return r_fail(r, -errno, "cannot set the flags of mount %s", m->mountpoint);
	return 0;
}

static int make_one(struct restore *r, struct m_mount *m)
{
	int tree, point, ret = 0;

	tree = clone_tree(m);
	if (tree < 0)
		return r_fail(r, tree, "cannot reach %s of the file system of mount %s",
			      m->root ? m->root : "/", m->mountpoint);
	if (!is_root(m)) {
		point = open_point(r, m);
	} else {
		mkdir(MOUNTS_ROOT, 0700);
		point = open(MOUNTS_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (point < 0)
		ret = r_fail(r, point, "mount point %s is not there", m->mountpoint);
	else if (move_mount_fd(tree, point))
		ret = r_fail(r, -errno, "cannot mount on %s", m->mountpoint);
	else if (is_root(m))
		r->root_fd = fcntl(tree, F_DUPFD_CLOEXEC, 0);
	if (!ret)
		ret = set_flags(r, m, tree);
	if (point >= 0)
		close(point);
	m->restore = (void *)(long)(tree + 1);
	return ret;
}

/* Descriptor of a mount's root, kept until the tree is whole. */
static int fd_of(const struct m_mount *m)
{
	return (int)(long)m->restore - 1;
}

static struct m_mount *first_of_group(struct restore *r, s32 group, const struct m_mount *not)
{
	struct m_mount *m;

	vec_foreach(m, &r->m->mounts)
		if (m->peer_group == group)
			return m == not ? NULL : m;
	return NULL;
}

static int propagate(struct restore *r, const struct m_mount *m, unsigned long how)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd_of(m));
	return mount(NULL, path, NULL, how, NULL) ?
		       r_fail(r, -errno, "cannot set the propagation of mount %s", m->mountpoint) : 0;
}

static int join_group(struct restore *r, const struct m_mount *m, const struct m_mount *of)
{
	if (syscall(SYS_move_mount, fd_of(of), "", fd_of(m), "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_SET_GROUP))
		return r_fail(r, -errno, "mount %s cannot join the peers of %s (needs Linux 5.15)",
			      m->mountpoint, of->mountpoint);
	return 0;
}

/* When all mounts are there, or they would multiply. */
static int set_propagation(struct restore *r)
{
	struct m_mount *m, *first;
	int ret = 0;

	vec_foreach(m, &r->m->mounts) {
		if (!m->restore)
			continue;
		first = m->master_group ? first_of_group(r, m->master_group, m) : NULL;
		if (!ret && first) {
			ret = join_group(r, m, first);
			if (!ret)
				ret = propagate(r, m, MS_SLAVE);
		}
		first = m->peer_group ? first_of_group(r, m->peer_group, m) : NULL;
		if (!ret && first && !m->master_group)
			ret = join_group(r, m, first);
		else if (!ret && m->peer_group)
			ret = propagate(r, m, MS_SHARED);
		if (!ret && m->unbindable)
			ret = propagate(r, m, MS_UNBINDABLE);
	}
	return ret;
}

static void close_points(struct restore *r)
{
	struct m_mount *m;

	vec_foreach(m, &r->m->mounts) {
		if (m->restore)
			close(fd_of(m));
		m->restore = NULL;
	}
}

int mounts_build(struct restore *r)
{
	struct m_mount *m;
	int ret;

	/* Nothing that is mounted here is to appear anywhere else. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return r_fail(r, -errno, "cannot make the initramfs's mounts private");
	ret = superblocks_mount(r);
	if (r->root_fd >= 0)
		close(r->root_fd);
	r->root_fd = -1;
	vec_foreach(m, &r->m->mounts)
		if (!ret && !is_rootfs(m))
			ret = make_one(r, m);
	if (!ret && r->root_fd < 0)
		ret = r_fail(r, -EINVAL, "the machine has no root mount");
	if (!ret)
		ret = set_propagation(r);
	close_points(r);
	return ret;
}

int mounts_writable(struct restore *r)
{
	return superblocks_writable(r);
}

/* The initramfs's files: their memory is the machine's now. Other file systems are left alone. */
static void remove_tree(int dir, dev_t dev)
{
	struct dirent *d;
	struct stat st;
	DIR *s = fdopendir(dir);

	while (s && (d = readdir(s))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") ||
		    fstatat(dirfd(s), d->d_name, &st, AT_SYMLINK_NOFOLLOW) || st.st_dev != dev)
			continue;
		if (S_ISDIR(st.st_mode)) {
			int sub = openat(dirfd(s), d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub >= 0)
				remove_tree(sub, dev);
			unlinkat(dirfd(s), d->d_name, AT_REMOVEDIR);
		} else {
			unlinkat(dirfd(s), d->d_name, 0);
		}
	}
	if (s)
		closedir(s);
	else
		close(dir);
}

int mounts_switch(struct restore *r)
{
	struct stat st;
	int old, ret = 0;

	old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || fstat(old, &st))
		return r_fail(r, -errno, "cannot open the initramfs's root");
	superblocks_unmount(r, false);
	if (chdir(MOUNTS_ROOT) || mount(".", "/", NULL, MS_MOVE, NULL))
		ret = r_fail(r, -errno, "cannot move the machine's root over the initramfs's");
	if (!ret && chdir("/"))
		ret = r_fail(r, -errno, "cannot go back to the initramfs's root");
	if (!ret && (st.st_mode & S_IFMT) == S_IFDIR)
		remove_tree(old, st.st_dev);
	else
		close(old);
	return ret;
}

void mounts_undo(struct restore *r)
{
	close_points(r);
	if (r->root_fd >= 0)
		close(r->root_fd);
	r->root_fd = -1;
	umount2(MOUNTS_ROOT, MNT_DETACH);
	rmdir(MOUNTS_ROOT);
	superblocks_unmount(r, true);
}
