// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inodes of file systems that live in memory (tmpfs, devtmpfs, ramfs), with all that they hold.
 * Source: mm/shmem.c, fs/ramfs/inode.c, fs/xattr.c, fs/posix_acl.c, include/linux/fs.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "translate/xlate.h"

#define XATTR_BYTES_MAX 65536u	/* XATTR_SIZE_MAX */
#define ACL_ENTRIES_MAX 4096u
#define ACL_USER 0x02
#define ACL_GROUP 0x08
#define ACL_XATTR_VERSION 2
#define FS_FL_CARRIED 0xf0u	/* FS_IMMUTABLE_FL, APPEND, NODUMP, NOATIME */

static s64 timestamp(struct xlate *x, u64 inode, enum field pair, enum field sec, enum field nsec)
{
	s64 ts[2];

	if (x_has(x, sec)) {
		ts[0] = x_s64(x, inode, sec);
		/* the top bit tells that a time was looked at: I_CTIME_QUERIED, 6.13: 4e40eff0b573 */
		ts[1] = x_u64(x, inode, nsec) & 0x7fffffff;
	} else if (x_has(x, pair)) {
		x_bytes(x, inode, pair, ts, sizeof(ts));
	} else {
		ohib_err_set(&x->err, -ENOENT, "inode: no field for its times");
		return 0;
	}
	return x_ns(ts[0], ts[1]);
}

/* Vectors of the machine that nobody adds to live in its arena. */
static void *to_arena(struct xlate *x, const void *v, size_t bytes)
{
	void *p = arena_memdup(x->m->arena, v, bytes);

	if (!p)
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	return p;
}

struct xattr_list {
	VEC(struct m_xattr) v;
};

static int one_xattr(struct xlate *x, u64 xattr, struct xattr_list *l)
{
	struct m_xattr a = {
		.name = x_str(x, x_u64(x, xattr, F_XATTR_NAME), 256),
		.len = x_u64(x, xattr, F_XATTR_SIZE),
	};

	if (a.len > XATTR_BYTES_MAX || l->v.n > XATTR_BYTES_MAX)
		return ohib_err_set(&x->err, -EINVAL, "an extended attribute of %zu bytes", a.len);
	a.value = x_alloc(x, a.len + 1);
	if (!a.value || !a.name)
		return x->err.code;
	x_read(x, x_addr(x, xattr, F_XATTR_VALUE), a.value, a.len, "simple_xattr.value");
	x_push(x, &l->v, a);
	return x->err.code;
}

static int xattr_of_rb(struct xlate *x, u64 node, void *arg)
{
	return one_xattr(x, x_container(x, node, F_XATTR_RB), arg);
}

static int xattr_of_list(struct xlate *x, u64 node, void *arg)
{
	return one_xattr(x, x_container(x, node, F_XATTR_NODE), arg);
}

/*
 * An access control list of tmpfs lives in the inode alone, as the kernel's own struct; what setxattr
 * takes is include/uapi/linux/posix_acl_xattr.h.
 */
static void acl(struct xlate *x, u64 inode, enum field f, const char *name, struct xattr_list *l)
{
	struct acl_xattr {
		u32 version;
		struct {
			u16 tag, perm;
			u32 id;
		} e[];
	} *out;
	u64 a = x_u64(x, inode, f), count, e, i;
	struct m_xattr xa;

	if (!a || a & 1)	/* none, or ACL_NOT_CACHED, or another sentinel */
		return;
	count = x_u64(x, a, F_ACL_COUNT);
	if (count > ACL_ENTRIES_MAX) {
		ohib_err_set(&x->err, -EINVAL, "an access control list of %llu entries",
			     (unsigned long long)count);
		return;
	}
	xa.len = sizeof(*out) + count * sizeof(out->e[0]);
	xa.name = arena_strdup(x->m->arena, name);
	xa.value = out = x_alloc(x, xa.len);
	if (!out || !xa.name)
		return;
	out->version = ACL_XATTR_VERSION;
	for (i = 0; i < count; i++) {
		e = x_addr(x, a, F_ACL_ENTRIES) + i * x->f->size[T_ACL_ENTRY];
		out->e[i].tag = x_u64(x, e, F_ACL_TAG);
		out->e[i].perm = x_u64(x, e, F_ACL_PERM);
		out->e[i].id = out->e[i].tag == ACL_USER || out->e[i].tag == ACL_GROUP ?
				       x_u64(x, e, F_ACL_ID) : ~0u;
	}
	x_push(x, &l->v, xa);
}

