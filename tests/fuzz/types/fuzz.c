// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: type data and symbols that nobody vouches for. The input is a kernel's BTF; kallsyms may follow it,
 * behind a byte 0xff. All of the field table is looked for in it, and some members that seeds have.
 */
#include <bpf/btf.h>
#include <stdlib.h>
#include <string.h>

#include "typedata/btf.h"
#include "typedata/fields.h"
#include "typedata/symbols.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void types(const u8 *data, size_t size)
{
	static const char *const paths[] = { "a", "a.b", "b.c.d", "bits", "list[3]", "list[3][2].a", "x.bits", "self.a" };
	static struct fields f;
	char missing[200];
	struct typedata *t;
	struct member_loc loc;
	s64 value;
	u32 n;

	if (typedata_parse(data, size, &t, NULL))
		return;
	fields_resolve(t, &f, missing, sizeof(missing), NULL);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (!typedata_member(t, "s", paths[i], &loc) && loc.bit_size && loc.bit_offset + loc.bit_size > 64)
			abort(); /* nobody could read it */
	typedata_size(t, "s", &n);
	typedata_enum(t, "E", &value);
	typedata_free(t);
}

static void symbols(const char *text, size_t len)
{
	struct symbols *s;
	u64 addr;

	if (symbols_parse(text, len, &s, NULL))
		return;
	addr = symbols_addr(s, "a");
	if (addr && !symbols_is(s, addr, "a"))
		abort();
	symbols_name(s, addr);
	symbols_name(s, ~0ull);
	symbols_free(s);
}

/* The header's lengths follow from the input's: made good, or hardly anything would be looked at. */
static size_t make_good(u8 *data, size_t size)
{
	struct btf_header h;

	if (size < sizeof(h))
		return size;
	memcpy(&h, data, sizeof(h));
	h.magic = BTF_MAGIC;
	h.version = 1;
	h.flags = 0;
	h.hdr_len = sizeof(h);
	h.type_off = 0;
	h.type_len = h.type_len % (u32)(size - sizeof(h) + 1) & ~3u;
	h.str_off = h.type_len;
	h.str_len = (u32)(size - sizeof(h)) - h.type_len;
	if (h.str_len) {
		data[sizeof(h) + h.str_off] = 0;
		data[size - 1] = 0;
	}
	memcpy(data, &h, sizeof(h));
	return size;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const u8 *split = memchr(data, 0xff, size);
	size_t len = split ? (size_t)(split - data) : size;
	u8 *copy = malloc(len + 1);

	if (!copy)
		return 0;
	memcpy(copy, data, len);
	types(copy, len);
	types(copy, make_good(copy, len));
	free(copy);
	if (split)
		symbols((const char *)split + 1, size - len - 1);
	return 0;
}
