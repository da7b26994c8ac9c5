// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces: mappings, and where their private pages are.
 * Source: include/linux/{mm,mm_types,maple_tree}.h; arch/x86/include/asm/pgtable_64.h for swap entries.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "translate/xlate.h"

/* include/linux/mm.h; numbers have been the same from 5.10 on */
#define VM_READ 0x00000001ull
#define VM_WRITE 0x00000002ull
#define VM_EXEC 0x00000004ull
#define VM_SHARED 0x00000008ull
#define VM_MAYWRITE 0x00000020ull
#define VM_MAYSHARE 0x00000080ull
#define VM_GROWSDOWN 0x00000100ull
#define VM_UFFD 0x00001200ull
#define VM_PFNMAP 0x00000400ull
#define VM_LOCKED 0x00002000ull
#define VM_IO 0x00004000ull
#define VM_SEQ_READ 0x00008000ull
#define VM_RAND_READ 0x00010000ull
#define VM_DONTCOPY 0x00020000ull
#define VM_LOCKONFAULT 0x00080000ull
#define VM_ACCOUNT 0x00100000ull
#define VM_NORESERVE 0x00200000ull
#define VM_HUGETLB 0x00400000ull
#define VM_SYNC 0x00800000ull
#define VM_WIPEONFORK 0x02000000ull
#define VM_DONTDUMP 0x04000000ull
#define VM_HUGEPAGE 0x20000000ull
#define VM_NOHUGEPAGE 0x40000000ull
#define VM_MERGEABLE 0x80000000ull

/*
 * What the kernel may set of the lower 32 besides: all but the one hole. Of the upper 32 only protection
 * keys: mseal (bit 63), MAP_DROPPABLE (40), shadow stacks and minor faults of userfaultfd (37, 38) are unknown.
 */
#define VM_KNOWN 0xfffff7ffull
#define VM_PKEY 0xf00000000ull

#define PAGE_MAPPING_ANON 1ull
#define MAX_SWAP_FILES 23 /* MAX_SWAPFILES with all of the optional types taken off */

/* maple tree: include/linux/maple_tree.h */
enum { MAPLE_DENSE, MAPLE_LEAF_64, MAPLE_RANGE_64, MAPLE_ARANGE_64 };

struct vma_list {
	VEC(u64) vmas;
};

static void walk_maple(struct xlate *x, u64 entry, u64 max, unsigned int depth,
		       struct vma_list *out)
{
	unsigned int type = entry >> 3 & 0xf, i, nr;
	u64 node = entry & ~0xffull, pivots[16] = {}, slots[16] = {};
	enum field fp, fs;

	if (x_failed(x))
		return;
	if (depth > 16 || (type != MAPLE_LEAF_64 && type != MAPLE_RANGE_64 && type != MAPLE_ARANGE_64)) {
		ohib_err_pid(&x->err, x->pid, -EINVAL, "maple tree node %#llx has type %u",
			     (unsigned long long)entry, type);
		return;
	}
	fp = type == MAPLE_ARANGE_64 ? F_MA64_PIVOT : F_MR64_PIVOT;
	fs = type == MAPLE_ARANGE_64 ? F_MA64_SLOT : F_MR64_SLOT;
	x_bytes(x, node, fp, pivots, sizeof(pivots));
	x_bytes(x, node, fs, slots, sizeof(slots));
	nr = x->f->loc[fs].size / 8;
	if (nr > 16)
		nr = 16;
	for (i = 0; i < nr && !x_failed(x); i++) {
		/* a zero pivot behind the first ends the node, as does one that reaches its maximum */
		u64 last = i == nr - 1 || (i && !pivots[i]) ? max : pivots[i];

		if (slots[i]) {
			if (type == MAPLE_LEAF_64)
				x_push(x, &out->vmas, slots[i]);
			else
				walk_maple(x, slots[i], last, depth + 1, out);
		}
		if (last >= max)
			break;
	}
}

static void collect_vmas(struct xlate *x, u64 mm, struct vma_list *out)
{
	if (x_has(x, F_MM_MT)) {
		u64 root = x_u64(x, x_addr(x, mm, F_MM_MT), F_MT_ROOT);

		if ((root & 3) == 2 && root > 4096)
			walk_maple(x, root, ~0ull, 0, out);
		else if (root)
			x_push(x, &out->vmas, root);
	} else if (x_has(x, F_MM_MMAP) && x_has(x, F_VMA_NEXT)) {
		u64 vma, mark = 0;

		for (vma = x_u64(x, mm, F_MM_MMAP); vma && !x_failed(x);
		     vma = x_u64(x, vma, F_VMA_NEXT)) {
			if (x_again(out->vmas.n + 1, vma, &mark)) {
				ohib_err_pid(&x->err, x->pid, -ELOOP, "list of mappings has no end");
				return;
			}
			x_push(x, &out->vmas, vma);
		}
	} else {
		ohib_err_set(&x->err, -ENOENT, "mm_struct: neither mm_mt nor mmap");
	}
}

