// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regular files whose name is gone. Each is found again under another name, or made anew from what
 * the image keeps of it, once however many open files it has.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "engine.h"

struct ghost_list {
	VEC(struct ghost {
		u64 key;
		int fd;
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

static int contents(struct restore *r, struct m_file *f, int fd)
{
	const struct m_inode *in = f->ghost ? f->ghost->inode : NULL;
	int ret = 0;

	if (!f->ghost)
		return r_fail(r, -ENODATA, "%s has no name any more, and its contents are not kept",
			      f->path ? f->path->path : "a file");
	if (in) {
		struct timespec ts[2] = { { in->atime_ns / (s64)NSEC_PER_SEC, in->atime_ns % (s64)NSEC_PER_SEC },
					  { in->mtime_ns / (s64)NSEC_PER_SEC, in->mtime_ns % (s64)NSEC_PER_SEC } };

		if (in->shmem && ftruncate(fd, (off_t)in->shmem->size))
			return r_fail(r, -errno, "cannot size a file without a name");
		ret = in->shmem ? shmem_fill(r, in->shmem, fd) : 0;
		if (!ret && (fchown(fd, in->uid, in->gid) || fchmod(fd, in->mode & 07777) || futimens(fd, ts)))
			ret = r_fail(r, -errno, "cannot set the owner of a file without a name");
		return ret;
	}
	if (!r->o->ghost || !f->ghost->ghost_id)
		return r_fail(r, -ENODATA, "the image keeps nothing of %s, which has no name",
			      f->path ? f->path->path : "a file");
	return r->o->ghost(r->o->arg, f->ghost->ghost_id, fd, r->e);
}

/* Taken away again once the file is open, so that the kernel shows it as it was: "… (deleted)". */
static int unname(struct restore *r, char *path)
{
	char *slash = strrchr(path, '/');
	int dir, ret = 0;

	*slash = '\0';
	dir = path_open(r, *path ? path : "/", O_PATH | O_DIRECTORY, 0);
	if (dir < 0 || unlinkat(dir, slash + 1, 0))
		ret = r_fail(r, -errno, "cannot take the name of a file away again");
	if (dir >= 0)
		close(dir);
	return ret;
}

static int make(struct restore *r, struct m_file *f, int *fd)
{
	const char *at = f->path && f->path->mnt ? f->path->mnt->mountpoint : "/tmp";
	char *path = NULL;
	int ret;

	*fd = -ENOENT;
	if (f->path && !(f->ghost && f->ghost->linkable)) {
		path = strdup(f->path->path);
		*fd = path ? path_open(r, path, O_RDWR | O_CREAT | O_EXCL, 0600) : -ENOMEM;
		if (*fd == -EEXIST) { /* another file has the name now */
			free(path);
			if (asprintf(&path, "%s.overlay-%llx", f->path->path,
				     (unsigned long long)f->inode_kaddr) < 0)
				return r_fail(r, -ENOMEM, "no memory");
			*fd = path_open(r, path, O_RDWR | O_CREAT | O_EXCL, 0600);
		}
	}
	if (*fd < 0) { /* never had a name, or its folder is gone */
		free(path);
		path = NULL;
		*fd = path_open(r, at, O_RDWR | O_TMPFILE, 0600);
	}
	if (*fd < 0)
		return r_fail(r, *fd, "cannot make a file without a name for %s",
			      f->path ? f->path->path : "?");
	ret = contents(r, f, *fd);
	if (path && unname(r, path))
		ret = ret ? ret : -EIO;
	free(path);
	if (ret)
		close(*fd);
	return ret;
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

static int find_or_make(struct restore *r, struct m_file *f, int *fd)
{
	char name[PATH_MAX];

	if (f->ghost && f->ghost->inode && !find_in_memory(r, f->ghost->inode, name)) {
		*fd = path_open(r, name, O_RDWR, 0);
		return *fd < 0 ? r_fail(r, *fd, "cannot open %s", name) : 0;
	}
	if (f->ghost && f->ghost->linked) {
		int acc = r->rw ? O_RDWR : O_RDONLY;

		*fd = open_by_number(r, f->path ? f->path->mnt : NULL, f->id.ino, f->id.generation, acc);
		/* A program that runs cannot be opened for writing. */
		if (*fd == -ETXTBSY || *fd == -EACCES)
			*fd = open_by_number(r, f->path ? f->path->mnt : NULL, f->id.ino,
					     f->id.generation, O_RDONLY);
		return *fd < 0 ? r_fail(r, *fd, "cannot open %s by its number", f->path->path) : 0;
	}
	/* Nothing may be written yet: something that can be mapped in its place, for the rehearsal. */
	if (r->rehearsal && f->ghost && !f->ghost->inode) {
		*fd = memfd_create("rehearsal", MFD_CLOEXEC);
		return *fd < 0 || fchmod(*fd, 0777) ? r_fail(r, -errno, "no memory") : 0;
	}
	return make(r, f, fd);
}

int ghost_fd(struct restore *r, struct m_file *f, int *fd)
{
	struct ghost g = { .key = f->ghost ? (u64)f->ghost : f->inode_kaddr ? f->inode_kaddr : f->kaddr };
	int ret;

	if (!r->ghosts)
		r->ghosts = calloc(1, sizeof(*r->ghosts));
	if (!r->ghosts)
		return r_fail(r, -ENOMEM, "no memory");
	for (size_t i = 0; i < r->ghosts->list.n; i++) {
		if (r->ghosts->list.v[i].key == g.key) {
			*fd = r->ghosts->list.v[i].fd;
			return 0;
		}
	}
	ret = find_or_make(r, f, &g.fd);
	if (!ret && vec_push(&r->ghosts->list, g)) {
		close(g.fd);
		ret = r_fail(r, -ENOMEM, "no memory");
	}
	*fd = ret ? -1 : g.fd;
	return ret;
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
