// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contents of private pages. Only what differs from the creator's memory is written, in the
 * order of the image's frames; ranges that were whole huge pages' worth are written when huge pages
 * are allowed again, all others while they are not, so that memory use does not grow.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "engine.h"

#define BATCH 512u
#define HUGE_PAGES 512u
#define SPARE_KB (16u << 10)
#define HUGE_SIZE (2ull << 20)

struct page_write {
	const struct m_page *page;
	bool force;	/* the mapping is not writable */
	bool huge;	/* part of a whole aligned 2 MiB */
};

struct fill {
	VEC(struct page_write) writes;
	VEC(u64) drop;		/* pages of the creator's that this process does not have */
};

static int write_cmp(const void *a, const void *b)
{
	const struct page_write *x = a, *y = b;

	if (x->huge != y->huge)
		return x->huge ? 1 : -1;
	if (x->page->src.kind != y->page->src.kind)
		return x->page->src.kind < y->page->src.kind ? -1 : 1;
	if (x->page->src.where != y->page->src.where)
		return x->page->src.where < y->page->src.where ? -1 : 1;
	return x->page->va < y->page->va ? -1 : x->page->va > y->page->va;
}

static bool whole_huge(const struct m_mm *mm, const struct m_vma *v, size_t i)
{
	u64 base = mm->pages.v[i].va & ~(HUGE_SIZE - 1);
	size_t first;

	if (v->kind != M_VMA_ANON || v->nohugepage || base < v->start || base + HUGE_SIZE > v->end)
		return false;
	first = m_mm_page_at(mm, base);
	return first + HUGE_PAGES <= mm->pages.n &&
	       mm->pages.v[first].va == base &&
	       mm->pages.v[first + HUGE_PAGES - 1].va == base + HUGE_SIZE - OHIB_PAGE_SIZE;
}

/* @kept: see space_kept(). */
static int gather_vma(struct fill *f, const struct m_mm *mm, const struct m_vma *v,
		      const struct m_mm *from, u64 kept)
{
	size_t i = m_mm_page_at(mm, v->start), j = kept ? m_mm_page_at(from, v->start) : 0;
	size_t last = kept ? m_mm_page_at(from, kept) : 0;
	u64 huge_base = ~0ull;
	bool huge = false;

	for (; i < mm->pages.n && mm->pages.v[i].va < v->end; i++) {
		const struct m_page *pg = &mm->pages.v[i];
		struct page_write t = { .page = pg, .force = !(v->prot & PROT_WRITE) };
		const struct m_page *old = NULL;

		while (j < last && from->pages.v[j].va < pg->va)
			if (vec_push(&f->drop, from->pages.v[j++].va))
				return -ENOMEM;
		if (j < last && from->pages.v[j].va == pg->va)
			old = &from->pages.v[j++];
		if (old && m_page_src_same(&old->src, &pg->src))
			continue;
		if (!old && pg->src.kind == M_PAGE_ZERO && v->kind == M_VMA_ANON)
			continue;
		if ((pg->va & ~(HUGE_SIZE - 1)) != huge_base) {
			huge_base = pg->va & ~(HUGE_SIZE - 1);
			huge = !kept && whole_huge(mm, v, i);
		}
		t.huge = huge;
		if (vec_push(&f->writes, t))
			return -ENOMEM;
	}
	for (; j < last; j++)
		if (vec_push(&f->drop, from->pages.v[j].va))
			return -ENOMEM;
	return 0;
}

static int write_batch(struct restore *r, struct rproc *p, const struct page_write *t, size_t n, u8 *buf)
{
	struct iovec local = { buf, 0 }, remote[BATCH];
	size_t nr = 0;
	ssize_t got;

	for (size_t i = 0; i < n; i++) {
		int ret;

		if (t[i].page->src.kind == M_PAGE_ZERO) {
			memset(buf + i * OHIB_PAGE_SIZE, 0, OHIB_PAGE_SIZE);
		} else {
			ret = r_read_page(r, &t[i].page->src, buf + i * OHIB_PAGE_SIZE);
			if (ret)
				return r_fail_pid(r, p->pid, ret, "page %#llx cannot be read from the image",
						  (unsigned long long)t[i].page->va);
		}
		if (t[i].force) {
			got = pwrite(p->mem_fd, buf + i * OHIB_PAGE_SIZE, OHIB_PAGE_SIZE,
				     (off_t)t[i].page->va);
			if (got != OHIB_PAGE_SIZE)
				return r_fail_pid(r, p->pid, got < 0 ? -errno : -EFAULT,
						  "page %#llx cannot be written",
						  (unsigned long long)t[i].page->va);
		}
	}
	/* The local buffer is one run: send it without the pages that are written already. */
	for (size_t i = 0, start; i < n;) {
		if (t[i].force) {
			i++;
			continue;
		}
		for (start = i, nr = 0; i < n && !t[i].force; i++)
			remote[nr++] = (struct iovec){ (void *)t[i].page->va, OHIB_PAGE_SIZE };
		local.iov_base = buf + start * OHIB_PAGE_SIZE;
		local.iov_len = nr * OHIB_PAGE_SIZE;
		got = process_vm_writev(p->pid, &local, 1, remote, nr, 0);
		if (got != (ssize_t)local.iov_len)
			return r_fail_pid(r, p->pid, got < 0 ? -errno : -EFAULT,
					  "pages from %#llx cannot be written",
					  (unsigned long long)t[start].page->va);
	}
	return 0;
}

