/* SPDX-License-Identifier: GPL-2.0-only */
/* File systems and mounts, shared by the files that make them. */
#pragma once

#include "engine.h"

/* Device that holds the file system; -ENODEV. */
int blockdev_find(struct restore *r, const struct m_superblock *sb, char dev[80]);
/* While it is on, no mount can write to the device, whatever the file system driver thinks. */
int blockdev_readonly(struct restore *r, const char *dev, int on);

/* Every file system mounted once, out of sight; mounts are clones of these. */
int superblocks_mount(struct restore *r);
int superblocks_writable(struct restore *r);
void superblocks_unmount(struct restore *r, bool undo);
const char *superblock_base(const struct m_superblock *sb);

/* Open by number (a file handle); @flags as open's. Descriptor or negative errno. */
int fs_open_handle(struct restore *r, const struct m_mount *mnt, u64 ino, u32 generation, int flags);
/* The name, from the machine's root, that tmpfs_fill gave an inode; NULL: none. */
const char *tmpfs_name_of(struct restore *r, const struct m_inode *in);
/* Some super block cannot go from read-only to writable: see restore.c on the rehearsal. */
int superblocks_need_rehearsal(struct restore *r, bool *need);

/* Contents of a file system in memory below the folder @dirfd; @merge: much of it is there. */
int tmpfs_fill(struct restore *r, const struct m_superblock *sb, int dirfd, bool merge);
