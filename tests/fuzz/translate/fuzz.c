// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the whole translator over a machine's memory that somebody has changed. The input chooses one of the
 * fixtures and is a list of patches of its pages; translation, the process list and a core file are to end, well or with an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tests/fuzz/translate/fixture.h"
#include "ghost/ghost.h"
#include "report/report.h"
#include "translate/translate.h"
#include "view/view_backend.h"

#define FIXTURES "tests/fuzz/translate/fixtures/"
#define PATCHES_MAX 64u

struct patch {
	u32 page;	/* of the pages that have something in them */
	u16 offset;	/* in it */
	u16 len;	/* 1, 2, 4 or 8 */
	u64 value;
} __attribute__((packed));

struct place {
	u32 page;
	u16 offset;
};

struct input {
	u8 fixture;	/* bit 0: which; bit 7: the first patch is of the field table instead */
	u8 how;		/* bit 7: pages too, which takes longest; the others: whose core */
} __attribute__((packed));
#define OF_FIELDS 0x80
#define WITH_PAGES 0x80

static struct kernel {
	const char *name;
	struct fixture f;
	struct kernel_data *k;
	u32 *pages;	/* positions in the fixture of those that have something in them */
	u32 nr_pages;
	struct place *places;	/* words that are not 0: what was read, since all else is */
	size_t nr_places;
	u64 direct;	/* page_offset_base */
} kernels[] = { { .name = FIXTURES "6.1.xz" }, { .name = FIXTURES "6.12.xz" } };

struct patched_view {
	struct view v;
	const struct kernel *kernel;
	const struct patch *patches;
	size_t nr;
};

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed);

static void find_places(struct kernel *k)
{
	size_t room = 0;

	for (u64 i = 0; i < k->f.nr; i++) {
		const u8 *page = k->f.pages[i];

		if (!page)
			continue;
		k->pages = reallocarray(k->pages, k->nr_pages + 1, sizeof(*k->pages));
		if (!k->pages)
			abort();
		k->pages[k->nr_pages] = (u32)i;
		for (u16 at = 0; at < OHIB_PAGE_SIZE; at += 8) {
			u64 word;

			memcpy(&word, page + at, sizeof(word));
			if (!word)
				continue;
			if (k->nr_places == room) {
				room = 2 * room + 1024;
				k->places = reallocarray(k->places, room, sizeof(*k->places));
				if (!k->places)
					abort();
			}
			k->places[k->nr_places++] = (struct place){ k->nr_pages, at };
		}
		k->nr_pages++;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct ohib_err err = { 0 };
	struct machine *m;

	(void)argc, (void)argv;
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		struct kernel *k = &kernels[i];

		if (fixture_open(k->name, &k->f, &err) || kernel_data_open_image(k->f.img, &k->k, &err) ||
		    machine_from_image(k->f.img, k->k, false, &m, &err)) {
			fprintf(stderr, "%s: %s\nmake it anew: tests/fuzz/translate/make\n", k->name, err.msg);
			exit(1);
		}
		machine_free(m);
		k->direct = k->k->view->page_offset;
		find_places(k);
	}
	return 0;
}

static int read_pfn(struct view *v, u64 pfn, void *page)
{
	const struct patched_view *p = (void *)v;
	s64 n = fixture_find(&p->kernel->f, pfn);

	if (n < 0)
		return -ENODATA;
	if (!p->kernel->f.pages[n]) {
		memset(page, 0, OHIB_PAGE_SIZE);
		return 0;
	}
	memcpy(page, p->kernel->f.pages[n], OHIB_PAGE_SIZE);
	for (size_t i = 0; i < p->nr; i++)
		if (p->kernel->pages[p->patches[i].page] == (u64)n)
			memcpy((u8 *)page + p->patches[i].offset, &p->patches[i].value, p->patches[i].len);
	return 0;
}

static bool has_pfn(struct view *v, u64 pfn)
{
	return fixture_find(&((struct patched_view *)v)->kernel->f, pfn) >= 0;
}

static void close_view(struct view *v)
{
	free(v);
}

static const struct view_ops ops = { .read_pfn = read_pfn, .has_pfn = has_pfn, .close = close_view };

/* Somewhere else, as long as it is a place that BTF could tell of. */
static void patch_field(struct kernel_data *k, const struct patch *p)
{
	struct member_loc *l = &k->fields.loc[p->page % NR_FIELDS];

	l->offset = (u32)(p->value >> 32);
	l->size = p->offset;
	l->bit_size = p->value & 1 ? 1 + p->value % 64 : 0;
	l->bit_offset = l->bit_size ? (p->value >> 8) % (65 - l->bit_size) : 0;
	k->fields.has[p->page % NR_FIELDS] = p->len != 1;
	k->fields.value[p->page % NR_ENUMS] = (s64)p->value;
}

