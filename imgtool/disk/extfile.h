/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a file of an ext2, ext3 or ext4 lies on the device of its file system: told by the file
 * system's own metadata, mounted or not, or by the kernel that has it mounted.
 * Never: writes, mounts, replays a journal.
 */
#pragma once

#include "util/err.h"
#include "util/types.h"
#include "util/vec.h"

#define EXTFILE_BLOCK 4096u	/* of the file systems that are taken */
#define EXTFILE_PIECES 4096u	/* a file in more is refused */

/* Bytes [at, at + len) of the file are [start, start + len) of the device. */
struct file_extent {
	u64 at, start, len;
};

struct extfile {
	u64 size;
	bool pinned;			/* FS_IMMUTABLE_FL: nobody writes, truncates, moves or removes it */
	VEC(struct file_extent) extents; /* in order, whole blocks, no two that could be one */
};

/*
 * Files by their paths on the file system that @node holds, whose UUID goes to @uuid. Each is a regular
 * file all of whose blocks are allocated. -ENODATA: one of them is not there; -EOPNOTSUPP: none of these
 * file systems, or not such a file; -EBADMSG: damaged. @files are to be freed in any case.
 */
int extfile_find(const char *node, const char *const *paths, size_t n, struct extfile *files, u8 uuid[16],
		 struct ohib_err *err);

/* The same of a file that is open here: what the kernel says (FIEMAP). */
int extfile_ask_kernel(int fd, const char *name, struct extfile *file, struct ohib_err *err);

bool extfile_same_place(const struct extfile *a, const struct extfile *b);
void extfile_free(struct extfile *file);