static void xattrs(struct xlate *x, u64 inode, struct m_inode *i)
{
	u64 at = x_addr(x, x_container(x, inode, F_SHMEM_INODE), F_SHMEM_XATTRS);
	struct xattr_list l = {};

	if (x_has(x, F_XATTRS_TREE))
		x_rbtree(x, x_u64(x, at, F_XATTRS_TREE), xattr_of_rb, &l);
	else if (x_has(x, F_XATTRS_LIST))
		x_list(x, x_addr(x, at, F_XATTRS_LIST), xattr_of_list, &l);
	else
		ohib_err_set(&x->err, -ENOENT, "simple_xattrs: neither rb_root nor head");
	acl(x, inode, F_INODE_ACL, "system.posix_acl_access", &l);
	if (S_ISDIR(i->mode))
		acl(x, inode, F_INODE_DEFAULT_ACL, "system.posix_acl_default", &l);
	if (l.v.n) {
		i->xattrs.v = to_arena(x, l.v.v, l.v.n * sizeof(*l.v.v));
		i->xattrs.n = i->xattrs.cap = i->xattrs.v ? l.v.n : 0;
	}
	vec_free(&l.v);
}

/* Short ones are a string of their own (i_link), others the first page of the inode's cache. */
static void symlink_target(struct xlate *x, u64 inode, struct m_inode *i)
{
	u64 link = x_u64(x, inode, F_INODE_LINK), size = x_u64(x, inode, F_INODE_SIZE);
	struct m_shmem page = { .size = size };
	char buf[OHIB_PAGE_SIZE];
	int r;

	if (link) {
		i->symlink = x_str(x, link, OHIB_PAGE_SIZE);
		return;
	}
	if (!size || size >= sizeof(buf)) {
		ohib_err_set(&x->err, -EINVAL, "a symbolic link of %llu bytes",
			     (unsigned long long)size);
		return;
	}
	xlate_cache_pages(x, inode, &page);
	r = page.pages.n ? x->m->read_page(x->m->read_page_arg, &page.pages.v[0].src, buf) : -ENODATA;
	vec_free(&page.pages);
	if (r) {
		ohib_err_set(&x->err, r, "the target of a symbolic link cannot be read: %s",
			     strerror(-r));
		return;
	}
	buf[size] = '\0';
	i->symlink = arena_strdup(x->m->arena, buf);
}

struct m_inode *xlate_inode(struct xlate *x, u64 inode)
{
	struct m_inode *i = map_get(&x->inodes, inode);
	u64 sb;

	if (i || !inode || x_failed(x))
		return i;
	i = x_new(x, struct m_inode);
	if (!i || map_put(&x->inodes, inode, i)) {
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
		return NULL;
	}
	i->kaddr = inode;
	i->ino = x_u64(x, inode, F_INODE_INO);
	i->mode = x_u64(x, inode, F_INODE_MODE);
	i->uid = x_u64(x, inode, F_INODE_UID);
	i->gid = x_u64(x, inode, F_INODE_GID);
	i->nlink = x_u64(x, inode, F_INODE_NLINK);
	i->rdev = xlate_dev(x_u64(x, inode, F_INODE_RDEV));
	i->atime_ns = timestamp(x, inode, F_INODE_ATIME, F_INODE_ATIME_SEC, F_INODE_ATIME_NSEC);
	i->mtime_ns = timestamp(x, inode, F_INODE_MTIME, F_INODE_MTIME_SEC, F_INODE_MTIME_NSEC);
	i->ctime_ns = timestamp(x, inode, F_INODE_CTIME, F_INODE_CTIME_SEC, F_INODE_CTIME_NSEC);
	sb = x_u64(x, inode, F_INODE_SB);
	if (symbols_is(x->syms, x_u64(x, sb, F_SB_OP), "shmem_ops")) {
		if (x_has(x, F_SHMEM_FSFLAGS))
			i->fs_flags = x_u64(x, x_container(x, inode, F_SHMEM_INODE), F_SHMEM_FSFLAGS);
		if (i->fs_flags & ~FS_FL_CARRIED)
			x_refuse(x, "inode %llu of a tmpfs has flags (%#x) that cannot be carried",
				 (unsigned long long)i->ino, i->fs_flags);
		xattrs(x, inode, i);
	}
	if (S_ISLNK(i->mode))
		symlink_target(x, inode, i);
	else if (S_ISREG(i->mode))
		i->shmem = xlate_shmem(x, inode);
	return x_failed(x) ? NULL : i;
}
