// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which bytes of a view are read, and which symbols asked for. The linker leads the calls here (--wrap), a page's piece at
 * a time and without the view's cache: then the last frame that is read for a piece has it, and those before are page tables.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/fuzz/translate/reduce/reduce.h"
#include "util/map.h"
#include "view/view_backend.h"

int __real_view_read(struct view *v, u64 kva, void *buf, size_t len);
int __wrap_view_read(struct view *v, u64 kva, void *buf, size_t len);
int __real_view_read_str(struct view *v, u64 kva, char *buf, size_t size);
int __wrap_view_read_str(struct view *v, u64 kva, char *buf, size_t size);
u64 __real_symbols_addr(const struct symbols *s, const char *name);
u64 __wrap_symbols_addr(const struct symbols *s, const char *name);
const char *__real_symbols_name(const struct symbols *s, u64 addr);
const char *__wrap_symbols_name(const struct symbols *s, u64 addr);
bool __real_symbols_is(const struct symbols *s, u64 addr, const char *name);
bool __wrap_symbols_is(const struct symbols *s, u64 addr, const char *name);

static struct {
	struct view *real;
	struct map frames;	/* pfn + 1 → its bytes, or `present` */
	u64 *pfns;
	size_t nr, room;
	u64 piece[16];		/* frames read for the piece */
	unsigned int nr_piece;
	bool in_piece;
	struct map addrs;	/* of symbols */
} rec;
static u8 present[OHIB_PAGE_SIZE];

static void need(bool good)
{
	if (!good)
		abort();
}

static u8 *frame(u64 pfn, bool read)
{
	u8 *page = map_get(&rec.frames, pfn + 1);

	if (!page) {
		if (rec.nr == rec.room)
			need((rec.pfns = reallocarray(rec.pfns, rec.room = 2 * rec.room + 64, sizeof(u64))));
		rec.pfns[rec.nr++] = pfn;
	}
	if (!page || (page == present && read)) {
		need((page = read ? calloc(1, OHIB_PAGE_SIZE) : present));
		need(!map_put(&rec.frames, pfn + 1, page));
	}
	return page;
}

void record_frame(u64 pfn)
{
	frame(pfn, false);
}

static void bytes(u64 pfn, u64 offset, size_t len)
{
	u8 page[OHIB_PAGE_SIZE];

	need(!view_read_pfn(rec.real, pfn, page));
	memcpy(frame(pfn, true) + offset, page + offset, len);
}

static int read_pfn(struct view *v, u64 pfn, void *page)
{
	int r = view_read_pfn(rec.real, pfn, page);

	(void)v;
	if (r)
		return r;
	if (!rec.in_piece)
		bytes(pfn, 0, OHIB_PAGE_SIZE);
	else if (rec.nr_piece < ARRAY_SIZE(rec.piece))
		rec.piece[rec.nr_piece++] = pfn;
	return 0;
}

static bool has_pfn(struct view *v, u64 pfn)
{
	(void)v;
	if (!view_has_pfn(rec.real, pfn))
		return false;
	record_frame(pfn);
	return true;
}

static void close_recorder(struct view *v)
{
	view_close(rec.real);
	free(v);
}

static const struct view_ops ops = { .read_pfn = read_pfn, .has_pfn = has_pfn, .close = close_recorder };

struct view *record_start(struct view *real, struct symbols *syms, const char *vmcoreinfo, u32 sizeof_page)
{
	struct view *v = calloc(1, sizeof(*v));

	need(v);
	rec.real = real;
	v->ops = &ops;
	need(!view_init(v, syms, vmcoreinfo, sizeof_page, NULL));
	return v;
}

int __wrap_view_read(struct view *v, u64 kva, void *buf, size_t len)
{
	while (v->ops == &ops && len) {
		size_t offset = kva & (OHIB_PAGE_SIZE - 1), n = OHIB_PAGE_SIZE - offset;
		int r;

		n = n < len ? n : len;
		view_forget(v);
		rec.nr_piece = 0;
		rec.in_piece = true;
		r = __real_view_read(v, kva, buf, n);
		rec.in_piece = false;
		for (unsigned int i = 0; i < rec.nr_piece; i++)
			if (r || i + 1 < rec.nr_piece)
				bytes(rec.piece[i], 0, OHIB_PAGE_SIZE);
			else
				bytes(rec.piece[i], offset, n);
		if (r)
			return r;
		kva += n;
		buf = (u8 *)buf + n;
		len -= n;
	}
	return v->ops == &ops ? 0 : __real_view_read(v, kva, buf, len);
}

int __wrap_view_read_str(struct view *v, u64 kva, char *buf, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		int r = view_read(v, kva + i, buf + i, 1);

		if (r || !buf[i])
			return r;
	}
	return -ENAMETOOLONG;
}

static int cmp_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

int record_stop(struct recorded *out)
{
	qsort(rec.pfns, rec.nr, sizeof(u64), cmp_u64);
	out->pfns = rec.pfns;
	out->nr = rec.nr;
	out->pages = calloc(rec.nr + 1, sizeof(*out->pages));
	if (!out->pages)
		return -ENOMEM;
	for (size_t i = 0; i < rec.nr; i++) {
		u8 *page = map_get(&rec.frames, rec.pfns[i] + 1);

		out->pages[i] = page == present || !memcmp(page, present, OHIB_PAGE_SIZE) ? NULL : page;
	}
	return 0;
}

static void asked(u64 addr)
{
	if (addr)
		need(!map_put(&rec.addrs, addr, present));
}

u64 __wrap_symbols_addr(const struct symbols *s, const char *name)
{
	u64 addr = __real_symbols_addr(s, name);

	asked(addr);
	return addr;
}

const char *__wrap_symbols_name(const struct symbols *s, u64 addr)
{
	asked(addr);
	return __real_symbols_name(s, addr);
}

bool __wrap_symbols_is(const struct symbols *s, u64 addr, const char *name)
{
	asked(addr);
	return __real_symbols_is(s, addr, name);
}

static bool of_use(const char *line, size_t len)
{
	static const char *const ends[] = { "_fops", "_ops", "_operations", "_aops", "_proto" };

	if (map_get(&rec.addrs, strtoull(line, NULL, 16)))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (len > strlen(ends[i]) && !memcmp(line + len - strlen(ends[i]), ends[i], strlen(ends[i])))
			return true;
	return false;
}

int record_symbols(const char *text, size_t len, struct part *out)
{
	const char *end = text + len, *line, *next;

	out->len = 0;
	out->data = malloc(len + 1);
	if (!out->data)
		return -ENOMEM;
	for (line = text; line < end; line = next) {
		const char *nl = memchr(line, '\n', (size_t)(end - line));

		if (!nl)
			break;
		next = nl + 1;
		if (of_use(line, (size_t)(nl - line))) {
			memcpy((u8 *)out->data + out->len, line, (size_t)(next - line));
			out->len += (size_t)(next - line);
		}
	}
	return 0;
}