static int write_all(struct restore *r, struct rproc *p, struct fill *f)
{
	_cleanup_free_ u8 *buf = malloc((size_t)BATCH * OHIB_PAGE_SIZE);
	bool allowed = false;
	int ret = 0;

	if (!buf)
		return r_fail_pid(r, p->pid, -ENOMEM, "no memory for page contents");
	qsort(f->writes.v, f->writes.n, sizeof(*f->writes.v), write_cmp);
	for (size_t i = 0, n; !ret && i < f->writes.n; i += n) {
		for (n = 1; i + n < f->writes.n && n < BATCH; n++)
			if (f->writes.v[i + n].huge != f->writes.v[i].huge)
				break;
		if (f->writes.v[i].huge && !allowed) {
			remote_syscall(r_leader(p), SYS_prctl, PR_SET_THP_DISABLE, 0);
			allowed = true;
		}
		ret = write_batch(r, p, &f->writes.v[i], n, buf);
	}
	return ret;
}

/* A rehearsal: the image has been read from end to end before, what is in swap has not. */
static int read_swapped(struct restore *r, struct rproc *p, struct fill *f)
{
	u8 buf[OHIB_PAGE_SIZE];
	struct page_write *t;
	int ret;

	r->pages_later += f->writes.n;
	for (size_t i = 0; i < f->writes.n; i++) {
		t = &f->writes.v[i];
		if (t->page->src.kind != M_PAGE_SWAP)
			continue;
		ret = r_read_page(r, &t->page->src, buf);
		if (ret)
			return r_fail_pid(r, p->pid, ret, "page %#llx cannot be read from swap",
					  (unsigned long long)t->page->va);
	}
	return 0;
}

int pages_room(struct restore *r)
{
	u64 pages = r->pages_later + r->init->m->mm->pages.n, have = restore_memory_free() / 1024;
	/* Page tables, and something for what is made of kernel objects behind the commit. */
	u64 need = (pages + pages / 256) * (OHIB_PAGE_SIZE / 1024) + SPARE_KB;

	return need > have ? r_fail(r, -ENOMEM, "%llu MB of memory are needed, %llu MB are available",
				    (unsigned long long)(need >> 10), (unsigned long long)(have >> 10)) : 0;
}

static int drop_pages(struct restore *r, struct rproc *p, struct fill *f)
{
	for (size_t i = 0, n; i < f->drop.n; i += n) {
		s64 ret;

		for (n = 1; i + n < f->drop.n; n++)
			if (f->drop.v[i + n] != f->drop.v[i] + n * OHIB_PAGE_SIZE)
				break;
		ret = remote_syscall(r_leader(p), SYS_madvise, f->drop.v[i], n * OHIB_PAGE_SIZE,
				     MADV_DONTNEED);
		if (ret < 0)
			return r_fail_pid(r, p->pid, (int)ret, "cannot drop page %#llx",
					  (unsigned long long)f->drop.v[i]);
	}
	return 0;
}

int pages_fill(struct restore *r, struct rproc *p, struct m_mm *from, const u64 *kept)
{
	struct m_mm *mm = p->m->mm;
	struct fill f = { 0 };
	char path[40];
	int ret = 0;

	if (p->mem_fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/mem", p->pid);
		p->mem_fd = open(path, O_RDWR | O_CLOEXEC);
		if (p->mem_fd < 0)
			return r_fail_pid(r, p->pid, -errno, "cannot open its memory");
	}
	for (size_t i = 0; !ret && i < mm->vmas.n; i++)
		if (space_is_private(&mm->vmas.v[i]))
			ret = gather_vma(&f, mm, &mm->vmas.v[i], from, kept[i]);
	if (ret)
		r_fail_pid(r, p->pid, ret, "no memory for the list of its pages");
	if (!ret)
		ret = drop_pages(r, p, &f);
	if (!ret && r->rehearsal)
		ret = read_swapped(r, p, &f);
	else if (!ret)
		ret = write_all(r, p, &f);
	vec_free(&f.writes);
	vec_free(&f.drop);
	return ret;
}
