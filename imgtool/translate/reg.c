// SPDX-License-Identifier: GPL-2.0-only
/* Kinds that are told by a path: regular files, directories, plain character devices. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "translate/kinds.h"

static struct m_superblock *file_sb(struct xlate *x, u64 file)
{
	return xlate_sb(x, x_u64(x, x_u64(x, file, F_FILE_INODE), F_INODE_SB));
}

static bool carried_fs(const struct m_superblock *sb)
{
	return sb && (sb->kind == M_FS_BLOCK || sb->kind == M_FS_TMPFS || sb->kind == M_FS_RAMFS ||
		      sb->kind == M_FS_DEVTMPFS);
}

static bool reg_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)fop;
	return S_ISREG(mode) && carried_fs(file_sb(x, file)) &&
	       !xlate_is_shm_mnt(x, x_u64(x, x_u64(x, file, F_FILE_INODE), F_INODE_SB));
}

static void reg_translate(struct xlate *x, u64 file, struct m_file *f)
{
	(void)file;
	f->ghost = xlate_ghost(x, f->path, f->inode_kaddr);
}

const struct xlate_kind xlate_kind_reg = {
	.kind = M_FILE_REG,
	.name = "regular file",
	.match = reg_match,
	.translate = reg_translate,
};

static bool dir_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)fop;
	return S_ISDIR(mode) && file_sb(x, file)->kind != M_FS_INTERNAL;
}

/* Behind the last entry, of which there are no so many: DIR_OFFSET_EOD of fs/libfs.c. */
#define DIR_END 0x7fffffff

/* Has all of a folder in memory been listed? dcache_readdir() takes its cursor off the list then. */
static bool listed(struct xlate *x, u64 file, u64 pos)
{
	u64 cursor = x_u64(x, file, F_FILE_PRIVATE), at;

	/* 6.6: a2e459555c5f */
	if (symbols_is(x->syms, x_u64(x, file, F_FILE_OP), "simple_offset_dir_operations"))
		return pos == DIR_END;
	if (!cursor || !symbols_is(x->syms, x_u64(x, file, F_FILE_OP), "simple_dir_operations"))
		return false;
	if (x_has(x, F_DENTRY_SIB))
		return !x_u64(x, x_addr(x, cursor, F_DENTRY_SIB), F_HNODE_NEXT);
	at = x_addr(x, cursor, F_DENTRY_CHILD);
	return x_u64(x, at, F_LIST_NEXT) == at;
}

/*
 * In memory a position is a count of entries, or what the kernel has numbered one with (tmpfs from 6.6 on), and the
 * order is that in which they were made: "." and ".." are at the same place everywhere, and so can be the end.
 */
static void dir_translate(struct xlate *x, u64 file, struct m_file *f)
{
	struct m_superblock *sb = file_sb(x, file);

	f->ghost = xlate_ghost(x, f->path, f->inode_kaddr);
	if (f->pos <= 2 || !sb || sb->kind == M_FS_BLOCK || sb->kind == M_FS_KERNEL)
		return;
	if (listed(x, file, f->pos))
		f->pos = DIR_END;
	else
		x_refuse(x, "is a directory in memory that is listed in part: try again");
}

const struct xlate_kind xlate_kind_dir = {
	.kind = M_FILE_DIR,
	.name = "directory",
	.match = dir_match,
	.translate = dir_translate,
};

/* Devices without state of their own: memory devices (major 1: null, zero, full, random, kmsg …). */
static bool chrdev_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	u64 rdev = xlate_dev(x_u64(x, x_u64(x, file, F_FILE_INODE), F_INODE_RDEV));

	(void)fop;
	return S_ISCHR(mode) && major(rdev) == 1 &&
	       (minor(rdev) == 3 || minor(rdev) == 5 || minor(rdev) == 7 || minor(rdev) == 8 ||
		minor(rdev) == 9 || minor(rdev) == 11);
}

static void chrdev_translate(struct xlate *x, u64 file, struct m_file *f)
{
	(void)file;
	if (!f->path || f->path->unlinked)
		x_refuse(x, "is a device node that has been removed");
}

const struct xlate_kind xlate_kind_chrdev = {
	.kind = M_FILE_CHRDEV,
	.name = "memory device",
	.match = chrdev_match,
	.translate = chrdev_translate,
};

/*
 * Files of proc, sysfs and their like, opened by path again. Only where the contents are made afresh by
 * each read; a file with state between reads is refused by its own kind, and so is a message queue.
 */
static bool proc_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	struct m_superblock *sb = file_sb(x, file);

	(void)fop;
	return S_ISREG(mode) && sb && sb->kind == M_FS_KERNEL && strcmp(sb->fstype, "mqueue");
}

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), len = strlen(end);

	return n >= len && !strcmp(s + n - len, end);
}

/*
 * A pressure file, of the machine (psi_write() in kernel/sched/psi.c) or of a cgroup (pressure_write() in
 * kernel/cgroup/cgroup.c), keeps what was written to it for as long as it is open.
 */
static bool has_trigger(struct xlate *x, u64 file)
{
	const char *type = file_sb(x, file)->fstype;
	char *path = xlate_dentry_path(x, x_u64(x, x_addr(x, file, F_FILE_PATH), F_PATH_DENTRY));
	u64 seq = x_u64(x, file, F_FILE_PRIVATE), of, ctx;

	if (!path || !seq)
		return false;
	if (!strcmp(type, "proc"))
		return !strncmp(path, "/pressure/", 10) &&
		       (!x_has(x, F_SEQ_PRIVATE) || x_u64(x, seq, F_SEQ_PRIVATE));
	if (strncmp(type, "cgroup", 6) || !ends_in(path, ".pressure"))
		return false;
	if (!x_has(x, F_SEQ_PRIVATE) || !x_has(x, F_KOF_PRIV) || !x_has(x, F_CGCTX_TRIGGER))
		return true;
	of = x_u64(x, seq, F_SEQ_PRIVATE);
	ctx = of ? x_u64(x, of, F_KOF_PRIV) : 0;
	return ctx && x_u64(x, ctx, F_CGCTX_TRIGGER);
}

static void proc_translate(struct xlate *x, u64 file, struct m_file *f)
{
	if (!f->path || f->path->unlinked)
		x_refuse(x, "is a file of a kernel file system that is gone");
	else if ((f->flags & O_ACCMODE) != O_RDONLY && has_trigger(x, file))
		x_refuse(x, "is told of pressure (a PSI trigger), which cannot be carried yet");
}

const struct xlate_kind xlate_kind_proc = {
	.kind = M_FILE_PROC,
	.name = "kernel file",
	.match = proc_match,
	.translate = proc_translate,
};

/* What the hibernating tool itself holds open to do its work: not carried, and not missed. */
static bool tool_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	u64 rdev = xlate_dev(x_u64(x, x_u64(x, file, F_FILE_INODE), F_INODE_RDEV));

	(void)fop;
	return x->pid && x->pid == x->m->system.tool_pid &&
	       (S_ISBLK(mode) || (S_ISCHR(mode) && major(rdev) == 10 && minor(rdev) == 231));
}

static void tool_translate(struct xlate *x, u64 file, struct m_file *f)
{
	(void)x, (void)file, (void)f;
}

const struct xlate_kind xlate_kind_tool = {
	.kind = M_FILE_TOOL,
	.name = "the tool's own device",
	.match = tool_match,
	.translate = tool_translate,
};
