// SPDX-License-Identifier: GPL-2.0-only
/* Layouts out of BTF: nested members, anonymous ones, arrays, bit fields, enumerators; what is not there; cut off data. */
#include <bpf/btf.h>
#include <errno.h>

#include "test.h"
#include "typedata/btf.h"
#include "typedata/symbols.h"

/*
 * struct inner { u32 a; u32 low : 3, high : 5; };
 * struct outer { u64 first; union { u32 number; struct inner in; }; struct inner many[4]; struct outer *next; };
 * enum { RED = -1, BLUE = 7 };
 */
static struct btf *make(void)
{
	struct btf *b = btf__new_empty();
	int u32_id, u64_id, inner, anon, array, outer, ptr;

	if (!b)
		return NULL;
	u32_id = btf__add_int(b, "u32", 4, 0);
	u64_id = btf__add_int(b, "u64", 8, 0);
	inner = btf__add_struct(b, "inner", 8);
	btf__add_field(b, "a", u32_id, 0, 0);
	btf__add_field(b, "low", u32_id, 32, 3);
	btf__add_field(b, "high", u32_id, 35, 5);
	anon = btf__add_union(b, NULL, 8);
	btf__add_field(b, "number", u32_id, 0, 0);
	btf__add_field(b, "in", inner, 0, 0);
	array = btf__add_array(b, u32_id, inner, 4);
	ptr = array + 2;
	outer = btf__add_struct(b, "outer", 56);
	btf__add_field(b, "first", u64_id, 0, 0);
	btf__add_field(b, NULL, anon, 64, 0);
	btf__add_field(b, "many", array, 128, 0);
	btf__add_field(b, "next", ptr, 384, 0);
	btf__add_ptr(b, outer);
	btf__add_enum(b, "colour", 4);
	btf__add_enum_value(b, "RED", -1);
	btf__add_enum_value(b, "BLUE", 7);
	return b;
}

static struct typedata *parse(struct btf *b)
{
	struct typedata *t = NULL;
	struct ohib_err e = {};
	const void *raw;
	u32 size;

	raw = btf__raw_data(b, &size);
	if (!raw || typedata_parse(raw, size, &t, &e))
		printf("typedata_parse: %s\n", e.msg);
	return t;
}

TEST(members)
{
	struct btf *b = make();
	struct typedata *t;
	struct member_loc loc;
	s64 value;
	u32 size;

	REQUIRE(b);
	t = parse(b);
	REQUIRE(t);
	CHECK_EQ(typedata_member(t, "outer", "first", &loc), 0);
	CHECK(loc.offset == 0 && loc.size == 8 && !loc.bit_size);
	/* through the union without a name */
	CHECK_EQ(typedata_member(t, "outer", "number", &loc), 0);
	CHECK(loc.offset == 8 && loc.size == 4);
	CHECK_EQ(typedata_member(t, "outer", "in.a", &loc), 0);
	CHECK(loc.offset == 8 && loc.size == 4);
	CHECK_EQ(typedata_member(t, "outer", "many[3].a", &loc), 0);
	CHECK(loc.offset == 16 + 3 * 8 && loc.size == 4);
	CHECK_EQ(typedata_member(t, "outer", "many", &loc), 0);
	CHECK(loc.offset == 16 && loc.size == 32);
	CHECK_EQ(typedata_member(t, "outer", "next", &loc), 0);
	CHECK(loc.offset == 48 && loc.size == 8);
	CHECK_EQ(typedata_member(t, "inner", "high", &loc), 0);
	CHECK_EQ(loc.offset * 8 + loc.bit_offset, 35);
	CHECK_EQ(loc.bit_size, 5);
	CHECK_EQ(typedata_size(t, "outer", &size), 0);
	CHECK_EQ(size, 56);
	CHECK_EQ(typedata_enum(t, "RED", &value), 0);
	CHECK_EQ(value, -1);
	CHECK_EQ(typedata_enum(t, "BLUE", &value), 0);
	CHECK_EQ(value, 7);
	typedata_free(t);
	btf__free(b);
}

TEST(absent)
{
	struct btf *b = make();
	struct typedata *t;
	struct member_loc loc;
	s64 value;
	u32 size;

	REQUIRE(b);
	t = parse(b);
	REQUIRE(t);
	CHECK_EQ(typedata_member(t, "outer", "second", &loc), -ENOENT);
	CHECK_EQ(typedata_member(t, "outer", "first.a", &loc), -ENOENT);
	CHECK_EQ(typedata_member(t, "outer", "in.b", &loc), -ENOENT);
	CHECK(typedata_member(t, "outer", "many[4].a", &loc) < 0);
	/* a pointer is not looked through */
	CHECK(typedata_member(t, "outer", "next.first", &loc) < 0);
	CHECK_EQ(typedata_member(t, "other", "first", &loc), -ENOENT);
	CHECK_EQ(typedata_size(t, "other", &size), -ENOENT);
	CHECK_EQ(typedata_enum(t, "GREEN", &value), -ENOENT);
	typedata_free(t);
	btf__free(b);
}

/* Every shorter piece is refused, or is itself whole; nothing is read behind it (the sanitizers look). */
TEST(truncated)
{
	struct btf *b = make();
	struct typedata *t;
	const void *raw;
	u32 size;

	REQUIRE(b);
	raw = btf__raw_data(b, &size);
	REQUIRE(raw);
	for (u32 n = 0; n < size; n++) {
		void *part = malloc(n ? n : 1);
		struct ohib_err e = {};

		REQUIRE(part);
		memcpy(part, raw, n);
		t = NULL;
		CHECK(typedata_parse(part, n, &t, &e) < 0);
		CHECK(e.code < 0);
		typedata_free(t);
		free(part);
	}
	btf__free(b);
}

TEST(symbol_table)
{
	static const char text[] = "ffffffff81000000 T _text\nffffffff81000010 t same\nffffffff81000020 D jiffies\n"
				   "ffffffffc0000000 t in_a_module\t[ext4]\n";
	struct symbols *s = NULL;
	struct ohib_err e = {};

	REQUIRE(!symbols_parse(text, strlen(text), &s, &e));
	CHECK_EQ(symbols_addr(s, "jiffies"), 0xffffffff81000020ull);
	CHECK_EQ(symbols_addr(s, "jiffie"), 0);
	CHECK_STR(symbols_name(s, 0xffffffff81000010ull), "same");
	CHECK(symbols_is(s, 0xffffffff81000000ull, "_text"));
	CHECK(!symbols_is(s, 0xffffffff81000000ull, "same"));
	symbols_free(s);
}

int main(void)
{
	static const struct test_case t[] = { TEST_CASE(members), TEST_CASE(absent), TEST_CASE(truncated),
					      TEST_CASE(symbol_table) };

	return TEST_MAIN(t);
}
