// SPDX-License-Identifier: GPL-2.0-only
/* A kernel's memory read through its page tables: small and huge pages, inverted entries, four and five levels. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "view/view_backend.h"

#define NR_PAGES 64u
#define KERNEL 0xffffffff80000000ull /* __START_KERNEL_map */
#define DIRECT 0xffff888000000000ull
#define VMEMMAP 0xffffea0000000000ull
#define VMALLOC 0xffffc90000000000ull
#define PRESENT 0x1ull
#define TABLE 0x67ull
#define HUGE (TABLE | 0x80)
#define PROTNONE 0x100ull
#define FRAMES 0x000ffffffffff000ull
#define USER_END 0x7ffffffff000ull

static u64 mem[NR_PAGES][512];

static int read_pfn(struct view *v, u64 pfn, void *page)
{
	(void)v;
	if (pfn >= NR_PAGES)
		return -ENODATA;
	memcpy(page, mem[pfn], OHIB_PAGE_SIZE);
	return 0;
}

static bool has_pfn(struct view *v, u64 pfn)
{
	(void)v;
	return pfn < NR_PAGES;
}

static void close_view(struct view *v)
{
	free(v);
}

static const struct view_ops ops = { .read_pfn = read_pfn, .has_pfn = has_pfn, .close = close_view };

/* Variables in frame 1, the kernel's top table in frame 2. */
static struct view *make(const char *vmcoreinfo)
{
	static const char kallsyms[] = "ffffffff80001000 D page_offset_base\nffffffff80001008 D vmemmap_base\n"
				       "ffffffff80002000 D init_top_pgt\n";
	struct view *v = calloc(1, sizeof(*v));
	struct symbols *syms = NULL;
	struct ohib_err e = {};
	int r;

	mem[1][0] = DIRECT;
	mem[1][1] = VMEMMAP;
	if (!v || symbols_parse(kallsyms, strlen(kallsyms), &syms, &e)) {
		free(v);
		return NULL;
	}
	v->ops = &ops;
	r = view_init(v, syms, vmcoreinfo, 64, &e);
	symbols_free(syms);
	if (r) {
		printf("view_init: %s\n", e.msg);
		view_close(v);
		return NULL;
	}
	return v;
}

static u64 index_of(u64 va, int level)
{
	return va >> (12 + 9 * level) & 511;
}

/* Tables from frame @at down to @level, one frame each; the entry that maps @va. */
static u64 *entry(u64 at, int top, int level, u64 va, u64 *next_free)
{
	for (int i = top; i > level; i--) {
		u64 *e = &mem[at][index_of(va, i)];

		if (!*e)
			*e = (*next_free)++ << 12 | TABLE;
		at = (*e & FRAMES) >> 12;
	}
	return &mem[at][index_of(va, level)];
}

struct seen {
	struct view_pte e[16];
	int n, stop_at;
};

static int collect(void *arg, const struct view_pte *e)
{
	struct seen *s = arg;

	if (s->n == s->stop_at)
		return -EINTR;
	if (s->n < 16)
		s->e[s->n++] = *e;
	return 0;
}

static void kernel_memory(const char *vmcoreinfo, int levels)
{
	u64 next = 8, base = VMALLOC;
	char buf[64];
	struct view *v;
	u64 word;

	memset(mem, 0, sizeof(mem));
	v = make(vmcoreinfo);
	REQUIRE(v);
	CHECK_EQ(v->levels, levels);
	/* two pages that are neighbours by address and not by frame, then none */
	*entry(2, levels - 1, 0, base, &next) = 40ull << 12 | TABLE;
	*entry(2, levels - 1, 0, base + 4096, &next) = 33ull << 12 | TABLE;
	memcpy((char *)mem[40] + 4090, "beginn", 6);
	strcpy((char *)mem[33], "ing");
	CHECK_EQ(view_read_str(v, base + 4090, buf, sizeof(buf)), 0);
	CHECK_STR(buf, "beginning");
	CHECK_EQ(view_read_str(v, base + 4090, buf, 9), -ENAMETOOLONG);
	CHECK_EQ(view_read(v, base + 8192, &word, 8), -EFAULT);
	CHECK_EQ(view_read(v, base + 8190, buf, 8), -EFAULT);
	/* a huge page: the frame is a part of it */
	*entry(2, levels - 1, 1, base + (4ull << 20), &next) = HUGE;
	mem[50][3] = 0x1234567890;
	view_forget(v);
	CHECK_EQ(view_read(v, base + (4ull << 20) + 50 * 4096 + 24, &word, 8), 0);
	CHECK_EQ(word, 0x1234567890);
	/* direct map, and what is not there */
	CHECK_EQ(view_read(v, DIRECT + 50 * 4096 + 24, &word, 8), 0);
	CHECK_EQ(word, 0x1234567890);
	CHECK_EQ(view_read(v, DIRECT + NR_PAGES * 4096, &word, 8), -ENODATA);
	CHECK_EQ(view_read(v, KERNEL + 4096 + 8, &word, 8), 0);
	CHECK_EQ(word, VMEMMAP);
	CHECK_EQ(view_pfn_to_page(v, 5), VMEMMAP + 5 * 64);
	CHECK_EQ(view_page_to_pfn(v, VMEMMAP + 5 * 64), 5);
	CHECK_EQ(view_direct_to_phys(v, VMALLOC), ~0ull);
	view_close(v);
}

