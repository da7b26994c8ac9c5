// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a mount and a dentry stand in the mount tree, as d_path() tells it.
 * Source: fs/d_path.c (prepend_path), include/linux/dcache.h.
 */
#include <errno.h>
#include <string.h>

#include "translate/xlate.h"

#define PATH_BYTES 4096
#define DEPTH_MAX 2048

struct path_buf {
	char s[PATH_BYTES];
	size_t pos;	/* the path is s[pos..]; built from its end */
};

static bool prepend(struct xlate *x, struct path_buf *b, const char *name, size_t len)
{
	if (len + 1 > b->pos) {
		ohib_err_pid(&x->err, x->pid, -ENAMETOOLONG, "a path is longer than %u bytes",
			     PATH_BYTES);
		return false;
	}
	b->pos -= len;
	memcpy(b->s + b->pos, name, len);
	b->s[--b->pos] = '/';
	return true;
}

static bool prepend_dentry(struct xlate *x, struct path_buf *b, u64 dentry)
{
	u64 len = x_u64(x, dentry, F_DENTRY_LEN), at = x_u64(x, dentry, F_DENTRY_NAME);
	char name[256];

	if (len >= sizeof(name)) {
		ohib_err_pid(&x->err, x->pid, -ENAMETOOLONG, "a name of %llu bytes",
			     (unsigned long long)len);
		return false;
	}
	x_read(x, at, name, len, "dentry name");
	return !x_failed(x) && prepend(x, b, name, len);
}

/* d_unlinked(): the name is gone from its directory. */
static bool dentry_unlinked(struct xlate *x, u64 dentry)
{
	return !x_u64(x, dentry, F_DENTRY_HASH_PPREV) && x_u64(x, dentry, F_DENTRY_PARENT) != dentry;
}

/*
 * Path of @dentry in mount @mnt (a struct mount). The mount's own place is known already when its
 * m_mount is; the walk goes through the kernel's objects either way, so that order does not matter.
 * @adrift: there is no way from it to the mount's root.
 */
static char *full_path(struct xlate *x, u64 mnt, u64 dentry, bool *adrift)
{
	struct path_buf b = { .pos = PATH_BYTES };
	unsigned int depth;

	b.s[--b.pos] = '\0';
	for (depth = 0; !x_failed(x); depth++) {
		u64 parent;

		if (depth > DEPTH_MAX) {
			ohib_err_pid(&x->err, x->pid, -ELOOP, "a path has no beginning");
			return NULL;
		}
		if (dentry == x_u64(x, mnt, F_MNT_ROOT)) {
			parent = x_u64(x, mnt, F_MNT_PARENT);
			if (parent == mnt)
				break;
			dentry = x_u64(x, mnt, F_MNT_MOUNTPOINT);
			mnt = parent;
			continue;
		}
		parent = x_u64(x, dentry, F_DENTRY_PARENT);
		if (parent == dentry) {
			*adrift = true;
			break; /* internal, or opened by its number (d_obtain_alias) */
		}
		if (!prepend_dentry(x, &b, dentry))
			return NULL;
		dentry = parent;
	}
	if (x_failed(x))
		return NULL;
	if (!b.s[b.pos])
		b.s[--b.pos] = '/';
	return arena_strdup(x->m->arena, b.s + b.pos);
}

/* Path of @dentry within its own super block. */
char *xlate_dentry_path(struct xlate *x, u64 dentry)
{
	struct path_buf b = { .pos = PATH_BYTES };
	unsigned int depth;

	b.s[--b.pos] = '\0';
	for (depth = 0; depth < DEPTH_MAX && !x_failed(x); depth++) {
		u64 parent = x_u64(x, dentry, F_DENTRY_PARENT);

		if (parent == dentry)
			break;
		if (!prepend_dentry(x, &b, dentry))
			return NULL;
		dentry = parent;
	}
	if (!b.s[b.pos])
		b.s[--b.pos] = '/';
	return x_failed(x) ? NULL : arena_strdup(x->m->arena, b.s + b.pos);
}

struct m_path *xlate_path(struct xlate *x, u64 vfsmount, u64 dentry)
{
	u64 key = dentry * 31 + vfsmount, mnt = x_container(x, vfsmount, F_MNT_MNT);
	struct m_path *p = map_get(&x->paths, key);
	bool adrift = false;

	if (p || !dentry || !vfsmount)
		return p;
	p = x_new(x, struct m_path);
	if (!p)
		return NULL;
	p->mnt = map_get(&x->mounts, mnt);
	p->unlinked = dentry_unlinked(x, dentry);
	p->path = full_path(x, mnt, dentry, &adrift);
	if (!p->path)
		return NULL;
	p->unlinked |= adrift && p->mnt;
	if (map_put(&x->paths, key, p))
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	return p;
}