static void translate(struct kernel *kernel, const struct patch *patches, size_t nr, const struct input *in)
{
	struct patched_view *p = calloc(1, sizeof(*p));
	struct kernel_data k = *kernel->k;
	struct machine *m;

	if (!p)
		abort();
	p->v.ops = &ops;
	p->kernel = kernel;
	p->patches = patches;
	p->nr = nr;
	k.view = &p->v;
	if (in->fixture & OF_FIELDS && nr)
		patch_field(&k, patches);
	if (!view_init(&p->v, k.syms, k.vmcoreinfo, k.fields.size[T_PAGE], NULL) &&
	    !machine_from_image(kernel->f.img, &k, !(in->how & WITH_PAGES), &m, NULL)) {
		json_object_put(report_processes(m));
		if (m->processes.n) {
			int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

			report_core(m, m->processes.v[(in->how & ~WITH_PAGES) % m->processes.n], fd, NULL);
			close(fd);
		}
		machine_free(m);
	}
	view_close(&p->v);
}

/* The header and the patches that make sense; how many. */
static size_t parse(const u8 *data, size_t size, struct input *in, struct patch *patches)
{
	size_t nr = 0;

	if (size < sizeof(*in))
		return 0;
	memcpy(in, data, sizeof(*in));
	for (size_t at = sizeof(*in); size - at >= sizeof(*patches) && nr < PATCHES_MAX; at += sizeof(*patches)) {
		struct patch *p = &patches[nr++];

		memcpy(p, data + at, sizeof(*p));
		p->page %= kernels[in->fixture & 1].nr_pages;
		p->offset %= OHIB_PAGE_SIZE;
		p->len = 1u << p->len % 4;
		if (p->len > OHIB_PAGE_SIZE - p->offset)
			p->len = 1;
	}
	return nr;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct patch patches[PATCHES_MAX];
	struct input in = { 0 };
	size_t nr = parse(data, size, &in, patches);

	translate(&kernels[in.fixture & 1], patches, nr, &in);
	return 0;
}

static u64 word_at(const struct kernel *k, struct place at)
{
	u64 word;

	memcpy(&word, k->f.pages[k->pages[at.page]] + at.offset, sizeof(word));
	return word;
}

static struct place any_place(const struct kernel *k, unsigned int *seed)
{
	/* a page first, so that page tables are no more than what they are among the pages */
	size_t at = ((u64)rand_r(seed) << 20 ^ (u64)rand_r(seed)) % k->nr_places;

	return k->places[at];
}

/* A value that could lead somewhere: another word of this memory, this place itself, a number at the edge of something. */
static u64 tempting(const struct kernel *k, struct place at, unsigned int *seed)
{
	u64 was = word_at(k, at), here = k->direct + (k->f.pfns[k->pages[at.page]] << OHIB_PAGE_SHIFT) + at.offset;
	static const u64 edges[] = { 0, 1, 2, 7, 8, 255, 256, 4095, 4096, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
				     1ull << 32, 1ull << 47, 1ull << 62, ~0ull >> 1, 1ull << 63, ~0ull };

	switch (rand_r(seed) % 8) {
	case 0:
	case 1:
		return word_at(k, any_place(k, seed));
	case 2:
		return here;
	case 3:
		return here - 8 * (u64)(rand_r(seed) % 64);
	case 4:
		return was + (u64)(rand_r(seed) % 64) * 8 - 256;
	case 5:
		return was ^ 1ull << rand_r(seed) % 64;
	case 6:
		return edges[rand_r(seed) % ARRAY_SIZE(edges)];
	default:
		return (u64)rand_r(seed) << 32 ^ (u64)rand_r(seed) << 8 ^ (u64)rand_r(seed);
	}
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed)
{
	struct input in = { 0 };
	struct kernel *k;
	struct patch p = { 0 };
	struct place at;
	size_t nr = size < sizeof(in) ? 0 : (size - sizeof(in)) / sizeof(p), which;

	if (max < sizeof(in) + sizeof(p) || rand_r(&seed) % 16 == 0)
		return LLVMFuzzerMutate(data, size, max);
	if (size >= sizeof(in))
		memcpy(&in, data, sizeof(in));
	if (!nr)
		in.fixture = rand_r(&seed) % 2 | (rand_r(&seed) % 16 ? 0 : OF_FIELDS);
	if (rand_r(&seed) % 8 == 0)
		in.how = (u8)rand_r(&seed) & (rand_r(&seed) % 8 ? 0x7f : 0xff);
	memcpy(data, &in, sizeof(in));
	k = &kernels[in.fixture & 1];
	at = any_place(k, &seed);
	p.page = at.page;
	p.offset = at.offset;
	/* beside it what is zero may have been read too */
	if (rand_r(&seed) % 4 == 0 && at.offset >= 32 && at.offset < OHIB_PAGE_SIZE - 40)
		p.offset += (u16)(rand_r(&seed) % 64) - 32;
	p.len = rand_r(&seed) % 4 ? 3 : (u16)(rand_r(&seed) % 4);
	p.value = tempting(k, at, &seed);
	which = nr ? (size_t)rand_r(&seed) % nr : 0;
	if (nr && rand_r(&seed) % 4 == 0)
		memmove(data + sizeof(in) + which * sizeof(p), data + sizeof(in) + (which + 1) * sizeof(p),
			(--nr - which) * sizeof(p));
	else if (nr && rand_r(&seed) % 3 == 0)
		memcpy(data + sizeof(in) + which * sizeof(p), &p, sizeof(p));
	else if (nr < PATCHES_MAX && sizeof(in) + (nr + 1) * sizeof(p) <= max)
		memcpy(data + sizeof(in) + nr++ * sizeof(p), &p, sizeof(p));
	return sizeof(in) + nr * sizeof(p);
}
