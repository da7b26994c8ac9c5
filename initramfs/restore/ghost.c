// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files and folders whose name is gone. Each is found again under another name, or made anew from
 * what the image keeps of it, once however many open files it has. Nobody here keeps one open for
 * writing: it may be a program that is to run.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "ghost.h"
#include "mounts.h"

struct ghost_list {
	VEC(struct ghost {
		u64 key;
		int fd;		/* O_PATH */
		bool unnamed;	/* shows another name than it had: nothing could be written */
	}) list;
};

/* struct file_handle as FILEID_INO32_GEN has it: ext2/3/4, xfs, tmpfs and most others take it. */
struct handle {
	u32 bytes;
	s32 type;
	u32 ino, generation;
};

int open_by_number(struct restore *r, const struct m_mount *mnt, u64 ino, u32 generation, int flags)
{
	struct handle h = { 8, 1, (u32)ino, generation };
	int at = path_open(r, mnt ? mnt->mountpoint : "/", O_RDONLY | O_DIRECTORY, 0), fd;

	if (at < 0)
		return at;
	fd = open_by_handle_at(at, (struct file_handle *)&h, flags | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	close(at);
	return fd;
}

/* Open again by way of /proc. */
static int reopen(int fd, int flags)
{
	char path[40];
	int got;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	got = open(path, flags | O_CLOEXEC);
	return got < 0 ? -errno : got;
}

static int contents(struct restore *r, const struct m_ghost *g, const char *name, int fd)
{
	struct m_inode *in = g->inode;
	int ret = 0;

	if (in) {
		if (in->shmem && ftruncate(fd, (off_t)in->shmem->size))
			return r_fail(r, -errno, "cannot size a file without a name");
		ret = in->shmem ? shmem_fill(r, in->shmem, fd) : 0;
		if (!ret)
			ret = inode_attrs(r, in, fd, "");
		return ret ? ret : inode_flags(r, in, fd, "");
	}
	if (!r->o->ghost || !g->ghost_id)
		return r_fail(r, -ENODATA, "the image keeps nothing of %s, which has no name", name);
	return r->o->ghost(r->o->arg, g->ghost_id, fd, r->e);
}

static int make(struct restore *r, const struct m_path *p, const struct m_ghost *g, int *fd)
{
	int rw, ret;

	rw = S_ISDIR(g->mode) ? ghost_create_folder(r, p) : ghost_create(r, p, g->linkable);
	if (rw < 0)
		return r_fail(r, rw, "cannot make %s, which has no name", p->path);
	ret = contents(r, g, p->path, rw);
	if (!ret)
		*fd = reopen(rw, O_PATH);
	close(rw);
	return ret ? ret : *fd < 0 ? r_fail(r, *fd, "cannot open %s again", p->path) : 0;
}

/* A name of @in below @d, onto the end of @path. */
static bool find_name(const struct m_dentry *d, const struct m_inode *in, char *path, size_t len)
{
	const struct m_dentry *c;

	vec_foreach(c, &d->children) {
		int n = snprintf(path + len, PATH_MAX - len, "/%s", c->name);

		if (n < 0 || (size_t)n >= PATH_MAX - len)
			continue;
		if (c->inode == in || find_name(c, in, path, len + (size_t)n))
			return true;
	}
	path[len] = '\0';
	return false;
}

/* A name of a file in memory, by a mount that shows all of its file system; -ENOENT: it has none. */
static int find_in_memory(struct restore *r, const struct m_inode *in, char path[PATH_MAX])
{
	struct m_mount *m;

	vec_foreach(m, &r->m->mounts) {
		if (!m->sb->root || (m->root && strcmp(m->root, "/")))
			continue;
		snprintf(path, PATH_MAX, "%s", strcmp(m->mountpoint, "/") ? m->mountpoint : "");
		if (find_name(m->sb->root, in, path, strlen(path)))
			return 0;
	}
	return -ENOENT;
}

/*
 * Before the commit nothing may be written: a file in memory of the same size and mode, and mounted
 * alike, to map and to run in its place.
 */
static int stand_in(struct restore *r, const struct m_path *p, const struct m_ghost *g, int *fd)
{
	u64 flags = p->mnt ? p->mnt->flags : 0;
	_cleanup_close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), mnt = -1, rw = -1;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return r_fail(r, -errno, "cannot mount a tmpfs in place of %s", p->path);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, (flags & MS_NOEXEC ? MOUNT_ATTR_NOEXEC : 0) |
						   (flags & MS_NOSUID ? MOUNT_ATTR_NOSUID : 0));
	rw = mnt < 0 ? -1 : openat(mnt, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (rw < 0 || ftruncate(rw, (off_t)g->size) || fchmod(rw, g->mode & 07777))
		return r_fail(r, -errno, "cannot make a file in place of %s", p->path);
	*fd = reopen(rw, O_PATH);
	return *fd < 0 ? r_fail(r, *fd, "cannot open a file in place of %s", p->path) : 0;
}

