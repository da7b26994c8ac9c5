/* SPDX-License-Identifier: GPL-2.0-only */
/* The field table (fields.def), resolved against one kernel's BTF into flat places. */
#pragma once

#include "typedata/btf.h"

#define FIELD(id, type, path) F_##id,
#define FIELD_OPT(id, type, path) F_##id,
#define TYPE(id, type)
#define ENUM(id, enumerator)
#define ENUM_OPT(id, enumerator)
enum field {
#include "typedata/fields.def"
	NR_FIELDS
};
#undef FIELD
#undef FIELD_OPT
#undef TYPE
#undef ENUM
#undef ENUM_OPT

#define FIELD(id, type, path)
#define FIELD_OPT(id, type, path)
#define TYPE(id, type) T_##id,
#define ENUM(id, enumerator)
#define ENUM_OPT(id, enumerator)
enum field_type {
#include "typedata/fields.def"
	NR_TYPES
};
#undef TYPE
#undef ENUM
#undef ENUM_OPT

#define TYPE(id, type)
#define ENUM(id, enumerator) E_##id,
#define ENUM_OPT(id, enumerator) E_##id,
enum field_enum {
#include "typedata/fields.def"
	NR_ENUMS
};
#undef FIELD
#undef FIELD_OPT
#undef TYPE
#undef ENUM
#undef ENUM_OPT

struct fields {
	struct member_loc loc[NR_FIELDS];
	bool has[NR_FIELDS];
	u32 size[NR_TYPES];
	s64 value[NR_ENUMS];	/* 0 for one that may be absent and is */
};

/* A row of the table, for `image tables`. */
struct field_row {
	const char *id, *type, *path;
	bool optional;
};
extern const struct field_row field_rows[NR_FIELDS];

/*
 * Resolve every row. Rows that must resolve and do not: -ENOENT, with all of them in @missing
 * (a comma-separated list; may be NULL) and the first ones in @err.
 */
int fields_resolve(const struct typedata *t, struct fields *f, char *missing, size_t missing_size,
		   struct ohib_err *err);
