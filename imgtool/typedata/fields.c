// SPDX-License-Identifier: GPL-2.0-only
/* The field table (fields.def), resolved against one kernel's BTF into flat places. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "typedata/fields.h"

#define FIELD(id, type, path) [F_##id] = { #id, type, path, false },
#define FIELD_OPT(id, type, path) [F_##id] = { #id, type, path, true },
#define TYPE(id, type)
#define ENUM(id, enumerator)
#define ENUM_OPT(id, enumerator)
const struct field_row field_rows[NR_FIELDS] = {
#include "typedata/fields.def"
};
#undef FIELD
#undef FIELD_OPT
#undef TYPE
#undef ENUM
#undef ENUM_OPT

#define FIELD(id, type, path)
#define FIELD_OPT(id, type, path)
#define TYPE(id, type) [T_##id] = type,
#define ENUM(id, enumerator)
#define ENUM_OPT(id, enumerator)
static const char *const type_rows[NR_TYPES] = {
#include "typedata/fields.def"
};
#undef TYPE
#undef ENUM
#undef ENUM_OPT

#define TYPE(id, type)
#define ENUM(id, enumerator) [E_##id] = { enumerator, false },
#define ENUM_OPT(id, enumerator) [E_##id] = { enumerator, true },
static const struct {
	const char *name;
	bool optional;
} enum_rows[NR_ENUMS] = {
#include "typedata/fields.def"
};

/* "a|b": the first alternative that is there. */
static int resolve_path(const struct typedata *t, const char *type, const char *path,
			struct member_loc *loc)
{
	char one[128];

	while (*path) {
		size_t len = strcspn(path, "|");

		if (len < sizeof(one)) {
			memcpy(one, path, len);
			one[len] = '\0';
			if (!typedata_member(t, type, one, loc))
				return 0;
		}
		path += len;
		path += *path == '|';
	}
	return -ENOENT;
}

static void add_missing(char *list, size_t size, const char *type, const char *path)
{
	size_t used = strlen(list);

	snprintf(list + used, size - used, "%s%s%s%s", used ? ", " : "", type, *path ? "." : "", path);
}

int fields_resolve(const struct typedata *t, struct fields *f, char *missing, size_t missing_size,
		   struct ohib_err *err)
{
	char own[400];
	size_t i;

	if (!missing) {
		missing = own;
		missing_size = sizeof(own);
	}
	missing[0] = '\0';
	memset(f, 0, sizeof(*f));
	for (i = 0; i < NR_FIELDS; i++) {
		const struct field_row *row = &field_rows[i];

		f->has[i] = !resolve_path(t, row->type, row->path, &f->loc[i]);
		if (!f->has[i] && !row->optional)
			add_missing(missing, missing_size, row->type, row->path);
	}
	for (i = 0; i < NR_TYPES; i++)
		if (typedata_size(t, type_rows[i], &f->size[i]))
			add_missing(missing, missing_size, type_rows[i], "");
	for (i = 0; i < NR_ENUMS; i++)
		if (typedata_enum(t, enum_rows[i].name, &f->value[i]) && !enum_rows[i].optional)
			add_missing(missing, missing_size, enum_rows[i].name, "");
	if (*missing)
		return ohib_err_set(err, -ENOENT, "fields this kernel does not have: %s", missing);
	return 0;
}
