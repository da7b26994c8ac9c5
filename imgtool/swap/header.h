/* SPDX-License-Identifier: GPL-2.0-only */
/* The first page of a swap area: union swap_header in include/linux/swap.h. */
#pragma once

#include <string.h>

#include "util/types.h"

struct swap_header {
	u64 pages;	/* slots, this page's among them */
	u8 uuid[16];
};

/* False: no swap area of this architecture's page size begins here. */
static inline bool swap_header_parse(const u8 *page, struct swap_header *h)
{
	u32 version, last;

	memcpy(&version, page + 1024, sizeof(version));
	memcpy(&last, page + 1028, sizeof(last));
	memcpy(h->uuid, page + 1036, sizeof(h->uuid));
	h->pages = (u64)last + 1;
	return !memcmp(page + OHIB_PAGE_SIZE - 10, "SWAPSPACE2", 10) && version == 1;
}