/* Kernel virtual address of the head page of a frame's (compound) page. */
static u64 head_page(struct xlate *x, u64 pfn)
{
	u64 page = view_pfn_to_page(x->v, pfn);
	u64 head = x_u64(x, page, F_PAGE_COMPOUND_HEAD);

	return head & 1 ? head - 1 : page;
}

/* @pte of a private page → its source. False: nothing to carry, refused, or failed. */
bool xlate_page_src(struct xlate *x, u64 pte, struct m_page_src *src)
{
	u64 type = pte >> 59, offset = ~pte << 5 >> 14;

	/* not present: __swp_type, __swp_offset */
	if (type >= MAX_SWAP_FILES) {
		x_refuse(x, "page table entry %#llx: a page under migration, poisoned or of a device",
			 (unsigned long long)pte);
		return false;
	}
	xlate_swap_page(x, type, offset, src);
	return !x_failed(x);
}

struct page_walk {
	struct xlate *x;
	struct m_mm *mm;
	struct m_vma *vma;
};

static int one_pte(void *arg, const struct view_pte *e)
{
	struct page_walk *w = arg;
	struct xlate *x = w->x;
	struct m_page page;
	u64 i;

	if (!e->present) {
		page.va = e->va;
		if (xlate_page_src(x, e->pte, &page.src))
			x_push(x, &w->mm->pages, page);
		return x->err.code;
	}
	/*
	 * Not anonymous: a page of a file's cache seen through a private mapping that has not changed
	 * it, or a page of zeros (which has no mapping at all).
	 */
	if (!(x_u64(x, head_page(x, e->pfn), F_PAGE_MAPPING) & PAGE_MAPPING_ANON))
		return x->err.code;
	for (i = 0; i < e->nr_pages && !x_failed(x); i++) {
		page.va = e->va + i * OHIB_PAGE_SIZE;
		if (page.va < w->vma->start || page.va >= w->vma->end)
			continue;
		page.src = (struct m_page_src){ .kind = M_PAGE_PFN, .where = e->pfn + i };
		x_push(x, &w->mm->pages, page);
	}
	return x->err.code;
}

static void collect_pages(struct xlate *x, u64 pgd, struct m_mm *mm, struct m_vma *vma)
{
	struct page_walk w = { x, mm, vma };
	int r;

	vma->first_page = mm->pages.n;
	r = view_user_walk(x->v, pgd, vma->start, vma->end, one_pte, &w);
	if (r)
		ohib_err_pid(&x->err, x->pid, r, "page table of %#llx-%#llx cannot be read: %s",
			     (unsigned long long)vma->start, (unsigned long long)vma->end,
			     strerror(-r));
	vma->nr_pages = mm->pages.n - vma->first_page;
}

static void vma_flags(struct xlate *x, u64 flags, struct m_vma *v)
{
	v->prot = (flags & VM_READ ? PROT_READ : 0) | (flags & VM_WRITE ? PROT_WRITE : 0) |
		  (flags & VM_EXEC ? PROT_EXEC : 0);
	/* a shared mapping of a read-only descriptor has MAYSHARE but not SHARED */
	v->flags = flags & (VM_SHARED | VM_MAYSHARE) ? MAP_SHARED : MAP_PRIVATE;
	v->flags |= (flags & VM_GROWSDOWN ? MAP_GROWSDOWN : 0) |
		    (flags & VM_NORESERVE ? MAP_NORESERVE : 0);
	v->maywrite = flags & VM_MAYWRITE;
	v->account = flags & VM_ACCOUNT;
	v->locked = flags & VM_LOCKED;
	v->lockonfault = flags & VM_LOCKONFAULT;
	v->dontfork = flags & VM_DONTCOPY;
	v->wipeonfork = flags & VM_WIPEONFORK;
	v->dontdump = flags & VM_DONTDUMP;
	v->hugepage = flags & VM_HUGEPAGE;
	v->nohugepage = flags & VM_NOHUGEPAGE;
	v->mergeable = flags & VM_MERGEABLE;
	v->seq_read = flags & VM_SEQ_READ;
	v->rand_read = flags & VM_RAND_READ;
	if (flags & VM_UFFD)
		x_refuse(x, "is watched by userfaultfd, which cannot be carried yet");
	if (flags & VM_HUGETLB)
		x_refuse(x, "uses hugetlbfs pages, which cannot be carried yet");
	if (flags & VM_SYNC)
		x_refuse(x, "is a DAX mapping (MAP_SYNC)");
	/* a key of mprotect(PROT_EXEC)'s own comes again with it; others are refused with the mm */
	if (flags & ~(VM_KNOWN | VM_PKEY))
		x_refuse(x, "has mapping flags %#llx, which are not known",
			 (unsigned long long)(flags & ~(VM_KNOWN | VM_PKEY)));
}

