// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regular files and folders that are in use and whose name is gone: deleted, replaced by an upgrade,
 * or O_TMPFILE.
 * Source: fs/dcache.c (d_tmpfile, d_delete), fs/namei.c (vfs_tmpfile), include/linux/fs.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "ghost/ghost.h"
#include "translate/xlate.h"

#define I_LINKABLE (1u << 10)	/* include/linux/fs.h, since 3.11: f4e0c30c191f */

/* On a disk, and nothing leads to it any more: made anew, with what is collected of it. */
static void no_link(struct xlate *x, const struct m_path *p, u64 inode, struct m_ghost *g)
{
	const struct m_superblock *sb = p->mnt->sb;

	g->ghost_id = ghost_id(sb->dev, g->ino);
	if (sb->readonly || p->mnt->flags & MS_RDONLY)
		x_refuse(x, "has been deleted while in use, and its file system is read-only now: "
			    "close it, or restart the process");
	if (!strcmp(sb->fstype, "ext2"))
		x_refuse(x, "has been deleted while in use, and ext2 keeps no list of such files: close it, "
			    "or restart the process");
	/* What is on its way to the disk is not counted here, but when the contents are collected. */
	x->ghost_bytes += S_ISREG(g->mode) ? x_u64(x, inode, F_INODE_BLOCKS) * 512 : 0;
	if (x->live && x->ghost_bytes > GHOSTS_BYTES_MAX)
		x_refuse(x, "has been deleted while in use, and such files have more than %u MB "
			    "together: restart the process", GHOSTS_BYTES_MAX >> 20);
}

struct m_ghost *xlate_ghost(struct xlate *x, const struct m_path *p, u64 inode)
{
	struct m_ghost *g = map_get(&x->ghosts, inode);

	if (g || !p || !p->unlinked || !p->mnt || x_failed(x))
		return g;
	if (p->mnt->sb->kind != M_FS_BLOCK && p->mnt->sb->kind != M_FS_TMPFS && p->mnt->sb->kind != M_FS_RAMFS) {
		x_refuse(x, "has been removed from a file system that cannot have it again (%s)",
			 p->mnt->sb->fstype);
		return NULL;
	}
	g = x_new(x, struct m_ghost);
	if (!g || map_put(&x->ghosts, inode, g)) {
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
		return NULL;
	}
	g->ino = x_u64(x, inode, F_INODE_INO);
	g->generation = x_u64(x, inode, F_INODE_GENERATION);
	g->mode = x_u64(x, inode, F_INODE_MODE);
	g->size = x_u64(x, inode, F_INODE_SIZE);
	g->linkable = x_u64(x, inode, F_INODE_STATE) & I_LINKABLE;
	if (p->mnt->sb->kind != M_FS_BLOCK)
		g->inode = xlate_inode(x, inode);
	else if (x_u64(x, inode, F_INODE_NLINK))
		g->linked = true;
	else
		no_link(x, p, inode, g);
	return x_failed(x) ? NULL : g;
}
