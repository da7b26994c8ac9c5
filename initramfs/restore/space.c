// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mappings of an address space. What the creator left in a forked child stays where it is the
 * same mapping, so that its pages stay shared; everything else is unmapped and mapped again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "engine.h"

#define STUB_LOW 0x10000ull /* vm.mmap_min_addr */

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* End of the highest mapping of any address space that lies in [@at, @at + stub); 0: free. */
static u64 stub_clash(struct restore *r, u64 at)
{
	u64 end = 0;
	struct m_mm *mm;

	vec_foreach(mm, &r->m->mms)
		for (size_t i = 0; i < mm->vmas.n; i++) {
			struct m_vma *v = &mm->vmas.v[i];
			/* Stacks grow down: keep a good distance below them. */
			u64 start = v->flags & MAP_GROWSDOWN && v->start > (16ull << 20) ?
					    v->start - (16ull << 20) : v->start;

			if (start < at + REMOTE_STUB_LEN && v->end > at && v->end > end)
				end = v->end;
		}
	return end;
}

/* An address at which no process of the machine, nor PID 1's shell, has anything. */
u64 space_find_stub(struct restore *r)
{
	u64 at = STUB_LOW, end;

	while (at < USER_END - REMOTE_STUB_LEN && (end = stub_clash(r, at)))
		at = end;
	return at < USER_END - REMOTE_STUB_LEN ? at : 0;
}

static bool is_private(const struct m_vma *v)
{
	return v->kind == M_VMA_ANON ||
	       ((v->kind == M_VMA_FILE || v->kind == M_VMA_SHMEM) && !(v->flags & MAP_SHARED));
}

/* Shared and writable: needs its file system rw, so it is mapped after the commit. */
static bool is_late(const struct m_vma *v)
{
	return v->kind == M_VMA_FILE && v->flags & MAP_SHARED && v->maywrite;
}

/*
 * Whether what @v begins with can be had by cutting @f. Protection is set anew, and locks are not
 * inherited (kernel/fork.c, dup_mmap); the rest must be the same.
 */
static bool same_mapping(const struct m_vma *v, const struct m_vma *f)
{
	return v->kind == f->kind && v->flags == f->flags && v->shmem == f->shmem &&
	       (v->kind == M_VMA_ANON || v->pgoff - f->pgoff == v->start - f->start) &&
	       (v->file == f->file ||
		(v->file && f->file && v->file->inode_kaddr &&
		 v->file->inode_kaddr == f->file->inode_kaddr)) &&
	       v->maywrite == f->maywrite && v->dontfork == f->dontfork && !v->dontfork &&
	       v->wipeonfork == f->wipeonfork && !v->wipeonfork &&
	       v->hugepage == f->hugepage && v->nohugepage == f->nohugepage &&
	       v->mergeable == f->mergeable && v->dontdump == f->dontdump &&
	       v->seq_read == f->seq_read && v->rand_read == f->rand_read &&
	       v->account == f->account &&
	       !strcmp(v->anon_name, f->anon_name) &&
	       (v->kind == M_VMA_ANON || v->kind == M_VMA_FILE || v->kind == M_VMA_SHMEM);
}

/* The mapping of @mm that has address @va. */
static const struct m_vma *find_mapping(const struct m_mm *mm, u64 va)
{
	size_t lo = 0, hi = mm ? mm->vmas.n : 0;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (mm->vmas.v[mid].end <= va)
			lo = mid + 1;
		else
			hi = mid;
	}
	return mm && lo < mm->vmas.n && mm->vmas.v[lo].start <= va ? &mm->vmas.v[lo] : NULL;
}

/* One mapping is to stay one. It can be cut, and can grow at its end but not at its beginning. */
u64 space_kept(const struct m_vma *v, const struct m_mm *from)
{
	const struct m_vma *f = find_mapping(from, v->start);

	if (!f || !same_mapping(v, f) || is_late(v) ||
	    (v->kind == M_VMA_SHMEM && v->shmem->kind == M_SHMEM_SYSV) ||
	    (v->flags & MAP_GROWSDOWN && v->end != f->end))
		return 0;
	return v->end < f->end ? v->end : f->end;
}

