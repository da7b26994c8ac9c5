/* SPDX-License-Identifier: GPL-2.0-only */
/* An image cut down to what the translator reads of it: reduce IMAGE FIXTURE TOLD. */
#pragma once

#include "util/err.h"
#include "util/types.h"
#include "view/view.h"

/* A part to be written; @data is to be freed. */
struct part {
	void *data;
	size_t len;
};

/* The types of the field table and what is embedded in them; pointers lead nowhere. */
int reduce_btf(const void *btf, size_t len, struct part *out);

/* Which bytes are read. Between start and stop, all through the view that start returns. */
struct view *record_start(struct view *real, struct symbols *syms, const char *vmcoreinfo, u32 sizeof_page);
/* Frames that were read or looked for, rising; of each what was read, zeros around it; NULL: nothing. */
struct recorded {
	u64 *pfns;
	u8 **pages;
	size_t nr;
};
int record_stop(struct recorded *out);
/* It is there, whatever is in it. */
void record_frame(u64 pfn);
/* The lines of kallsyms that were asked for, by name or address, and those of file operations and the like. */
int record_symbols(const char *kallsyms, size_t len, struct part *out);
