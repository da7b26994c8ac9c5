// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel's memory as data: address translation (x86-64, 4 and 5 levels), common to both backends.
 * Source: arch/x86/include/asm/{page_64,pgtable_64_types}.h, Documentation/arch/x86/x86_64/mm.rst.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/map.h"
#include "view/view_backend.h"

#define START_KERNEL_MAP 0xffffffff80000000ull
#define MODULES_VADDR_MAX_IMAGE 0xffffffffc0000000ull /* the kernel image's own window ends here */

#define PTE_PRESENT 0x001ull
#define PTE_HUGE 0x080ull
#define PTE_PROTNONE 0x100ull
#define PTE_PFN_MASK 0x000ffffffffff000ull

#define DIRECT_MAP_MAX (1ull << 46) /* 64 TiB, what 4 levels can map; enough for any machine here */

int view_read_pfn(struct view *v, u64 pfn, void *page)
{
	return v->ops->read_pfn(v, pfn, page);
}

bool view_has_pfn(struct view *v, u64 pfn)
{
	return v->ops->has_pfn(v, pfn);
}

bool view_is_live(const struct view *v)
{
	return v->ops->live;
}

void view_forget(struct view *v)
{
	size_t i;

	for (i = 0; i < VIEW_CACHE; i++)
		v->cache[i].pfn = ~0ull;
}

/* Page cache: direct-mapped by frame number, so that reading fields one by one is cheap. */
static int cached_page(struct view *v, u64 pfn, const u8 **page)
{
	struct view_cache *c = &v->cache[pfn % VIEW_CACHE];
	int r;

	if (c->pfn != pfn) {
		c->pfn = ~0ull;
		r = v->ops->read_pfn(v, pfn, c->data);
		if (r)
			return r;
		c->pfn = pfn;
	}
	*page = c->data;
	return 0;
}

/* An entry of a table: aligned, whatever address the table is said to have. */
static int read_phys_u64(struct view *v, u64 pa, u64 *out)
{
	const u8 *page;
	int r = cached_page(v, pa >> OHIB_PAGE_SHIFT, &page);

	if (r)
		return r;
	pa &= ~7ull;
	memcpy(out, page + (pa & (OHIB_PAGE_SIZE - 1)), sizeof(*out));
	return 0;
}

/* Walk the kernel's own page table. @pa: physical address of @kva; @left: bytes mapped behind it. */
static int walk_kernel(struct view *v, u64 kva, u64 *pa, u64 *left)
{
	u64 table = v->top_pgt_phys, e;
	int level, r;

	for (level = v->levels - 1; level >= 0; level--) {
		unsigned int shift = 12 + 9 * level;
		u64 size = 1ull << shift;

		r = read_phys_u64(v, table + ((kva >> shift) & 511) * 8, &e);
		if (r)
			return r;
		if (!(e & PTE_PRESENT))
			return -EFAULT;
		if (level == 0 || (level <= 2 && (e & PTE_HUGE))) {
			*pa = (e & PTE_PFN_MASK & ~(size - 1)) | (kva & (size - 1));
			*left = size - (kva & (size - 1));
			return 0;
		}
		table = e & PTE_PFN_MASK;
	}
	return -EFAULT;
}

u64 view_direct_to_phys(struct view *v, u64 kva)
{
	if (kva < v->page_offset || kva - v->page_offset >= DIRECT_MAP_MAX)
		return ~0ull;
	return kva - v->page_offset;
}

u64 view_image_to_pfn(struct view *v, u64 kva)
{
	return (kva - START_KERNEL_MAP + v->phys_base) >> OHIB_PAGE_SHIFT;
}

static int kva_to_phys(struct view *v, u64 kva, u64 *pa, u64 *left)
{
	if (v->page_offset) {
		u64 p = view_direct_to_phys(v, kva);

		if (p != ~0ull) {
			*pa = p;
			*left = OHIB_PAGE_SIZE - (kva & (OHIB_PAGE_SIZE - 1));
			return 0;
		}
	}
	if (kva >= START_KERNEL_MAP && kva < MODULES_VADDR_MAX_IMAGE) {
		*pa = kva - START_KERNEL_MAP + v->phys_base;
		*left = OHIB_PAGE_SIZE - (kva & (OHIB_PAGE_SIZE - 1));
		return 0;
	}
	if (kva >> 47 != 0x1ffff && v->levels == 4)
		return -EFAULT;
	return walk_kernel(v, kva, pa, left);
}

int view_read(struct view *v, u64 kva, void *buf, size_t len)
{
	while (len) {
		size_t in_page = OHIB_PAGE_SIZE - (kva & (OHIB_PAGE_SIZE - 1));
		size_t n = len < in_page ? len : in_page;
		const u8 *page;
		u64 pa, left;
		int r;

		r = kva_to_phys(v, kva, &pa, &left);
		if (r)
			return r;
		r = cached_page(v, pa >> OHIB_PAGE_SHIFT, &page);
		if (r)
			return r;
		memcpy(buf, page + (pa & (OHIB_PAGE_SIZE - 1)), n);
		buf = (u8 *)buf + n;
		kva += n;
		len -= n;
	}
	return 0;
}

