/* SPDX-License-Identifier: GPL-2.0-only */
/* Address spaces: mappings, and where the contents of their private pages are. */
#pragma once

#include "util/types.h"
#include "util/vec.h"

struct m_file;
struct m_shmem;

/* Where one page's content is. */
struct m_page_src {
	enum { M_PAGE_ZERO, M_PAGE_PFN, M_PAGE_SWAP } kind;
	u32 swap_type;	/* index of the image kernel's swap area, M_PAGE_SWAP */
	u64 where;	/* frame number, or page offset in the swap area */
};

static inline bool m_page_src_same(const struct m_page_src *a, const struct m_page_src *b)
{
	return a->kind == b->kind &&
	       (a->kind == M_PAGE_ZERO || a->where == b->where) &&
	       (a->kind != M_PAGE_SWAP || a->swap_type == b->swap_type);
}

/*
 * A private page of a mapping (anonymous, or a changed page of a private file mapping). Two pages
 * with the same source in two address spaces are shared copy-on-write and are to stay so.
 */
struct m_page {
	u64 va;
	struct m_page_src src;
};

enum m_vma_kind {
	M_VMA_ANON,		/* private anonymous: heap, stack, brk … */
	M_VMA_FILE,		/* private or shared mapping of an open-able file (@file) */
	M_VMA_SHMEM,		/* shared memory without a path: memfd, shared anonymous, SysV shm (@shmem) */
	M_VMA_VDSO,
	M_VMA_VVAR,		/* [vvar] and [vvar_vclock] */
	M_VMA_VSYSCALL,		/* gate, never listed in an mm */
};

struct m_vma {
	u64 start, end;
	enum m_vma_kind kind;
	int prot;		/* PROT_* */
	int flags;		/* MAP_SHARED or MAP_PRIVATE, MAP_GROWSDOWN, MAP_NORESERVE, MAP_LOCKED */
	bool account;		/* VM_ACCOUNT: charged as memory; stays when a mapping becomes read-only */
	bool locked;		/* mlock: VM_LOCKED */
	bool lockonfault;
	/* madvise state: MADV_* to be issued again */
	bool dontfork, wipeonfork, dontdump, hugepage, nohugepage, mergeable, seq_read, rand_read;
	u64 pgoff;		/* bytes into @file or @shmem */
	struct m_file *file;	/* M_VMA_FILE; f->flags' access mode is the one the mapping was made with */
	struct m_shmem *shmem;	/* M_VMA_SHMEM */
	bool maywrite;		/* VM_MAYWRITE: a shared map made from a writable descriptor */
	char anon_name[81];	/* PR_SET_VMA_ANON_NAME, or empty */
	/* Private pages in [start, end), rising va: pages[first_page .. first_page + nr_pages) of the mm */
	size_t first_page, nr_pages;
};

/* As linux/prctl.h has them from 6.3 and 6.6 on; headers may be older. */
#define M_MDWE_REFUSE_EXEC_GAIN 1
#define M_MDWE_NO_INHERIT 2

struct m_mm {
	u64 kaddr;
	u64 start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	u64 arg_start, arg_end, env_start, env_end;
	u64 auxv[64];
	u32 auxv_len;		/* in u64 */
	u32 dumpable;		/* SUID_DUMP_* */
	bool thp_disabled;	/* PR_SET_THP_DISABLE */
	u32 coredump_filter;	/* as /proc/PID/coredump_filter */
	u32 membarrier;		/* MEMBARRIER_CMD_REGISTER_* that were issued */
	u32 mdwe;		/* PR_SET_MDWE: M_MDWE_* */
	bool merge_any;		/* PR_SET_MEMORY_MERGE */
	u32 def_flags_lock;	/* mlockall(MCL_FUTURE[|MCL_ONFAULT]) flags in force; 0: none */
	struct m_file *exe;	/* /proc/PID/exe */
	VEC(struct m_vma) vmas;	/* rising */
	VEC(struct m_page) pages; /* rising va, private pages of all mappings */
	u32 nr_users;		/* processes that share it (CLONE_VM without CLONE_THREAD is refused) */
};

/* First page of @mm at or above @va. */
static inline size_t m_mm_page_at(const struct m_mm *mm, u64 va)
{
	size_t lo = 0, hi = mm->pages.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (mm->pages.v[mid].va < va)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/*
 * Memory with an identity of its own: memfd, /dev/zero or anonymous shared, SysV shm segment,
 * tmpfs file (then it belongs to an m_inode of its superblock).
 */
struct m_shmem {
	u64 kaddr;		/* inode of the image kernel */
	enum { M_SHMEM_ANON, M_SHMEM_MEMFD, M_SHMEM_SYSV, M_SHMEM_TMPFS } kind;
	char name[250];		/* memfd name without "memfd:"; SysV: empty */
	u64 size;		/* bytes */
	u32 mode, uid, gid;
	u32 seals;		/* F_SEAL_* */
	bool huge;		/* hugetlbfs: refused */
	VEC(struct m_page) pages; /* va = byte offset; holes are left out */
	void *restore;		/* restore's own */
};

/* SysV segment that a M_SHMEM_SYSV belongs to. */
struct m_sysv_shm {
	s32 key, id;
	u32 mode, uid, gid, cuid, cgid;
	bool dest;		/* SHM_DEST: to go with its last detach */
	bool locked;		/* SHM_LOCKED */
	s64 atime, dtime, ctime;
	pid_t cpid, lpid;
	struct m_shmem *shmem;
};
