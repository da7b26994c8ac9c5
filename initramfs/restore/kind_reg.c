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
		return r_fail(r, *fd, "cannot open %s: %s", f->path->path, strerror(-*fd));
	return 0;
}

static int set_pos(struct restore *r, struct m_file *f, int fd)
{
	if (f->pos && lseek(fd, (off_t)f->pos, SEEK_SET) < 0)
		return r_fail(r, -errno, "cannot seek %s to %llu", f->path ? f->path->path : "a file",
			      (unsigned long long)f->pos);
	return 0;
}

static int open_reg(struct restore *r, struct m_file *f, int *fd)
{
	int ret;

	if (f->path && !f->path->unlinked && !f->ghost)
		ret = open_named(r, f, fd);
	else
		ret = ghost_open(r, f->path, f->ghost, open_flags(f), fd);
	if (!ret && (ret = set_pos(r, f, *fd)))
		close(*fd);
	return ret;
}

static int open_dir(struct restore *r, struct m_file *f, int *fd)
{
	int ret = f->ghost ? ghost_open(r, f->path, f->ghost, open_flags(f), fd) :
			     open_named(r, f, fd);

	/* A position in a folder is the file system's own number; its start is always right. */
	if (!ret && f->pos)
		lseek(*fd, (off_t)f->pos, SEEK_SET);
	return ret;
}

static int open_path(struct restore *r, struct m_file *f, int *fd)
{
	if (!f->path)
		return r_fail(r, -EINVAL, "an O_PATH file has no path");
	if (f->ghost)
		return ghost_open(r, f->path, f->ghost, O_PATH | (int)(f->flags & O_DIRECTORY), fd);
	*fd = path_open(r, f->path->path, O_PATH | (int)(f->flags & (O_DIRECTORY | O_NOFOLLOW)), 0);
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