static int unmap(struct restore *r, struct rtask *t, u64 start, u64 end)
{
	s64 ret = start < end ? remote_syscall(t, SYS_munmap, start, end - start) : 0;

	return ret < 0 ? r_fail_pid(r, t->tid, (int)ret, "cannot unmap %#llx-%#llx",
				    (unsigned long long)start, (unsigned long long)end) : 0;
}

/* Unmap all but the stub and what is kept (rising); @kept[i]: space_kept() of mm->vmas.v[i]. */
static int unmap_rest(struct restore *r, struct rtask *t, const struct m_mm *mm, const u64 *kept)
{
	u64 at = 0, stub_end = r->stub + REMOTE_STUB_LEN;
	bool stub_done = false;
	int ret = 0;

	for (size_t i = 0; i <= mm->vmas.n && !ret; i++) {
		bool last = i == mm->vmas.n;
		const struct m_vma *v = last ? NULL : &mm->vmas.v[i];

		if (!last && !kept[i])
			continue;
		if (!stub_done && (last || v->start > r->stub)) {
			ret = unmap(r, t, at, r->stub);
			at = stub_end;
			stub_done = true;
		}
		if (!ret)
			ret = unmap(r, t, at, last ? USER_END : v->start);
		if (!last)
			at = kept[i];
	}
	return ret;
}

static int map_flags(const struct m_vma *v)
{
	int flags = MAP_FIXED | (v->flags & MAP_SHARED ? MAP_SHARED : MAP_PRIVATE);

	return flags | (v->flags & (MAP_GROWSDOWN | MAP_NORESERVE));
}

/*
 * Charged, and not writable now: it once was. It is mapped writable, and loses that when its pages
 * are there (settle_prot): mappings with and without the charge do not merge, so /proc/PID/maps
 * tells them apart.
 */
static bool was_writable(const struct m_vma *v)
{
	return v->account && is_private(v) && !(v->prot & PROT_WRITE);
}

struct sent_fd {
	int src;	/* controller's, -1: none */
	s64 num;	/* target's */
};

static int drop_sent(struct rtask *t, struct sent_fd *s)
{
	s64 ret = s->src >= 0 ? remote_syscall(t, SYS_close, s->num) : 0;

	s->src = -1;
	return (int)ret;
}

static int map_one(struct restore *r, struct rproc *p, const struct m_vma *v, struct sent_fd *sent)
{
	struct rtask *t = r_leader(p);
	int flags = map_flags(v), fd = -1, ret;
	s64 va;

	if (v->kind == M_VMA_SHMEM && v->shmem->kind == M_SHMEM_SYSV) {
		ret = space_sysv(r, p, v);
		return ret ? r_fail_pid(r, p->pid, ret, "cannot attach SysV memory at %#llx",
					(unsigned long long)v->start) : 0;
	}
	if (v->kind == M_VMA_ANON) {
		flags |= MAP_ANONYMOUS;
	} else {
		if (v->kind == M_VMA_SHMEM)
			ret = shmem_map_fd(r, v->shmem, is_private(v) || v->maywrite ? O_RDWR : O_RDONLY, &fd);
		else
			ret = file_map_fd(r, v->file, is_late(v) ? O_RDWR : O_RDONLY, &fd);
		if (ret)
			return ret;
		if (sent->src != fd) {
			drop_sent(t, sent);
			sent->num = file_send(r, t, fd);
			if (sent->num < 0)
				return r_fail_pid(r, p->pid, (int)sent->num,
						  "cannot take the file of mapping %#llx",
						  (unsigned long long)v->start);
			sent->src = fd;
		}
	}
	va = remote_syscall(t, SYS_mmap, v->start, v->end - v->start,
			    v->prot | (was_writable(v) ? PROT_WRITE : 0), flags,
			    v->kind == M_VMA_ANON ? -1 : sent->num, v->pgoff);
	if (va != (s64)v->start)
		return r_fail_pid(r, p->pid, va < 0 ? (int)va : -EEXIST, "cannot map %#llx-%#llx%s%s",
				  (unsigned long long)v->start, (unsigned long long)v->end,
				  v->file && v->file->path ? " of " : "",
				  v->file && v->file->path ? v->file->path->path : "");
	return 0;
}

