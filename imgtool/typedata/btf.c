// SPDX-License-Identifier: GPL-2.0-only
/* Layouts of one kernel's types out of its BTF (parsed by libbpf). */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "typedata/btf.h"

#define MAX_DEPTH 32

struct typedata {
	struct btf *btf;
	u32 *composites;	/* ids of named structs and unions, by name */
	size_t nr_composites;
	u32 *enums;		/* ids of all enums */
	size_t nr_enums;
};

static int silent(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level, (void)fmt, (void)ap;
	return 0;
}

/* "" for an offset that is past the names, which btf__new() does not look for. */
static const char *name_at(const struct typedata *t, u32 offset)
{
	const char *name = btf__name_by_offset(t->btf, offset);

	return name ? name : "";
}

static const char *type_name(const struct typedata *t, u32 id)
{
	return name_at(t, btf__type_by_id(t->btf, id)->name_off);
}

static int cmp_composite(const void *a, const void *b, void *arg)
{
	int r = strcmp(type_name(arg, *(const u32 *)a), type_name(arg, *(const u32 *)b));

	return r ? r : (*(const u32 *)a > *(const u32 *)b) - (*(const u32 *)a < *(const u32 *)b);
}

int typedata_parse(const void *data, size_t len, struct typedata **out, struct ohib_err *err)
{
	struct typedata *t = calloc(1, sizeof(*t));
	u32 id, n;
	int r;

	if (!t)
		return ohib_err_set(err, -ENOMEM, "type data (BTF): out of memory");
	libbpf_set_print(silent);
	t->btf = btf__new(data, len);
	if (!t->btf) {
		r = -errno;
		ohib_err_set(err, r, "type data (BTF) cannot be parsed: %s", strerror(-r));
		typedata_free(t);
		return r;
	}
	n = btf__type_cnt(t->btf);
	t->composites = calloc(n, sizeof(u32));
	t->enums = calloc(n, sizeof(u32));
	if (!t->composites || !t->enums) {
		typedata_free(t);
		return ohib_err_set(err, -ENOMEM, "type data (BTF): out of memory");
	}
	for (id = 1; id < n; id++) {
		const struct btf_type *bt = btf__type_by_id(t->btf, id);

		if (btf_is_composite(bt) && bt->name_off)
			t->composites[t->nr_composites++] = id;
		else if (btf_is_any_enum(bt))
			t->enums[t->nr_enums++] = id;
	}
	qsort_r(t->composites, t->nr_composites, sizeof(u32), cmp_composite, t);
	*out = t;
	return 0;
}

void typedata_free(struct typedata *t)
{
	if (!t)
		return;
	btf__free(t->btf);
	free(t->composites);
	free(t->enums);
	free(t);
}

