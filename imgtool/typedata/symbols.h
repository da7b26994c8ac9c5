/* SPDX-License-Identifier: GPL-2.0-only */
/* The symbols of one kernel and its modules, from its /proc/kallsyms. */
#pragma once

#include "util/err.h"
#include "util/types.h"

struct symbols;

/* Parse @len bytes of kallsyms text (copied). -EPERM: all addresses are zero (kptr_restrict). */
int symbols_parse(const char *text, size_t len, struct symbols **out, struct ohib_err *err);
void symbols_free(struct symbols *s);

u64 symbols_addr(const struct symbols *s, const char *name);	/* 0: no such symbol */
/* Name of the symbol that begins exactly at @addr; NULL: none. Of several names the first. */
const char *symbols_name(const struct symbols *s, u64 addr);
/* True when one of the names at @addr is @name. */
bool symbols_is(const struct symbols *s, u64 addr, const char *name);
