// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a file of an ext2, ext3 or ext4 lies. From outside by libext2fs, which reads through the page
 * cache of the device, where the kernel keeps the metadata of a file system that it has mounted. A
 * pinned file never changes, so it can be read there at any time.
 */
#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "disk/extfile.h"
#include "util/cleanup.h"

static int add(struct extfile *file, u64 at, u64 start, u64 len)
{
	struct file_extent e = { at, start, len }, *last;

	last = file->extents.n ? &file->extents.v[file->extents.n - 1] : NULL;
	if (at != (last ? last->at + last->len : 0))
		return -EOPNOTSUPP; /* a hole */
	if (last && last->start + last->len == start) {
		last->len += len;
		return 0;
	}
	if (file->extents.n == EXTFILE_PIECES)
		return -E2BIG;
	return vec_push(&file->extents, e);
}

/* All of it must be there. */
static int finish(struct extfile *file, const char *name, int r, struct ohib_err *err)
{
	const struct file_extent *last = file->extents.n ? &file->extents.v[file->extents.n - 1] : NULL;

	if (!r && (!last || last->at + last->len < file->size))
		r = -EOPNOTSUPP;
	if (r == -EOPNOTSUPP)
		return ohib_err_set(err, r, "%s: not all of its blocks are allocated", name);
	if (r == -E2BIG)
		return ohib_err_set(err, r, "%s lies in more than %u pieces: make room, and make it anew", name,
				    EXTFILE_PIECES);
	return r ? ohib_err_set(err, r, "%s: where it lies: %s", name, strerror(-r)) : 0;
}

struct walk {
	struct extfile *file;
	u64 blocks; /* of the file system */
	int failed;
};

static int one_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t at, blk64_t ref, int ref_offset, void *arg)
{
	struct walk *w = arg;

	(void)ref, (void)ref_offset;
	if (*block <= fs->super->s_first_data_block || *block >= w->blocks || at < 0)
		w->failed = -EBADMSG;
	else if ((u64)at * EXTFILE_BLOCK < w->file->size)
		w->failed = add(w->file, (u64)at * EXTFILE_BLOCK, *block * EXTFILE_BLOCK, EXTFILE_BLOCK);
	return w->failed ? BLOCK_ABORT : 0;
}

static int look_up(ext2_filsys fs, const char *path, struct extfile *file, struct ohib_err *err)
{
	struct walk w = { .file = file, .blocks = ext2fs_blocks_count(fs->super) };
	struct ext2_inode inode;
	ext2_ino_t ino;
	errcode_t e = ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino);

	if (e == EXT2_ET_FILE_NOT_FOUND)
		return ohib_err_set(err, -ENODATA, "%s is not there", path);
	if (!e)
		e = ext2fs_read_inode(fs, ino, &inode);
	if (e)
		return ohib_err_set(err, -EBADMSG, "%s: %s", path, error_message(e));
	if (!LINUX_S_ISREG(inode.i_mode))
		return ohib_err_set(err, -EOPNOTSUPP, "%s is no regular file", path);
	if (inode.i_flags & (EXT4_INLINE_DATA_FL | EXT4_ENCRYPT_FL | EXT4_VERITY_FL))
		return ohib_err_set(err, -EOPNOTSUPP, "%s is encrypted, or has no blocks of its own", path);
	file->size = EXT2_I_SIZE(&inode);
	file->pinned = inode.i_flags & EXT2_IMMUTABLE_FL;
	e = ext2fs_block_iterate3(fs, ino, BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY, NULL, one_block, &w);
	if (e)
		return ohib_err_set(err, -EBADMSG, "%s: %s", path, error_message(e));
	return finish(file, path, w.failed, err);
}

int extfile_find(const char *node, const char *const *paths, size_t n, struct extfile *files, u8 uuid[16],
		 struct ohib_err *err)
{
	struct ohib_err e = { 0 };
	ext2_filsys fs;
	errcode_t code;
	int r = 0;

	memset(files, 0, n * sizeof(*files));
	initialize_ext2_error_table();
	code = ext2fs_open(node, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs);
	if (code > 0 && code < 256) /* errno, of the I/O */
		return ohib_err_set(err, -(int)code, "%s: %s", node, strerror((int)code));
	if (code)
		return ohib_err_set(err, -EOPNOTSUPP, "%s holds no ext2, ext3 or ext4 that can be read: %s", node,
				    error_message(code));
	memcpy(uuid, fs->super->s_uuid, 16);
	if (fs->blocksize != EXTFILE_BLOCK)
		r = ohib_err_set(&e, -EOPNOTSUPP, "its blocks have %u bytes, not %u", fs->blocksize, EXTFILE_BLOCK);
	for (size_t i = 0; !r && i < n; i++)
		r = look_up(fs, paths[i], &files[i], &e);
	ext2fs_close_free(&fs);
	return r ? ohib_err_set(err, r, "the file system on %s: %s", node, e.msg) : 0;
}

/* Extents whose bytes are not, or not alone, the file's. An unwritten one is allocated, which is enough. */
#define UNFIT                                                                                      \
	(FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_ENCODED |                  \
	 FIEMAP_EXTENT_DATA_ENCRYPTED | FIEMAP_EXTENT_NOT_ALIGNED | FIEMAP_EXTENT_DATA_INLINE |    \
	 FIEMAP_EXTENT_DATA_TAIL | FIEMAP_EXTENT_SHARED)

int extfile_ask_kernel(int fd, const char *name, struct extfile *file, struct ohib_err *err)
{
	union {
		struct fiemap map;
		u8 room[sizeof(struct fiemap) + 64 * sizeof(struct fiemap_extent)];
	} u;
	bool last = false;
	u64 at = 0, len;
	struct stat st;
	int r = 0, flags;

	memset(file, 0, sizeof(*file));
	if (fstat(fd, &st) || ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return ohib_err_set(err, -errno, "%s: %s", name, strerror(errno));
	file->size = (u64)st.st_size;
	file->pinned = flags & FS_IMMUTABLE_FL;
	while (!r && !last && at < file->size) {
		memset(&u, 0, sizeof(u));
		u.map.fm_start = at;
		u.map.fm_length = file->size - at;
		u.map.fm_extent_count = 64;
		if (ioctl(fd, FS_IOC_FIEMAP, &u.map))
			r = -errno;
		if (!r && !u.map.fm_mapped_extents)
			break;
		for (u32 i = 0; !r && i < u.map.fm_mapped_extents; i++) {
			const struct fiemap_extent *e = &u.map.fm_extents[i];

			if (e->fe_flags & UNFIT || e->fe_physical % EXTFILE_BLOCK || e->fe_length % EXTFILE_BLOCK)
				r = -EOPNOTSUPP;
			last = e->fe_flags & FIEMAP_EXTENT_LAST;
			/* what was allocated past the end is not ours to use */
			len = (file->size - at + EXTFILE_BLOCK - 1) / EXTFILE_BLOCK * EXTFILE_BLOCK;
			len = e->fe_length < len ? e->fe_length : len;
			if (!r && at < file->size)
				r = add(file, e->fe_logical, e->fe_physical, len);
			at = e->fe_logical + e->fe_length;
		}
	}
	return finish(file, name, r, err);
}

bool extfile_same_place(const struct extfile *a, const struct extfile *b)
{
	return a->size == b->size && a->extents.n == b->extents.n &&
	       !memcmp(a->extents.v, b->extents.v, a->extents.n * sizeof(struct file_extent));
}

void extfile_free(struct extfile *file)
{
	vec_free(&file->extents);
}