int view_read_str(struct view *v, u64 kva, char *buf, size_t size)
{
	size_t i = 0;
	int r;

	while (i < size) {
		size_t in_page = OHIB_PAGE_SIZE - ((kva + i) & (OHIB_PAGE_SIZE - 1));
		size_t n = size - i < in_page ? size - i : in_page;
		char *nul;

		r = view_read(v, kva + i, buf + i, n);
		if (r)
			return r;
		nul = memchr(buf + i, '\0', n);
		if (nul)
			return 0;
		i += n;
	}
	return -ENAMETOOLONG;
}

u64 view_pfn_to_page(struct view *v, u64 pfn)
{
	return v->vmemmap + pfn * v->sizeof_page;
}

u64 view_page_to_pfn(struct view *v, u64 page_kva)
{
	return (page_kva - v->vmemmap) / v->sizeof_page;
}

/*
 * Entries that are not present to the CPU hold their frame number inverted (L1 terminal fault):
 * arch/x86/include/asm/pgtable-invert.h.
 */
static u64 pte_bits(u64 e)
{
	return e && !(e & PTE_PRESENT) ? e ^ PTE_PFN_MASK : e;
}

struct user_walk {
	struct view *v;
	u64 start, end;
	int (*fn)(void *arg, const struct view_pte *e);
	void *arg;
	struct map seen;	/* frames of tables: one that comes again would never end */
};

static int walk_user_table(struct user_walk *w, u64 table_phys, int level, u64 base)
{
	unsigned int shift = 12 + 9 * level;
	u64 table[512];
	const u8 *page;
	unsigned int i;
	int r;

	if (map_get(&w->seen, (table_phys >> OHIB_PAGE_SHIFT) + 1))
		return -ELOOP;
	r = map_put(&w->seen, (table_phys >> OHIB_PAGE_SHIFT) + 1, w);
	if (!r)
		r = cached_page(w->v, table_phys >> OHIB_PAGE_SHIFT, &page);
	if (r)
		return r;
	memcpy(table, page, sizeof(table));
	for (i = 0; i < 512; i++) {
		u64 va = base + ((u64)i << shift);
		u64 e = table[i];
		bool present = e & (PTE_PRESENT | PTE_PROTNONE);

		if (!e || va + (1ull << shift) <= w->start)
			continue;
		if (va >= w->end)
			break;
		if (level == 0 || (level <= 2 && (e & PTE_HUGE)) || !(e & PTE_PRESENT)) {
			struct view_pte pte = {
				.va = va,
				.pte = e,
				.nr_pages = 1ull << (9 * level),
				.present = present,
				.pfn = (pte_bits(e) & PTE_PFN_MASK & ~((1ull << shift) - 1)) >> 12,
			};

			r = w->fn(w->arg, &pte);
		} else {
			r = walk_user_table(w, e & PTE_PFN_MASK, level - 1, va);
		}
		if (r)
			return r;
	}
	return 0;
}

int view_user_walk(struct view *v, u64 pgd, u64 start, u64 end,
		   int (*fn)(void *arg, const struct view_pte *e), void *arg)
{
	struct user_walk w = { v, start, end, fn, arg, { 0 } };
	u64 pa, left;
	int r;

	r = kva_to_phys(v, pgd, &pa, &left);
	if (!r)
		r = walk_user_table(&w, pa, v->levels - 1, 0);
	map_free(&w.seen);
	return r;
}

/* "NUMBER(phys_base)=123" and the like out of the VMCOREINFO text. */
static bool vmcoreinfo_number(const char *text, const char *key, s64 *value)
{
	const char *p = strstr(text, key);

	if (!p)
		return false;
	*value = strtoll(p + strlen(key), NULL, 0);
	return true;
}

int view_init(struct view *v, const struct symbols *syms, const char *vmcoreinfo, u32 sizeof_page,
	      struct ohib_err *err)
{
	static const char *const bases[] = { "page_offset_base", "vmemmap_base" };
	u64 *const base_vals[] = { &v->page_offset, &v->vmemmap };
	u64 top = symbols_addr(syms, "init_top_pgt");
	size_t i;
	s64 n;
	int r;

	v->cache = calloc(VIEW_CACHE, sizeof(*v->cache));
	if (!v->cache)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	view_forget(v);
	v->sizeof_page = sizeof_page;
	if (!vmcoreinfo_number(vmcoreinfo, "NUMBER(phys_base)=", &n))
		return ohib_err_set(err, -ENODATA, "VMCOREINFO has no NUMBER(phys_base)");
	v->phys_base = n;
	v->levels = vmcoreinfo_number(vmcoreinfo, "NUMBER(pgtable_l5_enabled)=", &n) && n ? 5 : 4;
	if (!top)
		return ohib_err_set(err, -ENOENT, "kallsyms has no init_top_pgt");
	v->top_pgt_phys = top - START_KERNEL_MAP + v->phys_base;
	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		u64 addr = symbols_addr(syms, bases[i]), val;

		if (!addr)
			return ohib_err_set(err, -ENOENT, "kallsyms has no %s", bases[i]);
		r = view_read(v, addr, &val, sizeof(val));
		if (r)
			return ohib_err_set(err, r, "%s cannot be read: %s", bases[i], strerror(-r));
		*base_vals[i] = val;
	}
	return 0;
}

void view_close(struct view *v)
{
	if (!v)
		return;
	free(v->cache);
	v->ops->close(v);
}