/* On disk under another name, which nobody knows: it has a number. */
static int open_linked(struct restore *r, const struct m_path *p, const struct m_ghost *g,
		       struct ghost *found)
{
	int named;

	found->fd = open_by_number(r, p->mnt, g->ino, g->generation, O_PATH);
	if (found->fd < 0)
		return r_fail(r, found->fd, "cannot open %s by its number", p->path);
	found->unnamed = true;
	named = r->rw || r->o->keep_mounts ? ghost_rename(r, p, found->fd) : -EROFS;
	if (named < 0)
		return 0; /* the right file, only shown by another name */
	close(found->fd);
	found->fd = named;
	found->unnamed = false;
	return 0;
}

static int find_or_make(struct restore *r, const struct m_path *p, const struct m_ghost *g,
			struct ghost *found)
{
	char name[PATH_MAX];
	int named;

	if (g->inode && !find_in_memory(r, g->inode, name)) {
		found->fd = path_open(r, name, O_PATH | O_NOFOLLOW, 0);
		if (found->fd < 0)
			return r_fail(r, found->fd, "cannot open %s", name);
		named = S_ISREG(g->inode->mode) ? ghost_rename(r, p, found->fd) : -EISDIR;
		if (named >= 0) {
			close(found->fd);
			found->fd = named;
		}
		return 0;
	}
	if (g->linked)
		return open_linked(r, p, g, found);
	return r->rehearsal && !g->inode ? stand_in(r, p, g, &found->fd) : make(r, p, g, &found->fd);
}

int ghost_fd(struct restore *r, const struct m_path *p, const struct m_ghost *g, int *fd)
{
	struct ghost found = { .key = (u64)g }, *old;
	int ret;

	*fd = -1;
	if (!p || !g)
		return r_fail(r, -ENODATA, "%s has no name any more, and its contents are not kept",
			      p ? p->path : "a file");
	if (!r->ghosts)
		r->ghosts = calloc(1, sizeof(*r->ghosts));
	if (!r->ghosts)
		return r_fail(r, -ENOMEM, "no memory");
	for (size_t i = 0; i < r->ghosts->list.n; i++) {
		old = &r->ghosts->list.v[i];
		if (old->key == found.key && !(old->unnamed && r->rw)) {
			*fd = old->fd;
			return 0;
		}
	}
	ret = find_or_make(r, p, g, &found);
	if (!ret && vec_push(&r->ghosts->list, found)) {
		close(found.fd);
		ret = r_fail(r, -ENOMEM, "no memory");
	}
	*fd = ret ? -1 : found.fd;
	return ret;
}

int ghost_open(struct restore *r, const struct m_path *p, const struct m_ghost *g, int flags, int *fd)
{
	int keep, ret = ghost_fd(r, p, g, &keep);

	if (ret)
		return ret;
	*fd = reopen(keep, flags & ~(__O_TMPFILE | O_NOFOLLOW));
	return *fd < 0 ? r_fail(r, *fd, "cannot open %s, which has no name", p->path) : 0;
}

void ghosts_close(struct restore *r)
{
	for (size_t i = 0; r->ghosts && i < r->ghosts->list.n; i++)
		close(r->ghosts->list.v[i].fd);
	if (r->ghosts)
		vec_free(&r->ghosts->list);
	free(r->ghosts);
	r->ghosts = NULL;
}
