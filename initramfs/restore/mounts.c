// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine's mount tree under this kernel. It is built in a place of its own in the initramfs,
 * with every file system on a disk read-only and its device too; after the commit they are made
 * writable and the tree is moved over /, as switch_root does.
 *
 * While it is built each super block has a mount of its own, of all of it, that nothing is mounted
 * on: the machine's mounts are clones of (parts of) it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mounts.h"
#include "util/cleanup.h"


/* @path below @dir, without a link or a mount on the way; "" and "/" are @dir itself. */
static int open_inside(int dir, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};
	int fd;

	while (*path == '/')
		path++;
	fd = (int)syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

static int attach(int mnt, int where)
{
	return move_mount(mnt, "", where, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) ?
		       -errno : 0;
}

static int stage(struct restore *r)
{
	int ret;

	r->mounts = calloc(1, sizeof(*r->mounts));
	if (!r->mounts)
		return r_fail(r, -ENOMEM, "no memory");
	ret = initramfs_list(r);
	if (ret)
		return ret;
	mkdir("/run", 0755);
	mkdir(MOUNTS_BASE, 0700);
	if (mount("overlay-root", MOUNTS_BASE, "tmpfs", 0, "mode=700"))
		return r_fail(r, -errno, "cannot mount " MOUNTS_BASE);
	r->mounts->staged = true;
	if (mount(NULL, MOUNTS_BASE, NULL, MS_PRIVATE, NULL) || mkdir(MOUNTS_ROOT, 0755))
		return r_fail(r, -errno, "cannot prepare " MOUNTS_BASE);
	return 0;
}

static bool is_rootfs(const struct m_mount *m)
{
	return !m->parent;
}

static int find_disk(struct restore *r, struct r_sb *sb)
{
	int ret = blockdev_find(r, sb);

	return ret || r->rw ? ret : blockdev_check(r, sb);
}

/* A mount of all of the super block at a place of its own. */
static int make_sb(struct restore *r, struct r_sb *sb, size_t number)
{
	_cleanup_close_ int mnt = -1, where = -1;
	int ret = 0;

	if (sb->m->kind == M_FS_INTERNAL)
		return r_fail(r, -EOPNOTSUPP, "file system %s: cannot be mounted", sb->m->fstype);
	if (sb->m->kind == M_FS_BLOCK) {
		if (!sb->dev)
			ret = find_disk(r, sb);
		if (!ret && !r->rw)
			ret = blockdev_lock(r, sb->dev);
	}
	if (!ret)
		ret = fs_make(r, sb, &mnt);
	if (ret)
		return ret;
	sprintf(sb->place, MOUNTS_BASE "/%zu", number);
	if (mkdir(sb->place, 0700))
		return r_fail(r, -errno, "cannot make %s", sb->place);
	where = open(sb->place, O_PATH | O_CLOEXEC);
	ret = where < 0 ? -errno : attach(mnt, where);
	if (ret)
		return r_fail(r, ret, "file system %s: cannot be mounted on %s", sb->m->fstype,
			      sb->place);
	sb->fd = mnt;
	mnt = -1;
	switch (sb->m->kind) {
	case M_FS_TMPFS:
	case M_FS_RAMFS:
		return tmpfs_fill(r, sb);
	case M_FS_DEVTMPFS:
		return devtmpfs_add(r, sb);
	default:
		return 0;
	}
}

static struct r_sb *new_sb(struct restore *r, struct m_mount *m)
{
	struct r_sb *sb = calloc(1, sizeof(*sb));

	if (!sb || vec_push(&r->mounts->sbs, sb)) {
		free(sb);
		r_fail(r, -ENOMEM, "no memory");
		return NULL;
	}
	sb->fd = -1;
	sb->m = m->sb;
	m->sb->restore = sb;
	sb->source = m->devname && *m->devname ? m->devname : m->sb->fstype;
	return sb;
}

/* Made, when that has not been done yet; places are numbered as they come. */
static struct r_sb *get_sb(struct restore *r, struct m_mount *m)
{
	struct r_sb *sb = m->sb->restore;

	if (!sb)
		sb = new_sb(r, m);
	if (!sb || sb->fd >= 0)
		return sb;
	return make_sb(r, sb, ++r->mounts->places) ? NULL : sb;
}

/*
 * Have all disks of the machine found, and let the caller put something between. They are there in a second
 * building, and what is between is found by what is on it.
 */
