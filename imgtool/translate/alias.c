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

/* From the namespace's root on, what is mounted first on the way is entered, and then what is mounted on that. */
struct m_mount *xlate_mount_at(struct xlate *x, const char *path)
{
	struct m_mount *m, *at = NULL, *next;

	for (;; at = next) {
		next = NULL;
		vec_foreach(m, &x->m->mounts)
			if (m->parent == at && m->mountpoint && below(path, m->mountpoint) &&
			    (!next || strlen(m->mountpoint) < strlen(next->mountpoint)))
				next = m;
		if (!next)
			return at;
	}
}

/* Is @p hidden by a mount on top of it? Of what is unlinked, the mount that it is on. */
static bool hidden(struct xlate *x, const struct m_path *p)
{
	return xlate_mount_at(x, p->unlinked ? p->mnt->mountpoint : p->path) != p->mnt;
}

void xlate_in_reach(struct xlate *x, const struct m_path *p)
{
	if (!p || x_failed(x))
		return;
	if (!p->mnt)
		x_refuse(x, "is not in the mount tree (umount -l, open_tree), and cannot be found again by its name");
	else if (hidden(x, p))
		x_refuse(x, "is hidden by what is mounted over it, and cannot be found again by its name");
}

struct alias_walk {
	struct m_superblock *sb;
	struct m_path *found;	/* hidden or gone, if there is no better */
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