static int lock(struct restore *r, struct rproc *p, const struct m_vma *v)
{
	s64 ret = !v->locked ? 0 : remote_syscall(r_leader(p), SYS_mlock2, v->start, v->end - v->start,
						  v->lockonfault ? MLOCK_ONFAULT : 0);

	/* Locked it is: pages that cannot be touched (no access, behind a file's end) are not. */
	if (ret == -ENOMEM && (v->kind != M_VMA_ANON || !(v->prot & (PROT_READ | PROT_WRITE))))
		ret = 0;
	return ret < 0 ? r_fail_pid(r, p->pid, (int)ret, "cannot lock %#llx",
				    (unsigned long long)v->start) : 0;
}

/* What madvise, mlock and prctl said about a mapping. */
int space_map_flags(struct restore *r, struct rproc *p, struct m_vma *v)
{
	const struct {
		bool on;
		int advice;
	} advice[] = {
		{ v->dontfork, MADV_DONTFORK },	    { v->wipeonfork, MADV_WIPEONFORK },
		{ v->dontdump, MADV_DONTDUMP },	    { v->nohugepage, MADV_NOHUGEPAGE },
		{ v->mergeable, MADV_MERGEABLE },   { v->seq_read, MADV_SEQUENTIAL },
		{ v->rand_read, MADV_RANDOM },
	};
	struct rtask *t = r_leader(p);
	u64 len = v->end - v->start, name;
	s64 ret;

	for (size_t i = 0; i < ARRAY_SIZE(advice); i++) {
		ret = advice[i].on ? remote_syscall(t, SYS_madvise, v->start, len, advice[i].advice) : 0;
		/* A kernel without KSM or huge pages says EINVAL: nothing is lost but speed. */
		if (ret < 0 && ret != -EINVAL)
			return r_fail_pid(r, p->pid, (int)ret, "madvise(%d) of %#llx fails",
					  advice[i].advice, (unsigned long long)v->start);
	}
	ret = lock(r, p, v);
	if (ret)
		return (int)ret;
	if (v->anon_name[0]) {
		name = remote_put(t, 0, v->anon_name, strlen(v->anon_name) + 1);
		/* 5.17, CONFIG_ANON_VMA_NAME: a label only. */
		remote_syscall(t, SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, v->start, len, name);
	}
	return 0;
}

static int settle_prot(struct restore *r, struct rproc *p, const struct m_vma *v)
{
	struct rtask *t = r_leader(p);
	s64 ret = 0;

	/* What was never touched loses its charge with the right to write (6.12: mprotect_fixup). */
	if (was_writable(v) && v->kind == M_VMA_ANON && !v->nr_pages) {
		ret = remote_poke(t, v->start, "", 1);
		if (!ret)
			ret = remote_syscall(t, SYS_madvise, v->start, OHIB_PAGE_SIZE, MADV_DONTNEED);
	}
	if (!ret)
		ret = remote_syscall(t, SYS_mprotect, v->start, v->end - v->start, v->prot);
	return ret < 0 ? r_fail_pid(r, p->pid, (int)ret, "cannot set the protection of %#llx",
				    (unsigned long long)v->start) : 0;
}

/* Keep what the child got from its creator: cut, lengthened, and with its own protection. */
static int keep(struct restore *r, struct rproc *p, const struct m_mm *from, u64 *kept)
{
	struct rtask *t = r_leader(p);
	struct m_mm *mm = p->m->mm;
	s64 ret;

	for (size_t i = 0; i < mm->vmas.n; i++)
		kept[i] = space_kept(&mm->vmas.v[i], from);
	ret = unmap_rest(r, t, mm, kept);
	for (size_t i = 0; !ret && i < mm->vmas.n; i++) {
		struct m_vma *v = &mm->vmas.v[i];

		if (!kept[i])
			continue;
		if (kept[i] < v->end) {
			ret = remote_syscall(t, SYS_mremap, v->start, kept[i] - v->start,
					     v->end - v->start, 0);
			if (ret != (s64)v->start)
				return r_fail_pid(r, p->pid, ret < 0 ? (int)ret : -EEXIST,
						  "cannot grow mapping %#llx",
						  (unsigned long long)v->start);
		}
		ret = v->prot == find_mapping(from, v->start)->prot ? 0 : settle_prot(r, p, v);
	}
	return (int)ret;
}