/* [vdso], [vvar]: vm_private_data is a vm_special_mapping with its name. */
static bool special_mapping(struct xlate *x, u64 vma, u64 flags, struct m_vma *v)
{
	u64 ops = x_u64(x, vma, F_VMA_OPS), priv = x_u64(x, vma, F_VMA_PRIVATE);
	char *name;

	if (!ops || !symbols_is(x->syms, ops, "special_mapping_vmops"))
		return false;
	name = x_str(x, x_u64(x, priv, F_SPECIAL_NAME), 32);
	if (!name)
		return true;
	if (!strcmp(name, "[vdso]")) {
		v->kind = M_VMA_VDSO;
	} else if (!strncmp(name, "[vvar", 5)) {
		v->kind = M_VMA_VVAR;
	} else {
		x_refuse(x, "is the special mapping %s, which cannot be carried yet", name);
	}
	(void)flags;
	return true;
}

static void xlate_vma(struct xlate *x, u64 kvma, u64 pgd, struct m_mm *mm)
{
	u64 flags = x_u64(x, kvma, F_VMA_FLAGS), file = x_u64(x, kvma, F_VMA_FILE);
	struct m_vma v = {
		.start = x_u64(x, kvma, F_VMA_START),
		.end = x_u64(x, kvma, F_VMA_END),
		.pgoff = x_u64(x, kvma, F_VMA_PGOFF) << OHIB_PAGE_SHIFT,
	};

	if (x_failed(x))
		return;
	if (v.start >= v.end || (v.start | v.end) & (OHIB_PAGE_SIZE - 1) || v.end > 1ull << 56 ||
	    (mm->vmas.n && v.start < mm->vmas.v[mm->vmas.n - 1].end)) {
		ohib_err_pid(&x->err, x->pid, -EINVAL, "mapping %#llx-%#llx makes no sense",
			     (unsigned long long)v.start, (unsigned long long)v.end);
		return;
	}
	x_object(x, "mapping %llx-%llx", (unsigned long long)v.start, (unsigned long long)v.end);
	vma_flags(x, flags, &v);
	if (x_has(x, F_VMA_POLICY) && !(file && flags & VM_SHARED) && x_u64(x, kvma, F_VMA_POLICY))
		x_refuse(x, "has a NUMA policy of its own (mbind), which cannot be carried yet");
	if (special_mapping(x, kvma, flags, &v)) {
		x_push(x, &mm->vmas, v);
		return;
	}
	if (flags & (VM_PFNMAP | VM_IO)) {
		x_refuse(x, "maps a device's memory, which cannot be carried yet");
		return;
	}
	if (file) {
		v.kind = M_VMA_FILE;
		v.file = xlate_file(x, file);
		x_object(x, "mapping %llx-%llx", (unsigned long long)v.start,
			 (unsigned long long)v.end);
		if (!v.file)
			return;
		if (v.file->kind == M_FILE_SHMEM) {
			v.kind = M_VMA_SHMEM;
			v.shmem = v.file->shmem;
		} else if (v.file->kind == M_FILE_CHRDEV && v.flags & MAP_PRIVATE &&
			   v.file->rdev == xlate_dev(1u << 20 | 5)) {
			v.kind = M_VMA_ANON; /* private /dev/zero: anonymous memory by another name */
			v.file = NULL;
		} else if (v.file->kind != M_FILE_REG) {
			x_refuse(x, "maps a file of a kind that cannot be carried yet");
			return;
		}
	} else if (v.flags & MAP_SHARED) {
		x_refuse(x, "is shared but has no file behind it");
		return;
	}
	if (!file && x_has(x, F_VMA_ANON_NAME)) {
		u64 name = x_u64(x, kvma, F_VMA_ANON_NAME);

		if (name) {
			char *s = x_str(x, x_addr(x, name, F_ANON_NAME_NAME), sizeof(v.anon_name));

			if (s)
				strncpy(v.anon_name, s, sizeof(v.anon_name) - 1);
		}
	}
	if (!x->no_pages && v.flags & MAP_PRIVATE && x_u64(x, kvma, F_VMA_ANON_VMA))
		collect_pages(x, pgd, mm, &v);
	x_push(x, &mm->vmas, v);
}

