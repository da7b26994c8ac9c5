// SPDX-License-Identifier: GPL-2.0-only
/* A kernel's BTF without the types that the field table does not need. */
#include <bpf/btf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/fuzz/translate/reduce/reduce.h"
#include "typedata/fields.h"

#define FIELD(id, type, path)
#define FIELD_OPT(id, type, path)
#define TYPE(id, type) type,
#define ENUM(id, enumerator)
#define ENUM_OPT(id, enumerator)
static const char *const types[] = {
#include "typedata/fields.def"
};
#undef TYPE
#undef ENUM
#undef ENUM_OPT

#define TYPE(id, type)
#define ENUM(id, enumerator) enumerator,
#define ENUM_OPT(id, enumerator) enumerator,
static const char *const enumerators[] = {
#include "typedata/fields.def"
};

static bool wanted(const struct btf *btf, const struct btf_type *t)
{
	const char *name = btf__name_by_offset(btf, t->name_off);

	if (btf_is_composite(t)) {
		for (size_t i = 0; i < NR_FIELDS; i++)
			if (!strcmp(field_rows[i].type, name))
				return true;
		for (size_t i = 0; i < ARRAY_SIZE(types); i++)
			if (!strcmp(types[i], name))
				return true;
	}
	if (btf_is_any_enum(t))
		for (u32 k = 0; k < btf_vlen(t); k++) {
			name = btf__name_by_offset(btf, btf_is_enum(t) ? btf_enum(t)[k].name_off :
									 btf_enum64(t)[k].name_off);
			for (size_t i = 0; i < ARRAY_SIZE(enumerators); i++)
				if (!strcmp(enumerators[i], name))
					return true;
		}
	return false;
}

/* Marks @id and all that is embedded in it. */
static void keep(const struct btf *btf, u32 id, u32 *ids)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	if (!id || ids[id])
		return;
	ids[id] = 1;
	if (btf_is_composite(t))
		for (u32 i = 0; i < btf_vlen(t); i++)
			keep(btf, btf_members(t)[i].type, ids);
	else if (btf_is_array(t)) {
		keep(btf, btf_array(t)->type, ids);
		keep(btf, btf_array(t)->index_type, ids);
	} else if (btf_is_mod(t) || btf_is_typedef(t)) {
		keep(btf, t->type, ids);
	}
}

static void renumber(struct btf_type *t, const u32 *ids)
{
	if (btf_is_composite(t)) {
		for (u32 i = 0; i < btf_vlen(t); i++)
			btf_members(t)[i].type = ids[btf_members(t)[i].type];
	} else if (btf_is_array(t)) {
		btf_array(t)->type = ids[btf_array(t)->type];
		btf_array(t)->index_type = ids[btf_array(t)->index_type];
	} else if (btf_is_ptr(t)) {
		t->type = 0;
	} else if (btf_is_mod(t) || btf_is_typedef(t)) {
		t->type = ids[t->type];
	}
}

int reduce_btf(const void *data, size_t len, struct part *out)
{
	struct btf *btf = btf__new(data, len), *less = btf__new_empty();
	u32 n = btf ? btf__type_cnt(btf) : 0, *ids = calloc(n + 1, sizeof(u32)), size;
	const void *raw;
	int r = -EBADMSG;

	if (!btf || !less || !ids)
		goto out;
	for (u32 id = 1; id < n; id++)
		if (wanted(btf, btf__type_by_id(btf, id)))
			keep(btf, id, ids);
	for (u32 id = 1; id < n; id++)
		if (ids[id]) {
			r = btf__add_type(less, btf, btf__type_by_id(btf, id));
			if (r < 0)
				goto out;
			ids[id] = (u32)r;
		}
	for (u32 id = 1; id < btf__type_cnt(less); id++)
		renumber((struct btf_type *)btf__type_by_id(less, id), ids);
	raw = btf__raw_data(less, &size);
	out->data = raw ? malloc(size) : NULL;
	r = out->data ? 0 : -ENOMEM;
	if (!r)
		memcpy(out->data, raw, out->len = size);
out:
	btf__free(btf);
	btf__free(less);
	free(ids);
	return r;
}
