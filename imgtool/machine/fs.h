/* SPDX-License-Identifier: GPL-2.0-only */
/* Super blocks, mounts, paths, and the contents of file systems that live in memory. */
#pragma once

#include "machine/mm.h"
#include "util/types.h"
#include "util/vec.h"

enum m_fs_kind {
	M_FS_BLOCK,		/* on a block device: mounted again from it */
	M_FS_TMPFS,		/* contents are in the image */
	M_FS_RAMFS,		/* likewise */
	M_FS_DEVTMPFS,		/* the next kernel's own; nodes made by hand are added */
	M_FS_KERNEL,		/* proc, sysfs, cgroup2, debugfs …: the next kernel's own */
	M_FS_DEVPTS,
	M_FS_INTERNAL,		/* pipefs, sockfs, anon_inodefs …: never mounted */
};

struct m_ghost;

struct m_xattr {
	char *name;
	void *value;
	size_t len;
};

/* One inode of a tmpfs or ramfs. Hard links: two m_dentry with the same m_inode. */
struct m_inode {
	u64 kaddr;
	u64 ino;
	u32 mode, uid, gid, nlink;
	u64 rdev;		/* user-space dev_t encoding (makedev) */
	s64 atime_ns, mtime_ns, ctime_ns;
	u32 fs_flags;		/* FS_*_FL (chattr), 0: none */
	char *symlink;		/* S_IFLNK */
	struct m_shmem *shmem;	/* S_IFREG */
	VEC(struct m_xattr) xattrs;
};

struct m_dentry {
	char *name;
	struct m_inode *inode;
	VEC(struct m_dentry *) children; /* S_IFDIR; order as the kernel lists them */
};

struct m_superblock {
	u64 kaddr;
	enum m_fs_kind kind;
	char fstype[32];	/* "ext4", "tmpfs" */
	u64 dev;		/* st_dev under the image kernel, makedev encoding */
	char devname[64];	/* block: disk and partition name, "vda2" */
	u8 uuid[16];		/* block: file system UUID */
	bool has_uuid;
	bool readonly;
	u64 sb_flags;		/* MS_SYNCHRONOUS, MS_MANDLOCK, MS_LAZYTIME, MS_DIRSYNC … */
	/* block: part of the device, when the machine was suspended; to be the same still */
	u8 *ident;
	size_t ident_len;
	u64 ident_offset;
	char *options;		/* fs-specific mount options, "size=65536k,mode=1777" */
	struct m_dentry *root;	/* tmpfs, ramfs, devtmpfs: the tree */
	void *restore;		/* restore's own */
};

struct m_mount {
	u64 kaddr;
	s32 id;
	struct m_mount *parent;	/* NULL: root of the namespace */
	struct m_superblock *sb;
	char *root;		/* path within the super block: "/" unless a bind mount */
	char *mountpoint;	/* absolute path in the namespace */
	char *devname;		/* first column of /proc/mounts */
	u64 flags;		/* MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME, MS_RELATIME, MS_RDONLY … */
	s32 peer_group;		/* shared:N; 0: not shared */
	s32 master_group;	/* master:N; 0: no master */
	u32 row;		/* of PID 1's mountinfo, from 1; 0: not known */
	bool unbindable;
	void *restore;		/* restore's own */
};

/* A place in the mount tree. */
struct m_path {
	struct m_mount *mnt;	/* NULL: internal (pipe, anon inode …) */
	char *path;		/* absolute, as seen from the namespace's root; without " (deleted)" */
	bool unlinked;		/* the name is gone, or stands for another file now */
	struct m_ghost *ghost;	/* a working folder that was removed */
};

/* How a file on disk is told to be the same one. */
struct m_file_id {
	u64 ino;
	u32 generation;
	u64 size;
	s64 mtime_ns;
	u32 mode;
};

/* A directory, file … by its path in the namespace that overlays everything: see restore. */
