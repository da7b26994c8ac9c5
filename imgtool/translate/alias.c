// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an inode back to a path of the initial namespace: through a name of it that the kernel has at
 * hand (a dentry) and a mount that shows that name.
 */
#include <string.h>

#include "translate/xlate.h"

#define DEPTH_MAX 2048

/* Does mount @mnt show @dentry, or is it of another part of the super block? */
static bool shows(struct xlate *x, const struct m_mount *mnt, u64 dentry)
{
	u64 root = x_u64(x, mnt->kaddr, F_MNT_ROOT), parent;
	unsigned int depth;

	for (depth = 0; depth < DEPTH_MAX && !x_failed(x); depth++, dentry = parent) {
		if (dentry == root)
			return true;
		parent = x_u64(x, dentry, F_DENTRY_PARENT);
		if (parent == dentry)
			break;
	}
	return false;
}

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 1)
		return true;
	return !strncmp(path, dir, n) && (!path[n] || path[n] == '/');
}

/*
 * Is @p hidden by a mount on top of it? Of the mounts whose place is a prefix of the path, the one that
 * is reached is the longest, and of those on the same place the last (parents come before children).
 */
static bool hidden(struct xlate *x, const struct m_path *p)
{
	struct m_mount *m, *top = NULL;

	vec_foreach(m, &x->m->mounts) {
		if (!m->mountpoint || !below(p->path, m->mountpoint))
			continue;
		if (!top || strlen(m->mountpoint) >= strlen(top->mountpoint))
			top = m;
	}
	return top != p->mnt;
}

struct alias_walk {
	struct m_superblock *sb;
	struct m_path *found;
};

static int one_alias(struct xlate *x, u64 node, void *arg)
{
	u64 dentry = x_container(x, node, F_DENTRY_ALIAS);
	struct alias_walk *w = arg;
	struct m_mount *m;
	struct m_path *p;

	vec_foreach(m, &x->m->mounts) {
		if (m->sb != w->sb || !shows(x, m, dentry))
			continue;
		p = xlate_path(x, x_addr(x, m->kaddr, F_MNT_MNT), dentry);
		if (!p || x_failed(x))
			return x->err.code;
		if (!p->unlinked && !hidden(x, p)) {
			w->found = p;
			return 1;
		}
		if (!w->found)
			w->found = p;
	}
	return x->err.code;
}

struct m_path *xlate_inode_path(struct xlate *x, u64 inode)
{
	struct alias_walk w = { .sb = xlate_sb(x, x_u64(x, inode, F_INODE_SB)) };

	if (!w.sb)
		return NULL;
	x_hlist(x, x_addr(x, inode, F_INODE_DENTRIES), one_alias, &w);
	return x_failed(x) ? NULL : w.found;
}
