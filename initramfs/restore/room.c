// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is there memory for the machine? All of it has to be in RAM before the commit: until then swap holds the
 * only copy of what is in it, and is not the next kernel's to use.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "engine.h"
#include "util/cleanup.h"

#define OWN (8u << 20)		/* what this process needs in the course of it */
#define TABLES 256		/* page tables and lists: a part of what is mapped */

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* Private pages that are shared copy-on-write are one. ~0: no memory to find out. */
static u64 private_pages(const struct machine *m)
{
	VEC(u64) keys = { 0 };
	u64 nr = 0, last = 0;
	struct m_mm *mm;
	int r = 0;

	vec_foreach(mm, &m->mms)
		for (size_t i = 0; !r && i < mm->pages.n; i++) {
			const struct m_page_src *s = &mm->pages.v[i].src;

			if (s->kind == M_PAGE_PFN)
				r = vec_push(&keys, s->where << 8);
			else if (s->kind == M_PAGE_SWAP)
				r = vec_push(&keys, s->where << 8 | (s->swap_type & 0x7f) << 1 | 1);
		}
	if (keys.n)
		qsort(keys.v, keys.n, sizeof(*keys.v), by_value);
	for (size_t i = 0; i < keys.n; i++) {
		nr += !i || keys.v[i] != last;
		last = keys.v[i];
	}
	vec_free(&keys);
	return r ? ~0ull : nr;
}

u64 restore_memory_need(const struct machine *m)
{
	u64 pages = private_pages(m);
	struct m_shmem *s;

	if (pages == ~0ull)
		return pages;
	vec_foreach(s, &m->shmems)
		pages += s->pages.n;
	return (pages + pages / TABLES) * OHIB_PAGE_SIZE + OWN;
}

u64 restore_memory_free(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kb;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu", &kb) == 1)
			return kb * 1024;
	return ~0ull;
}

int room_check(struct restore *r)
{
	u64 need = restore_memory_need(r->m), have = restore_memory_free();

	if (need <= have)
		return 0;
	return r_fail(r, -ENOMEM, "the machine's memory is %llu MB, and this kernel has %llu MB for it",
		      (unsigned long long)(need >> 20), (unsigned long long)(have >> 20));
}

/* The kernel ends a process when it runs out of memory all the same. */
int room_check_alive(struct restore *r)
{
	struct rproc *p;
	struct rtask *t;

	vec_foreach(p, &r->procs) {
		if (!p->m || p->m->zombie)
			continue;
		vec_foreach(t, &p->tasks) {
			errno = 0;
			ptrace(PTRACE_PEEKUSER, t->tid, NULL, NULL);
			if (errno)
				return r_fail_pid(r, t->tid, -ESRCH, "has died while the machine was built; "
						  "did memory run out? The kernel's log tells");
		}
	}
	return 0;
}
