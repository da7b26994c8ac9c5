/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two backends of view.h share with its common part; nobody else includes it. */
#pragma once

#include "typedata/symbols.h"
#include "view/view.h"

#define VIEW_CACHE 1021 /* pages; a prime, so that strided structures do not fight */

struct view_cache {
	u64 pfn;
	u8 data[OHIB_PAGE_SIZE];
};

struct view_ops {
	bool live;
	int (*read_pfn)(struct view *v, u64 pfn, void *page);
	bool (*has_pfn)(struct view *v, u64 pfn);
	void (*close)(struct view *v); /* frees @v itself */
};

struct view {
	const struct view_ops *ops;
	struct view_cache *cache;
	u64 phys_base, page_offset, vmemmap, top_pgt_phys;
	u32 sizeof_page;
	int levels;
};

/* Read the bases that everything else needs. ops and the backend's own state are set before. */
int view_init(struct view *v, const struct symbols *syms, const char *vmcoreinfo, u32 sizeof_page,
	      struct ohib_err *err);
