// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is a file without a disk: memfd, shared anonymous memory, SysV segments, files of tmpfs.
 * Source: mm/shmem.c, mm/memfd.c, ipc/shm.c, include/linux/swapops.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "translate/kinds.h"

#define FOLIO_PAGES_MAX 512u	/* shmem's largest folio is a huge page (PMD) */
#define MAX_SWAP_FILES 23	/* as in mm.c */
#define SWP_TYPE_SHIFT 58	/* BITS_PER_XA_VALUE - MAX_SWAPFILES_SHIFT */

struct cache_walk {
	struct m_shmem *s;
	u64 nr_pages;	/* of the file; what lies behind its end cannot be seen */
};

/* @entry: the folio's head, whether it fills its slots as one entry or (before 5.17) each of them. */
static void cached_page(struct xlate *x, u64 entry, u64 index, struct m_page_src *src)
{
	u64 flags = x_u64(x, entry, F_PAGE_FLAGS), sub = 0;

	if (x_bit(flags, x->f->value[E_PG_HEAD]))
		sub = index - x_u64(x, entry, F_PAGE_INDEX);
	if (sub >= FOLIO_PAGES_MAX) {
		ohib_err_pid(&x->err, x->pid, -EINVAL, "the folio at index %llu makes no sense",
			     (unsigned long long)index);
		return;
	}
	/* not up to date: fallocate() has taken it, but its contents are zeros until it is written to */
	if (!x_bit(flags, x->f->value[E_PG_UPTODATE]))
		*src = (struct m_page_src){ .kind = M_PAGE_ZERO };
	else
		*src = (struct m_page_src){ .kind = M_PAGE_PFN,
					    .where = view_page_to_pfn(x->v, entry) + sub };
}

/* A folio, or the swap slots that stand for one. */
static int one_entry(struct xlate *x, u64 index, u64 nr, u64 entry, void *arg)
{
	struct cache_walk *w = arg;
	u64 slot = (entry >> 1) & ((1ull << SWP_TYPE_SHIFT) - 1), i;
	u32 type = entry >> 1 >> SWP_TYPE_SHIFT;

	if (nr > FOLIO_PAGES_MAX || index > 1ull << 52)
		return ohib_err_pid(&x->err, x->pid, -EINVAL, "a folio of %llu pages at index %llu",
				    (unsigned long long)nr, (unsigned long long)index);
	if (entry & 1 && type >= MAX_SWAP_FILES) {
		x_refuse(x, "has a page that is poisoned");
		return 0;
	}
	for (i = 0; i < nr && index + i < w->nr_pages && !x_failed(x); i++) {
		struct m_page page = { .va = (index + i) * OHIB_PAGE_SIZE };

		if (entry & 1)
			xlate_swap_page(x, type, slot + i, &page.src);
		else
			cached_page(x, entry, index + i, &page.src);
		x_push(x, &w->s->pages, page);
	}
	return x->err.code;
}

void xlate_cache_pages(struct xlate *x, u64 inode, struct m_shmem *s)
{
	struct cache_walk w = { s, (s->size + OHIB_PAGE_SIZE - 1) / OHIB_PAGE_SIZE };
	u64 mapping = x_u64(x, inode, F_INODE_MAPPING);

	x_xarray_ranges(x, x_addr(x, mapping, F_MAPPING_PAGES), one_entry, &w);
}

bool xlate_is_shm_mnt(struct xlate *x, u64 sb)
{
	u64 at = x_sym(x, "shm_mnt"), mnt = 0;

	if (!sb || !at)
		return false;
	x_read(x, at, &mnt, sizeof(mnt), "shm_mnt");
	return mnt && x_u64(x, x_container(x, mnt, F_MNT_MNT), F_MNT_SB) == sb;
}

/* What the kernel's own tmpfs holds is told apart by the names that the kernel gives. */
static void shm_mnt_kind(struct xlate *x, u64 inode, struct m_shmem *s)
{
	u64 alias = x_u64(x, x_addr(x, inode, F_INODE_ALIASES), F_HLIST_FIRST), dentry, len;
	char name[256] = "";

	if (alias) {
		dentry = x_container(x, alias, F_DENTRY_ALIAS);
		len = x_u64(x, dentry, F_DENTRY_LEN);
		if (len < sizeof(name))
			x_read(x, x_u64(x, dentry, F_DENTRY_NAME), name, len, "dentry name");
	}
	if (!strncmp(name, "memfd:", 6)) {
		s->kind = M_SHMEM_MEMFD;
		memcpy(s->name, name + 6, sizeof(s->name) - 1);
	} else if (!strncmp(name, "SYSV", 4)) {
		s->kind = M_SHMEM_SYSV;
	} else if (!strcmp(name, "dev/zero")) {
		s->kind = M_SHMEM_ANON;
	} else {
		x_refuse(x, "is memory of a driver (\"%s\"), which cannot be carried", name);
	}
}

struct m_shmem *xlate_shmem(struct xlate *x, u64 inode)
{
	struct m_shmem *s = map_get(&x->shmems, inode);
	u64 sb, info;

	if (s || !inode || x_failed(x))
		return s;
	s = x_new(x, struct m_shmem);
	if (!s || map_put(&x->shmems, inode, s)) {
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
		return NULL;
	}
	s->kaddr = inode;
	s->kind = M_SHMEM_TMPFS;
	s->size = x_u64(x, inode, F_INODE_SIZE);
	s->mode = x_u64(x, inode, F_INODE_MODE) & 07777;
	s->uid = x_u64(x, inode, F_INODE_UID);
	s->gid = x_u64(x, inode, F_INODE_GID);
	if (s->size > 1ull << 62) {
		ohib_err_pid(&x->err, x->pid, -EINVAL, "shared memory of %llu bytes",
			     (unsigned long long)s->size);
		return NULL;
	}
	sb = x_u64(x, inode, F_INODE_SB);
	if (symbols_is(x->syms, x_u64(x, sb, F_SB_OP), "shmem_ops")) {
		info = x_container(x, inode, F_SHMEM_INODE);
		s->seals = x_u64(x, info, F_SHMEM_SEALS);
		if (xlate_is_shm_mnt(x, sb))
			shm_mnt_kind(x, inode, s);
	}
	if (!x->no_pages)
		xlate_cache_pages(x, inode, s);
	x_push(x, &x->m->shmems, s);
	return x_failed(x) ? NULL : s;
}

static bool shmem_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)fop;
	return S_ISREG(mode) &&
	       xlate_is_shm_mnt(x, x_u64(x, x_u64(x, file, F_FILE_INODE), F_INODE_SB));
}

static void shmem_translate(struct xlate *x, u64 file, struct m_file *f)
{
	struct m_inode *inode = xlate_inode(x, f->inode_kaddr);

	f->shmem = xlate_shmem(x, f->inode_kaddr);
	if (inode && inode->xattrs.n)
		x_refuse(x, "is shared memory with extended attributes, which cannot be carried yet");
	xlate_locks(x, file, f);
}

const struct xlate_kind xlate_kind_shmem = {
	.kind = M_FILE_SHMEM,
	.name = "shared memory",
	.match = shmem_match,
	.translate = shmem_translate,
};
