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

/* Contents of a file system in memory below the folder @dirfd; @merge: much of it is there. */
int tmpfs_fill(struct restore *r, const struct m_superblock *sb, int dirfd, bool merge);