static int layer_disks(struct restore *r)
{
	_cleanup_free_ struct restore_disk *disks = calloc(r->m->mounts.n + 1, sizeof(*disks));
	struct m_mount *m;
	struct r_sb *sb;
	size_t n = 0;
	int ret = 0;

	if (!disks)
		return r_fail(r, -ENOMEM, "no memory");
	vec_foreach(m, &r->m->mounts) {
		if (is_rootfs(m) || !m->sb || m->sb->kind != M_FS_BLOCK || m->sb->restore)
			continue;
		sb = new_sb(r, m);
		ret = sb ? find_disk(r, sb) : -ENOMEM;
		if (ret)
			return ret;
		memcpy(disks[n].node, sb->dev->node, sizeof(disks[n].node));
		memcpy(disks[n++].fs_uuid, sb->m->uuid, sizeof(disks->fs_uuid));
	}
	if (n)
		ret = r->o->layer(r->o->arg, disks, n, r->e);
	n = 0;
	vec_foreach(sb, &r->mounts->sbs)
		if (!ret)
			ret = blockdev_replace(r, sb->dev, disks[n++].node);
	return ret;
}

static int set_flags(int mnt, u64 ms)
{
	static const struct {
		u64 ms, attr;
	} flags[] = {
		{ MS_RDONLY, MOUNT_ATTR_RDONLY },     { MS_NOSUID, MOUNT_ATTR_NOSUID },
		{ MS_NODEV, MOUNT_ATTR_NODEV },	      { MS_NOEXEC, MOUNT_ATTR_NOEXEC },
		{ MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
		{ MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
	};
	struct mount_attr a = { .attr_clr = MOUNT_ATTR__ATIME };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		*(ms & flags[i].ms ? &a.attr_set : &a.attr_clr) |= flags[i].attr;
	a.attr_set |= ms & MS_NOATIME ? MOUNT_ATTR_NOATIME :
		      ms & MS_RELATIME ? MOUNT_ATTR_RELATIME : MOUNT_ATTR_STRICTATIME;
	return mount_setattr(mnt, "", AT_EMPTY_PATH, &a, sizeof(a)) ? -errno : 0;
}

/* The folder or file in the parent that it is mounted on. */
static int open_place(struct restore *r, struct m_mount *m)
{
	struct r_mount *parent = m->parent->restore;
	size_t skip = strlen(m->parent->mountpoint);
	int fd;

	if (is_rootfs(m->parent)) {
		if (strcmp(m->mountpoint, "/"))
			return r_fail(r, -EOPNOTSUPP, "mount %s: hidden under the root file system",
				      m->mountpoint);
		fd = open(MOUNTS_ROOT, O_PATH | O_CLOEXEC);
		return fd < 0 ? r_fail(r, -errno, "cannot open " MOUNTS_ROOT) : fd;
	}
	if (!parent || strncmp(m->mountpoint, m->parent->mountpoint, skip))
		return r_fail(r, -EINVAL, "mount %s: not below its parent", m->mountpoint);
	fd = open_inside(parent->fd, m->mountpoint + skip);
	return fd < 0 ? r_fail(r, fd, "mount %s: the place is not there: %s", m->mountpoint,
			       strerror(-fd)) : fd;
}

/* A place of its own; what it is attached to later, it is moved to. */
static int park(struct restore *r, struct m_mount *m, int mnt)
{
	_cleanup_close_ int where = -1;
	struct stat st;
	char place[64];
	int ret;

	sprintf(place, MOUNTS_BASE "/m%d", r->mounts->parked++);
	if (fstat(mnt, &st))
		return r_fail(r, -errno, "mount %s: cannot be looked at", m->mountpoint);
	if (S_ISDIR(st.st_mode) ? mkdir(place, 0700) : mknod(place, S_IFREG | 0600, 0))
		return r_fail(r, -errno, "cannot make %s", place);
	where = open(place, O_PATH | O_CLOEXEC);
	ret = where < 0 ? -errno : attach(mnt, where);
	return ret ? r_fail(r, ret, "mount %s: cannot be attached: %s", m->mountpoint,
			    strerror(-ret)) : 0;
}

static int make_mount(struct restore *r, struct m_mount *m)
{
	_cleanup_close_ int part = -1, mnt = -1;
	struct r_sb *sb = m->sb->restore;
	struct r_mount *t;
	int ret;

	part = open_inside(sb->fd, m->root);
	if (part < 0)
		return r_fail(r, part, "mount %s: %s of %s is not there", m->mountpoint, m->root,
			      sb->source);
	mnt = open_tree(part, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (mnt < 0)
		return r_fail(r, -errno, "mount %s: cannot be made", m->mountpoint);
	ret = set_flags(mnt, m->flags);
	if (ret)
		return r_fail(r, ret, "mount %s: cannot set its flags", m->mountpoint);
	ret = park(r, m, mnt);
	if (ret)
		return ret;
	t = calloc(1, sizeof(*t));
	if (!t)
		return r_fail(r, -ENOMEM, "no memory");
	t->fd = mnt;
	mnt = -1;
	m->restore = t;
	return 0;
}

static int place_mount(struct restore *r, struct m_mount *m)
{
	_cleanup_close_ int where = open_place(r, m);
	struct r_mount *t = m->restore;
	int ret;

	if (where < 0)
		return where;
	ret = attach(t->fd, where);
	if (ret)
		return r_fail(r, ret, "mount %s: cannot be attached: %s", m->mountpoint, strerror(-ret));
	t->placed = true;
	return 0;
}

/* What is over everything else at "/" is what the machine calls its root. */
static int use_root(struct restore *r, const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return r_fail(r, -errno, "cannot open %s", path);
	close(r->root_fd);
	r->root_fd = fd;
	return 0;
}

static int make_sbs(struct restore *r)
{
	struct m_mount *m;
	struct r_sb *sb;
	int ret = 0;

	vec_foreach(m, &r->m->mounts) {
		if (is_rootfs(m))
			continue;
		if (!m->sb || !m->mountpoint || !m->root)
			return r_fail(r, -EINVAL, "mount %s: not whole",
				      m->mountpoint ? m->mountpoint : "?");
		sb = get_sb(r, m);
		if (!sb)
			return r->e && r->e->code ? r->e->code : -EINVAL;
		/* modules for those to come are there */
		if (!strcmp(m->mountpoint, "/"))
			ret = use_root(r, sb->place);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * mountinfo lists mounts in the order in which they came to the namespace (to 6.7), or were made
 * (from 6.8 on, 2eea9ce4310d), wherever they are moved after: they are made in the machine's order.
 */
static int make_mounts(struct restore *r)
{
	size_t n = r->m->mounts.n;
	_cleanup_free_ struct m_mount **order = malloc(n * sizeof(*order) + 1);
	int ret = 0;

	if (!order)
		return r_fail(r, -ENOMEM, "no memory");
	for (size_t i = 0, k; i < n; i++) {
		struct m_mount *m = r->m->mounts.v[i];

		for (k = i; k && order[k - 1]->row > m->row; k--)
			order[k] = order[k - 1];
		order[k] = m;
	}
	for (size_t i = 0; !ret && i < n; i++)
		if (!is_rootfs(order[i]))
			ret = make_mount(r, order[i]);
	return ret;
}

int mounts_build(struct restore *r)
{
	struct m_mount *m;
	int ret;

	ret = sharing_check(r);
	if (!ret)
		ret = stage(r);
	if (!ret && r->o->layer && !r->rw)
		ret = layer_disks(r);
	if (!ret)
		ret = make_sbs(r);
	if (!ret)
		ret = make_mounts(r);
	if (ret)
		return ret;
	vec_foreach(m, &r->m->mounts) {
		if (is_rootfs(m))
			continue;
		ret = place_mount(r, m);
		if (!ret && !strcmp(m->mountpoint, "/"))
			ret = use_root(r, MOUNTS_ROOT);
		if (ret)
			return ret;
	}
	return 0;
}

int mounts_writable(struct restore *r)
{
	struct r_sb *sb;
	int ret = 0;

	vec_foreach(sb, &r->mounts->sbs) {
		if (!ret && sb->dev)
			ret = blockdev_unlock(r, sb->dev);
		if (!ret && sb->dev && !sb->m->readonly)
			ret = fs_change(r, sb, NULL, false);
	}
	return ret;
}

/* By its lowest mount: something may be mounted over the root. */
static int move_tree(struct restore *r, int old_root)
{
	struct m_mount *m;
	int ret;

	vec_foreach(m, &r->m->mounts) {
		if (is_rootfs(m) || !is_rootfs(m->parent))
			continue;
		ret = attach(((struct r_mount *)m->restore)->fd, old_root);
		return ret ? r_fail(r, ret, "cannot move the machine's tree over /") : 0;
	}
	return r_fail(r, -EINVAL, "the machine has no root file system");
}

int mounts_switch(struct restore *r)
{
	_cleanup_close_ int old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct r_sb *sb;
	int ret;

	if (old_root < 0)
		return r_fail(r, -errno, "cannot open /");
	/* systemd in an initramfs has it all shared. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return r_fail(r, -errno, "cannot make the initramfs's mounts private");
	ret = sharing_set(r);
	if (ret)
		return ret;
	vec_foreach(sb, &r->mounts->sbs) {
		ret = sb->m->kind == M_FS_DEVTMPFS ? devtmpfs_attrs(r, sb) : 0;
		if (ret)
			return ret;
		if (sb->place[0] && umount2(sb->place, MNT_DETACH))
			return r_fail(r, -errno, "cannot unmount %s", sb->place);
	}
	ret = move_tree(r, old_root);
	if (ret)
		return ret;
	r->mounts->moved = true;
	if (umount2(MOUNTS_BASE, MNT_DETACH))
		return r_fail(r, -errno, "cannot unmount " MOUNTS_BASE);
	initramfs_unmount(r);
	if (fchdir(r->root_fd) || chroot(".") || chdir("/"))
		return r_fail(r, -errno, "cannot change to the machine's root");
	return initramfs_delete(r, old_root);
}

int mounts_finish(struct restore *r)
{
	struct r_sb *sb;
	int ret = 0;

	vec_foreach(sb, &r->mounts->sbs) {
		bool memory = sb->m->kind == M_FS_TMPFS || sb->m->kind == M_FS_RAMFS;

		if (!ret && memory)
			ret = tmpfs_finish(r, sb);
		if (!ret && memory && sb->m->readonly)
			ret = fs_change(r, sb, NULL, true);
	}
	return ret;
}

void mounts_free(struct restore *r)
{
	struct m_mount *m;
	struct r_sb *sb;

	if (!r->mounts)
		return;
	vec_foreach(m, &r->m->mounts) {
		struct r_mount *t = m->restore;

		if (t)
			close(t->fd);
		free(t);
		m->restore = NULL;
	}
	vec_foreach(sb, &r->mounts->sbs) {
		sb->m->restore = NULL;
		if (sb->fd >= 0)
			close(sb->fd);
		blockdev_close(sb->dev);
		for (size_t i = 0; i < sb->made.n; i++)
			free(sb->made.v[i].path);
		vec_free(&sb->made);
		free(sb);
	}
	vec_free(&r->mounts->sbs);
	for (size_t i = 0; i < r->mounts->initramfs.n; i++)
		free(r->mounts->initramfs.v[i]);
	vec_free(&r->mounts->initramfs);
	free(r->mounts);
	r->mounts = NULL;
}

/* Lazily, when something still holds on to it: the ordinary boot must be able to go on. */
static void unmount(const char *path)
{
	if (umount2(path, UMOUNT_NOFOLLOW))
		umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
}

void mounts_undo(struct restore *r)
{
	char path[4096 + sizeof(MOUNTS_ROOT)];
	struct r_sb *sb;

	if (!r->mounts || r->mounts->moved)
		return;
	use_root(r, "/");
	vec_foreach(sb, &r->mounts->sbs)
		devtmpfs_undo(sb);
	for (size_t i = r->m->mounts.n; i-- > 0;) {
		struct m_mount *m = r->m->mounts.v[i];
		struct r_mount *t = m->restore;

		if (!t)
			continue;
		close(t->fd);
		snprintf(path, sizeof(path), MOUNTS_ROOT "%s", m->mountpoint);
		if (t->placed)
			unmount(path);
		free(t);
		m->restore = NULL;
	}
	for (size_t i = r->mounts->sbs.n; i-- > 0;) {
		sb = r->mounts->sbs.v[i];
		if (sb->fd >= 0)
			close(sb->fd);
		sb->fd = -1;
		if (sb->place[0])
			unmount(sb->place);
		if (sb->dev)
			blockdev_unlock(r, sb->dev);
	}
	if (r->mounts->staged) {
		unmount(MOUNTS_BASE);
		rmdir(MOUNTS_BASE);
	}
	mounts_free(r);
}