TEST(kernel_four_levels)
{
	kernel_memory("NUMBER(phys_base)=0\nNUMBER(pgtable_l5_enabled)=0\n", 4);
}

TEST(kernel_five_levels)
{
	kernel_memory("NUMBER(phys_base)=0\nNUMBER(pgtable_l5_enabled)=1\n", 5);
}

static void user_memory(const char *vmcoreinfo, int levels)
{
	const u64 swap = 0x7ffffffffe000ull << 1, last = USER_END - 4096;
	struct seen s = { .stop_at = -1 };
	u64 next = 8, pgd = DIRECT + 6 * 4096;
	struct view *v;

	memset(mem, 0, sizeof(mem));
	v = make(vmcoreinfo);
	REQUIRE(v);
	*entry(6, levels - 1, 0, 0x400000, &next) = 77ull << 12 | TABLE;
	/* no access: kept from the CPU, with the frame's number inverted (arch/x86/include/asm/pgtable-invert.h) */
	*entry(6, levels - 1, 0, 0x401000, &next) = (~(78ull << 12) & FRAMES) | PROTNONE;
	*entry(6, levels - 1, 0, 0x403000, &next) = swap & ~(PRESENT | PROTNONE);
	*entry(6, levels - 1, 1, 0x600000, &next) = 512ull << 12 | HUGE;
	*entry(6, levels - 1, 2, 0x40000000, &next) = 262144ull << 12 | HUGE;
	*entry(6, levels - 1, 0, last, &next) = 79ull << 12 | TABLE;
	CHECK_EQ(view_user_walk(v, pgd, 0, USER_END, collect, &s), 0);
	REQUIRE(s.n == 6);
	CHECK(s.e[0].va == 0x400000 && s.e[0].present && s.e[0].pfn == 77 && s.e[0].nr_pages == 1);
	CHECK(s.e[1].va == 0x401000 && s.e[1].present && s.e[1].pfn == 78);
	CHECK(s.e[2].va == 0x403000 && !s.e[2].present && s.e[2].pte == (swap & ~(PRESENT | PROTNONE)));
	CHECK(s.e[3].va == 0x600000 && s.e[3].pfn == 512 && s.e[3].nr_pages == 512);
	CHECK(s.e[4].va == 0x40000000 && s.e[4].pfn == 262144 && s.e[4].nr_pages == 262144);
	CHECK(s.e[5].va == last && s.e[5].pfn == 79);
	/* a part: a huge page that reaches into it belongs to it */
	s = (struct seen){ .stop_at = -1 };
	CHECK_EQ(view_user_walk(v, pgd, 0x401000, 0x601000, collect, &s), 0);
	CHECK_EQ(s.n, 3);
	CHECK_EQ(s.e[0].va, 0x401000);
	CHECK_EQ(s.e[2].va, 0x600000);
	s = (struct seen){ .stop_at = -1 };
	CHECK_EQ(view_user_walk(v, pgd, 0x402000, 0x403000, collect, &s), 0);
	CHECK_EQ(s.n, 0);
	/* whoever looks may end it */
	s = (struct seen){ .stop_at = 2 };
	CHECK_EQ(view_user_walk(v, pgd, 0, USER_END, collect, &s), -EINTR);
	CHECK_EQ(s.n, 2);
	/* a table that is not in the image */
	*entry(6, levels - 1, 2, 0x80000000, &next) = (u64)NR_PAGES << 12 | TABLE;
	view_forget(v);
	s = (struct seen){ .stop_at = -1 };
	CHECK_EQ(view_user_walk(v, pgd, 0, USER_END, collect, &s), -ENODATA);
	/* one that is within itself */
	*entry(6, levels - 1, 2, 0x80000000, &next) = 6ull << 12 | TABLE;
	view_forget(v);
	s = (struct seen){ .stop_at = -1 };
	CHECK_EQ(view_user_walk(v, pgd, 0, USER_END, collect, &s), -ELOOP);
	CHECK_EQ(s.n, 5);
	view_close(v);
}

TEST(user_four_levels)
{
	user_memory("NUMBER(phys_base)=0\n", 4);
}

TEST(user_five_levels)
{
	user_memory("NUMBER(phys_base)=0\nNUMBER(pgtable_l5_enabled)=1\n", 5);
}

TEST(phys_base)
{
	struct view *v;
	u64 word;

	memset(mem, 0, sizeof(mem));
	/* the kernel's image two frames higher: frames 3 and 4 are what symbols call 1 and 2 */
	mem[3][0] = DIRECT;
	mem[3][1] = VMEMMAP;
	v = make("NUMBER(phys_base)=8192\n");
	REQUIRE(v);
	CHECK_EQ(view_image_to_pfn(v, KERNEL + 4096), 3);
	mem[9][0] = 42;
	CHECK_EQ(view_read(v, KERNEL + 7 * 4096, &word, 8), 0);
	CHECK_EQ(word, 42);
	view_close(v);
	CHECK(!make("OSRELEASE=6.1\n"));
}

int main(void)
{
	static const struct test_case t[] = { TEST_CASE(kernel_four_levels), TEST_CASE(kernel_five_levels),
					      TEST_CASE(user_four_levels), TEST_CASE(user_five_levels),
					      TEST_CASE(phys_base) };

	return TEST_MAIN(t);
}