static void address_limits(struct xlate *x, u64 kmm, struct m_mm *mm)
{
	mm->start_code = x_u64(x, kmm, F_MM_START_CODE);
	mm->end_code = x_u64(x, kmm, F_MM_END_CODE);
	mm->start_data = x_u64(x, kmm, F_MM_START_DATA);
	mm->end_data = x_u64(x, kmm, F_MM_END_DATA);
	mm->start_brk = x_u64(x, kmm, F_MM_START_BRK);
	mm->brk = x_u64(x, kmm, F_MM_BRK);
	mm->start_stack = x_u64(x, kmm, F_MM_START_STACK);
	mm->arg_start = x_u64(x, kmm, F_MM_ARG_START);
	mm->arg_end = x_u64(x, kmm, F_MM_ARG_END);
	mm->env_start = x_u64(x, kmm, F_MM_ENV_START);
	mm->env_end = x_u64(x, kmm, F_MM_ENV_END);
	x_bytes(x, kmm, F_MM_AUXV, mm->auxv, sizeof(mm->auxv));
	mm->auxv_len = x->f->loc[F_MM_AUXV].size / 8;
	if (mm->auxv_len > ARRAY_SIZE(mm->auxv))
		mm->auxv_len = ARRAY_SIZE(mm->auxv);
}

/* PR_SET_MM_EXE_FILE takes nothing else: kernel/sys.c, prctl_set_mm_exe_file(). */
static void check_exe(struct xlate *x, const struct m_file *exe)
{
	if (!exe || !exe->path)
		return;
	x_object(x, "program %s", exe->path->path);
	if (!(exe->id.mode & 0111))
		x_refuse(x, "is not executable any more (chmod): restart the process");
	else if (exe->path->mnt && exe->path->mnt->flags & MS_NOEXEC)
		x_refuse(x, "is on a file system that is noexec now: restart the process");
}

struct m_mm *xlate_mm(struct xlate *x, u64 kmm)
{
	struct m_mm *mm = map_get(&x->mms, kmm);
	struct vma_list l = {};
	u64 pgd, flags;
	size_t i;

	if (mm || !kmm)
		return mm;
	mm = x_new(x, struct m_mm);
	if (!mm)
		return NULL;
	mm->kaddr = kmm;
	pgd = x_u64(x, kmm, F_MM_PGD);
	address_limits(x, kmm, mm);
	flags = x_u64(x, kmm, F_MM_FLAGS);
	mm->dumpable = flags & 3;			/* MMF_DUMPABLE_MASK */
	mm->thp_disabled = flags >> 24 & 1;		/* MMF_DISABLE_THP */
	xlate_mm_attrs(x, kmm, mm);
	flags = x_u64(x, kmm, F_MM_DEF_FLAGS);
	mm->def_flags_lock = (flags & VM_LOCKED ? MCL_FUTURE : 0) |
			     (flags & VM_LOCKONFAULT ? MCL_ONFAULT : 0);
	if (x_u64(x, kmm, F_MM_AIO))
		x_refuse(x, "uses Linux AIO (io_setup), which cannot be carried yet");
	if (x_u64(x, kmm, F_MM_LDT))
		x_refuse(x, "has a local descriptor table (modify_ldt)");
	x_object(x, "program");
	mm->exe = xlate_file(x, x_u64(x, kmm, F_MM_EXE_FILE));
	check_exe(x, mm->exe);
	collect_vmas(x, kmm, &l);
	for (i = 0; i < l.vmas.n && !x_failed(x); i++)
		xlate_vma(x, l.vmas.v[i], pgd, mm);
	if (!x->live && !x_failed(x) && l.vmas.n != x_u64(x, kmm, F_MM_MAP_COUNT))
		ohib_err_pid(&x->err, x->pid, -EINVAL, "%zu mappings found, the kernel counts %llu",
			     l.vmas.n, (unsigned long long)x_u64(x, kmm, F_MM_MAP_COUNT));
	vec_free(&l.vmas);
	if (map_put(&x->mms, kmm, mm))
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	x_push(x, &x->m->mms, mm);
	return mm;
}
