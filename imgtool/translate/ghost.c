// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open or mapped regular files whose name is gone: deleted, replaced by an upgrade, or O_TMPFILE.
 * Source: fs/dcache.c (d_tmpfile, d_delete), fs/namei.c (vfs_tmpfile), include/linux/fs.h.
 */
#include <errno.h>

#include "ghost/ghost.h"
#include "translate/xlate.h"

#define I_LINKABLE (1u << 10)	/* include/linux/fs.h, since 3.11: f4e0c30c191f */

void xlate_ghost(struct xlate *x, u64 file, struct m_file *f)
{
	struct m_superblock *sb = xlate_sb(x, x_u64(x, f->inode_kaddr, F_INODE_SB));
	struct m_ghost *g;

	(void)file;
	if (!sb || !f->path || !f->path->unlinked)
		return;
	f->ghost = map_get(&x->ghosts, f->inode_kaddr);
	if (f->ghost)
		return;
	g = x_new(x, struct m_ghost);
	if (!g || map_put(&x->ghosts, f->inode_kaddr, g)) {
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
		return;
	}
	g->linkable = x_u64(x, f->inode_kaddr, F_INODE_STATE) & I_LINKABLE;
	if (sb->kind != M_FS_BLOCK)
		g->inode = xlate_inode(x, f->inode_kaddr);
	else if (x_u64(x, f->inode_kaddr, F_INODE_NLINK))
		g->linked = true;
	else
		g->ghost_id = ghost_id(sb->dev, f->id.ino);
	/*
	 * Their file system has them on its list of orphans, so that all has to be built twice, on either
	 * side of the commit; a failure on the far side would lose the machine. Not until that is proven.
	 */
	if (g->ghost_id)
		x_refuse(x, "has been deleted while in use, which cannot be carried yet: restart the process");
	f->ghost = g;
}