/* Index of the first composite called @name; nr_composites when there is none. */
static size_t first_composite(const struct typedata *t, const char *name)
{
	size_t lo = 0, hi = t->nr_composites;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (strcmp(type_name(t, t->composites[mid]), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < t->nr_composites && strcmp(type_name(t, t->composites[lo]), name))
		return t->nr_composites;
	return lo;
}

static u32 skip_modifiers(const struct typedata *t, u32 id)
{
	unsigned int depth;

	for (depth = 0; depth < MAX_DEPTH; depth++) {
		const struct btf_type *bt = btf__type_by_id(t->btf, id);

		if (!bt || !(btf_is_mod(bt) || btf_is_typedef(bt)))
			return id;
		id = bt->type;
	}
	return 0;
}

/* Find member @name (of @len bytes) in @id or its anonymous members; adds its place to @loc. */
static int find_member(const struct typedata *t, u32 id, const char *name, size_t len,
		       unsigned int depth, struct member_loc *loc, u32 *member_type)
{
	const struct btf_type *bt = btf__type_by_id(t->btf, id);
	const struct btf_member *m;
	unsigned int i;

	if (!bt || !btf_is_composite(bt) || depth > MAX_DEPTH)
		return -ENOENT;
	m = btf_members(bt);
	for (i = 0; i < btf_vlen(bt); i++, m++) {
		const char *mname = name_at(t, m->name_off);
		u32 bits = btf_member_bit_offset(bt, i);
		u32 bsize = btf_member_bitfield_size(bt, i);

		if (*mname) {
			if (strncmp(mname, name, len) || mname[len])
				continue;
			*member_type = m->type;
			loc->bit_size = bsize;
			if (bsize) {
				u32 unit = btf__resolve_size(t->btf, m->type);

				if (!unit || unit > 8)
					return -ENOENT;
				loc->offset += bits / 8 / unit * unit;
				loc->bit_offset = bits - bits / 8 / unit * unit * 8;
				loc->size = unit;
				if (loc->bit_offset + bsize > unit * 8)
					return -ENOENT;
			} else {
				loc->offset += bits / 8;
			}
			return 0;
		} else {
			struct member_loc inner = *loc;

			inner.offset += bits / 8;
			if (!find_member(t, skip_modifiers(t, m->type), name, len, depth + 1, &inner,
					 member_type)) {
				*loc = inner;
				return 0;
			}
		}
	}
	return -ENOENT;
}

static int walk_path(const struct typedata *t, u32 id, const char *path, struct member_loc *loc)
{
	while (*path) {
		size_t len = strcspn(path, ".[");
		u32 mtype;
		int r;

		r = find_member(t, skip_modifiers(t, id), path, len, 0, loc, &mtype);
		if (r)
			return r;
		path += len;
		id = skip_modifiers(t, mtype);
		while (*path == '[') {
			const struct btf_type *bt = btf__type_by_id(t->btf, id);
			char *end;
			u64 i = strtoull(path + 1, &end, 10);
			s64 elem;

			if (!bt || !btf_is_array(bt) || *end != ']')
				return -ENOENT;
			id = skip_modifiers(t, btf_array(bt)->type);
			elem = btf__resolve_size(t->btf, id);
			if (elem < 0 || (i && i >= btf_array(bt)->nelems))
				return -ENOENT;
			loc->offset += i * elem;
			path = end + 1;
		}
		if (*path == '.')
			path++;
		if (!loc->bit_size) {
			s64 size = btf__resolve_size(t->btf, id);

			if (size < 0)
				return -ENOENT;
			loc->size = size;
		}
	}
	return 0;
}

/* Several types can have one name (a struct of a driver, say): the first that has the member. */
int typedata_member(const struct typedata *t, const char *type, const char *path,
		    struct member_loc *out)
{
	size_t i;

	for (i = first_composite(t, type);
	     i < t->nr_composites && !strcmp(type_name(t, t->composites[i]), type); i++) {
		struct member_loc loc = {};

		if (!walk_path(t, t->composites[i], path, &loc)) {
			*out = loc;
			return 0;
		}
	}
	return -ENOENT;
}

int typedata_size(const struct typedata *t, const char *type, u32 *size)
{
	size_t i = first_composite(t, type);
	s64 n;

	if (i == t->nr_composites)
		return -ENOENT;
	n = btf__resolve_size(t->btf, t->composites[i]);
	if (n <= 0)
		return -ENOENT;
	*size = n;
	return 0;
}

int typedata_enum(const struct typedata *t, const char *enumerator, s64 *value)
{
	size_t i, k;

	for (i = 0; i < t->nr_enums; i++) {
		const struct btf_type *bt = btf__type_by_id(t->btf, t->enums[i]);

		for (k = 0; k < btf_vlen(bt); k++) {
			u32 name;
			s64 v;

			if (btf_is_enum(bt)) {
				name = btf_enum(bt)[k].name_off;
				v = btf_enum(bt)[k].val;
			} else {
				name = btf_enum64(bt)[k].name_off;
				v = (s64)btf_enum64_value(&btf_enum64(bt)[k]);
			}
			if (!strcmp(name_at(t, name), enumerator)) {
				*value = v;
				return 0;
			}
		}
	}
	return -ENOENT;
}