int space_build(struct restore *r, struct rproc *p, struct m_mm *from)
{
	struct rtask *t = r_leader(p);
	struct m_mm *mm = p->m->mm;
	_cleanup_free_ u64 *kept = calloc(mm->vmas.n + 1, sizeof(*kept));
	struct sent_fd sent = { .src = -1 };
	int ret;

	if (!kept)
		return r_fail_pid(r, p->pid, -ENOMEM, "no memory for its mappings");
	/* A registered rseq area is written to at every return: it must not outlive its memory. */
	ret = attrs_drop_rseq(r, t);
	/* The whole of what will be mapped is decided: huge pages only where they were (see pages.c). */
	if (!ret)
		ret = (int)remote_syscall(t, SYS_prctl, PR_SET_THP_DISABLE, 1);
	if (!ret)
		ret = keep(r, p, from, kept);
	for (size_t i = 0; !ret && i < mm->vmas.n; i++) {
		struct m_vma *v = &mm->vmas.v[i];

		if (kept[i] || v->kind == M_VMA_VDSO || v->kind == M_VMA_VVAR || is_late(v))
			continue;
		ret = map_one(r, p, v, &sent);
		if (!ret && v->hugepage)
			remote_syscall(t, SYS_madvise, v->start, v->end - v->start, MADV_HUGEPAGE);
	}
	drop_sent(t, &sent);
	if (!ret)
		ret = pages_fill(r, p, from, kept);
	for (size_t i = 0; !ret && i < mm->vmas.n; i++)
		if (!kept[i] && was_writable(&mm->vmas.v[i]))
			ret = settle_prot(r, p, &mm->vmas.v[i]);
	if (!ret)
		ret = vdso_map(r, p);
	for (size_t i = 0; !ret && i < mm->vmas.n; i++) {
		struct m_vma *v = &mm->vmas.v[i];

		if (kept[i])
			ret = lock(r, p, v);
		else if (v->kind != M_VMA_VDSO && v->kind != M_VMA_VVAR && !is_late(v))
			ret = space_map_flags(r, p, v);
	}
	if (!ret)
		ret = mminfo_set(r, p);
	if (ret)
		r_fail_pid(r, p->pid, ret, "its memory cannot be made");
	return ret;
}

/* PID 1 gets its memory behind the commit: this much of it can be tried before. */
int space_files(struct restore *r, struct rproc *p)
{
	struct m_mm *mm = p->m->mm;
	int ret = 0, fd;

	for (size_t i = 0; mm && !ret && i < mm->vmas.n; i++)
		if (mm->vmas.v[i].kind == M_VMA_FILE && !is_late(&mm->vmas.v[i]))
			ret = file_map_fd(r, mm->vmas.v[i].file, O_RDONLY, &fd);
	if (!ret && mm && mm->exe)
		ret = file_map_fd(r, mm->exe, O_RDONLY, &fd);
	return ret;
}

int space_late(struct restore *r, struct rproc *p)
{
	struct sent_fd sent = { .src = -1 };
	struct m_mm *mm = p->m->mm;
	int ret = 0;

	for (size_t i = 0; mm && !ret && i < mm->vmas.n; i++) {
		if (!is_late(&mm->vmas.v[i]))
			continue;
		ret = map_one(r, p, &mm->vmas.v[i], &sent);
		if (!ret)
			ret = space_map_flags(r, p, &mm->vmas.v[i]);
	}
	drop_sent(r_leader(p), &sent);
	return ret;
}

bool space_is_private(const struct m_vma *v)
{
	return is_private(v);
}
