// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attached SysV segments. What a program has left of an attach (parts unmapped, parts with another
 * protection) are several mappings of one file: the whole segment is attached where nothing is to
 * be, and its parts moved from there.
 * Source: ipc/shm.c do_shmat, ksys_shmdt.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "engine.h"

/* An address at which neither the process nor the stub has anything; 0: none. */
static u64 free_range(struct restore *r, const struct m_mm *mm, u64 len)
{
	u64 at = r->stub + REMOTE_STUB_LEN;

	for (size_t i = 0; i < mm->vmas.n; i++) {
		const struct m_vma *v = &mm->vmas.v[i];

		if (v->start >= at + len)
			break;
		if (v->end > at)
			at = v->end;
	}
	return at + len <= USER_END ? at : 0;
}

static bool same_attach(const struct m_vma *a, const struct m_vma *b)
{
	return a == b || (b->kind == M_VMA_SHMEM && a->file && a->file == b->file);
}

static int protect(struct rtask *t, const struct m_vma *v, int has)
{
	return v->prot == has ? 0 : (int)remote_syscall(t, SYS_mprotect, v->start, v->end - v->start, v->prot);
}

int space_sysv(struct restore *r, struct rproc *p, const struct m_vma *v)
{
	u64 len = (v->shmem->size + OHIB_PAGE_SIZE - 1) & OHIB_PAGE_MASK, at;
	const struct m_mm *mm = p->m->mm;
	const struct m_vma *end = mm->vmas.v + mm->vmas.n, *w;
	int id, ret, has = PROT_READ | (v->maywrite ? PROT_WRITE : 0) | (v->prot & PROT_EXEC);
	struct rtask *t = r_leader(p);
	s64 va;

	for (w = mm->vmas.v; w < v; w++)
		if (same_attach(v, w))
			return 0; /* done with the first of them */
	ret = shmem_open(r, v->shmem, &id);
	if (ret)
		return ret;
	at = v->pgoff || v->end - v->start != len ? free_range(r, mm, len) : v->start;
	if (!at)
		return -ENOMEM;
	va = remote_syscall(t, SYS_shmat, id, at,
			    (v->maywrite ? 0 : SHM_RDONLY) | (has & PROT_EXEC ? SHM_EXEC : 0));
	if (va != (s64)at)
		return va < 0 ? (int)va : -EEXIST;
	if (at == v->start)
		return protect(t, v, has);
	for (w = v; !ret && w < end; w++) {
		u64 size = w->end - w->start;

		if (!same_attach(v, w))
			continue;
		if (w->pgoff + size > len)
			return -EINVAL;
		va = remote_syscall(t, SYS_mremap, at + w->pgoff, size, size,
				    MREMAP_MAYMOVE | MREMAP_FIXED, w->start);
		ret = va == (s64)w->start ? protect(t, w, has) : va < 0 ? (int)va : -EEXIST;
	}
	return ret ? ret : (int)remote_syscall(t, SYS_munmap, at, len);
}
