/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Section OHIB_SEC_GHOSTS: files and folders (without contents) on disk that have no name any more but
 * are in use. The next mount of their file system gives their blocks up (orphan list), so their contents travel in the image.
 *
 *	header
 *	record: fixed part, xattrs, extents, data of the extents one after the other; each of the four
 *		padded to 8 bytes. As many as the header says; nothing follows the last.
 *
 * A file has as many bytes as @size says; what no extent covers is a hole.
 */
#pragma once

#include <assert.h>
#include <stddef.h>

#include "util/types.h"

#define OHIB_GHOSTS_MAGIC "OHIBGHO\n"
#define OHIB_GHOSTS_VERSION 1
#define OHIB_GHOSTS_ALIGN 8u

struct ohib_ghosts_header {
	u8 magic[8];
	u32 version;
	u32 nr;			/* records */
	u64 len;		/* of the section, with this header */
	u64 reserved;
};
static_assert(sizeof(struct ohib_ghosts_header) == 32, "ghosts header");

struct ohib_ghost {
	u64 id;			/* ghost_id(dev, ino) */
	u64 dev;		/* st_dev under the image kernel, makedev encoding */
	u64 ino;
	u64 record_len;		/* of the whole record */
	u64 size;
	u64 data_len;		/* sum of the extents' lengths, not padded */
	s64 atime_ns, mtime_ns;
	u32 mode, uid, gid;
	u32 fs_flags;		/* FS_*_FL that chattr can set */
	u32 nr_xattrs;
	u32 xattrs_len;		/* with the padding of each, see below */
	u32 nr_extents;
	u32 reserved[5];
};
static_assert(sizeof(struct ohib_ghost) == 112, "ghost");
static_assert(offsetof(struct ohib_ghost, mode) == 64, "ghost layout");

/* Followed by the name with its NUL and the value, and padded together to 8 bytes. */
struct ohib_ghost_xattr {
	u32 name_len;		/* with the NUL */
	u32 value_len;
};
static_assert(sizeof(struct ohib_ghost_xattr) == 8, "ghost xattr");

struct ohib_ghost_extent {
	u64 offset, len;	/* bytes; rising, not overlapping, within the file's size */
};
static_assert(sizeof(struct ohib_ghost_extent) == 16, "ghost extent");
