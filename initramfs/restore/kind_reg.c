// SPDX-License-Identifier: GPL-2.0-only
/* Files with a name, on disk or tmpfs: regular files, directories, O_PATH, devices, /proc. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "kinds.h"

/* Files without a name, each once however many open files it has. */
struct ghost_list {
	VEC(struct ghost {
		u64 key;
		int fd;
	}) list;
};

/* Creation and truncation are over; what is not a flag of an open file goes. */
static int open_flags(const struct m_file *f)
{
	return (int)(f->flags & ~(u32)(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC | O_CLOEXEC)) | O_NOCTTY;
}

static int open_named(struct restore *r, struct m_file *f, int *fd)
{
	if (!f->path)
		return r_fail(r, -EINVAL, "a file of kind %d has no path", f->kind);
	*fd = path_open(r, f->path->path, open_flags(f), 0);
	if (*fd < 0)
		return r_fail(r, *fd, "cannot open %s", f->path->path);
	return 0;
}

static int set_pos(struct restore *r, struct m_file *f, int fd)
{
	if (f->pos && lseek(fd, (off_t)f->pos, SEEK_SET) < 0)
		return r_fail(r, -errno, "cannot seek %s to %llu", f->path ? f->path->path : "a file",
			      (unsigned long long)f->pos);
	return 0;
}

static int ghost_contents(struct restore *r, struct m_file *f, int fd)
{
	const struct m_inode *in = f->ghost ? f->ghost->inode : NULL;
	int ret = 0;

	if (!f->ghost)
		return r_fail(r, -ENODATA, "%s has no name any more, and its contents are not kept",
			      f->path ? f->path->path : "a file");
	if (in) {
		if (in->shmem && ftruncate(fd, (off_t)in->shmem->size))
			return r_fail(r, -errno, "cannot size a file without a name");
		ret = in->shmem ? shmem_fill(r, in->shmem, fd) : 0;
		if (!ret && fchown(fd, in->uid, in->gid))
			ret = r_fail(r, -errno, "cannot set the owner of a file without a name");
		if (!ret && fchmod(fd, in->mode & 07777))
			ret = r_fail(r, -errno, "cannot set the mode of a file without a name");
		return ret;
	}
	if (!r->o->ghost)
		return r_fail(r, -ENODATA, "the image's files without a name cannot be read");
	return r->o->ghost(r->o->arg, f->ghost->ghost_id, fd, r->e);
}

/* A new file at its old path while it gets its open files, so that the kernel shows that name. */
static int ghost_make(struct restore *r, struct m_file *f, int *fd)
{
	char *path = NULL;
	int ret, dir;

	if (f->path && asprintf(&path, "%s", f->path->path) < 0)
		return r_fail(r, -ENOMEM, "no memory");
	*fd = path ? path_open(r, path, O_RDWR | O_CREAT | O_EXCL, 0600) : -ENOENT;
	if (*fd == -EEXIST) { /* another file has the name now */
		free(path);
		if (asprintf(&path, "%s.ohib-%llx", f->path->path, (unsigned long long)f->kaddr) < 0)
			return r_fail(r, -ENOMEM, "no memory");
		*fd = path_open(r, path, O_RDWR | O_CREAT | O_EXCL, 0600);
	}
	if (*fd < 0) { /* its folder is gone */
		free(path);
		path = NULL;
		*fd = path_open(r, f->path && f->path->mnt ? f->path->mnt->mountpoint : "/tmp",
				O_RDWR | O_TMPFILE, 0600);
	}
	if (*fd < 0) {
		free(path);
		return r_fail(r, *fd, "cannot make a file without a name for %s",
			      f->path ? f->path->path : "?");
	}
	ret = ghost_contents(r, f, *fd);
	if (path) {
		char *slash = strrchr(path, '/');

		*slash = '\0';
		dir = path_open(r, *path ? path : "/", O_PATH | O_DIRECTORY, 0);
		if (dir < 0 || unlinkat(dir, slash + 1, 0))
			ret = r_fail(r, -errno, "cannot take the name of %s away", f->path->path);
		if (dir >= 0)
			close(dir);
	}
	free(path);
	if (ret)
		close(*fd);
	return ret;
}

