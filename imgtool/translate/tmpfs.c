// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trees of file systems that live in memory: every mounted tmpfs, ramfs and devtmpfs.
 * Source: include/linux/dcache.h, fs/libfs.c: such a file system is its dentries; a name that is hashed
 * exists, and the list of a directory's children has the newest first.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "translate/xlate.h"

struct dir {
	u64 dentry;
	struct m_dentry *m;
};

struct tree {
	VEC(struct dir) dirs;	/* directories, those found so far and not looked into yet at the end */
	VEC(struct m_dentry *) children; /* of the one at hand */
	u64 parent;
	struct map seen;	/* dentries; a tree has each once */
};

static struct m_dentry *xlate_dentry(struct xlate *x, u64 dentry, u64 inode)
{
	struct m_dentry *d = x_new(x, struct m_dentry);
	u64 len = x_u64(x, dentry, F_DENTRY_LEN);

	if (!d)
		return NULL;
	if (len > 255) {
		ohib_err_set(&x->err, -ENAMETOOLONG, "a name of %llu bytes", (unsigned long long)len);
		return NULL;
	}
	d->name = x_alloc(x, len + 1);
	if (!d->name)
		return NULL;
	x_read(x, x_u64(x, dentry, F_DENTRY_NAME), d->name, len, "dentry name");
	d->inode = xlate_inode(x, inode);
	if (!d->inode)
		ohib_err_set(&x->err, -EINVAL, "the directory entry at %#llx has no inode",
			     (unsigned long long)dentry);
	return x_failed(x) ? NULL : d;
}

static int add_child(struct xlate *x, struct tree *t, u64 dentry)
{
	u64 inode = x_u64(x, dentry, F_DENTRY_INODE);
	struct m_dentry *d;

	/* negative (a failed look-up, a position in a directory), or unlinked and still open */
	if (!inode || !x_u64(x, dentry, F_DENTRY_HASH_PPREV))
		return x->err.code;
	if (x_u64(x, dentry, F_DENTRY_PARENT) != t->parent || map_get(&t->seen, dentry) ||
	    t->seen.n > X_LIST_MAX)
		return ohib_err_set(&x->err, -ELOOP, "the directory entry at %#llx makes no sense",
				    (unsigned long long)dentry);
	d = xlate_dentry(x, dentry, inode);
	if (!d)
		return x->err.code;
	if (map_put(&t->seen, dentry, d))
		return ohib_err_set(&x->err, -ENOMEM, "out of memory");
	x_push(x, &t->children, d);
	if (S_ISDIR(d->inode->mode))
		x_push(x, &t->dirs, ((struct dir){ dentry, d }));
	return x->err.code;
}

static int child_of_hlist(struct xlate *x, u64 node, void *arg)
{
	return add_child(x, arg, x_container(x, node, F_DENTRY_SIB));
}

static int child_of_list(struct xlate *x, u64 node, void *arg)
{
	return add_child(x, arg, x_container(x, node, F_DENTRY_CHILD));
}

static void read_dir(struct xlate *x, struct tree *t, struct dir dir)
{
	size_t bytes;

	t->parent = dir.dentry;
	t->children.n = 0;
	if (x_has(x, F_DENTRY_CHILDREN) && x_has(x, F_DENTRY_SIB))
		x_hlist(x, x_addr(x, dir.dentry, F_DENTRY_CHILDREN), child_of_hlist, t);
	else if (x_has(x, F_DENTRY_SUBDIRS) && x_has(x, F_DENTRY_CHILD))
		x_list(x, x_addr(x, dir.dentry, F_DENTRY_SUBDIRS), child_of_list, t);
	else
		ohib_err_set(&x->err, -ENOENT, "dentry: neither d_children nor d_subdirs");
	if (x_failed(x) || !t->children.n)
		return;
	bytes = t->children.n * sizeof(*t->children.v);
	dir.m->children.v = arena_memdup(x->m->arena, t->children.v, bytes);
	if (!dir.m->children.v)
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	else
		dir.m->children.n = dir.m->children.cap = t->children.n;
}

static void xlate_tree(struct xlate *x, struct m_superblock *sb)
{
	u64 root = x_u64(x, sb->kaddr, F_SB_ROOT);
	struct tree t = {};

	x_object(x, "file system %s (%s)", sb->fstype, sb->options ? sb->options : "");
	sb->root = xlate_dentry(x, root, x_u64(x, root, F_DENTRY_INODE));
	if (sb->root)
		x_push(x, &t.dirs, ((struct dir){ root, sb->root }));
	for (size_t i = 0; i < t.dirs.n && !x_failed(x); i++)
		read_dir(x, &t, t.dirs.v[i]);
	vec_free(&t.dirs);
	vec_free(&t.children);
	map_free(&t.seen);
}

void xlate_memory_fs(struct xlate *x)
{
	struct m_mount *mnt;

	vec_foreach(mnt, &x->m->mounts) {
		struct m_superblock *sb = mnt->sb;

		if (x_failed(x))
			return;
		if (!sb || sb->root)
			continue;
		if (sb->kind == M_FS_TMPFS || sb->kind == M_FS_RAMFS || sb->kind == M_FS_DEVTMPFS)
			xlate_tree(x, sb);
		/* names that come and go while they are read; looked at again when all stands still */
		if (x->live && x_failed(x)) {
			ohib_err_clear(&x->err);
			sb->root = NULL;
		}
	}
}
