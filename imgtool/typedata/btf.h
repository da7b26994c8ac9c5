/* SPDX-License-Identifier: GPL-2.0-only */
/* Layouts of one kernel's types out of its BTF (parsed by libbpf). */
#pragma once

#include "util/err.h"
#include "util/types.h"

struct typedata;

/* @data: raw BTF as in /sys/kernel/btf/vmlinux (copied). */
int typedata_parse(const void *data, size_t len, struct typedata **out, struct ohib_err *err);
void typedata_free(struct typedata *t);

struct member_loc {
	u32 offset;	/* bytes from the start of the outer struct */
	u32 size;	/* bytes; for a bit field the bytes of its storage unit */
	u8 bit_offset;	/* within the storage unit, for a bit field */
	u8 bit_size;	/* 0: not a bit field */
};

/*
 * Find "member.member[3].member" in struct or union @type; anonymous members are looked through, as
 * in C. -ENOENT: no such type or member.
 */
int typedata_member(const struct typedata *t, const char *type, const char *path,
		    struct member_loc *out);
int typedata_size(const struct typedata *t, const char *type, u32 *size);
int typedata_enum(const struct typedata *t, const char *enumerator, s64 *value);