int ghost_fd(struct restore *r, struct m_file *f, int *fd)
{
	struct ghost g = { .key = f->inode_kaddr ? f->inode_kaddr : f->kaddr };
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
	ret = ghost_make(r, f, &g.fd);
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

static int open_reg(struct restore *r, struct m_file *f, int *fd)
{
	char path[40];
	int ret, keep;

	if (f->path && !f->path->unlinked && !f->ghost) {
		ret = open_named(r, f, fd);
	} else {
		ret = ghost_fd(r, f, &keep);
		if (ret)
			return ret;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", keep);
		*fd = open(path, (open_flags(f) & ~(__O_TMPFILE & ~O_DIRECTORY)) | O_CLOEXEC);
		if (*fd < 0)
			ret = r_fail(r, -errno, "cannot open a file without a name");
	}
	if (!ret && (ret = set_pos(r, f, *fd)))
		close(*fd);
	return ret;
}

static int open_dir(struct restore *r, struct m_file *f, int *fd)
{
	int ret = open_named(r, f, fd);

	/* A position in a folder is the file system's own number; its start is always right. */
	if (!ret && f->pos)
		lseek(*fd, (off_t)f->pos, SEEK_SET);
	return ret;
}

static int open_path(struct restore *r, struct m_file *f, int *fd)
{
	if (!f->path)
		return r_fail(r, -EINVAL, "an O_PATH file has no path");
	*fd = path_open(r, f->path->path, O_PATH | O_NOFOLLOW | (int)(f->flags & O_DIRECTORY), 0);
	return *fd < 0 ? r_fail(r, *fd, "cannot open %s", f->path->path) : 0;
}

static int open_chrdev(struct restore *r, struct m_file *f, int *fd)
{
	int ret = open_named(r, f, fd);
	struct stat st;

	if (ret)
		return ret;
	/* Dynamic majors differ between kernels: the name decides; static ones must agree. */
	if (!fstat(*fd, &st) && major(f->rdev) < 60 && st.st_rdev != f->rdev)
		ret = r_fail(r, -ENODEV, "%s is another device now", f->path->path);
	if (!ret)
		lseek(*fd, (off_t)f->pos, SEEK_SET);
	if (ret)
		close(*fd);
	return ret;
}

/* A file of the kernel's own: made anew by reading it again, the position kept. */
static int open_proc(struct restore *r, struct m_file *f, int *fd)
{
	int ret = open_named(r, f, fd);

	if (!ret && f->pos)
		lseek(*fd, (off_t)f->pos, SEEK_SET);
	return ret;
}

/* The tool's own devices belong to the hibernation that is over. */
static int open_tool(struct restore *r, struct m_file *f, int *fd)
{
	(void)f;
	*fd = path_open(r, "/dev/null", O_RDWR, 0);
	return *fd < 0 ? r_fail(r, *fd, "cannot open /dev/null") : 0;
}

const struct restore_kind kind_reg = { .id = M_FILE_REG, .name = "file", .open = open_reg };
const struct restore_kind kind_dir = { .id = M_FILE_DIR, .name = "folder", .open = open_dir };
const struct restore_kind kind_path = { .id = M_FILE_PATH, .name = "path", .open = open_path };
const struct restore_kind kind_chrdev = { .id = M_FILE_CHRDEV, .name = "device", .open = open_chrdev };
const struct restore_kind kind_proc = { .id = M_FILE_PROC, .name = "kernel file", .open = open_proc };
const struct restore_kind kind_tool = { .id = M_FILE_TOOL, .name = "tool's file", .open = open_tool };
