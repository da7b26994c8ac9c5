// SPDX-License-Identifier: GPL-2.0-only
/*
 * Swap areas, and where the pages are that were swapped out.
 * Source: mm/swapfile.c, mm/swap_state.c, mm/swap.h, mm/zswap.c.
 */
#include <errno.h>
#include <string.h>

#include "translate/xlate.h"

#define SWAP_SPACE_SHIFT 14	/* SWAP_ADDRESS_SPACE_SHIFT, since 4.11: 4b3ef9daa4fc */

/* The swap cache has a slot's page until it is reclaimed, whether it has been written or not. */
static bool cached(struct xlate *x, u32 type, u64 offset, struct m_page_src *src)
{
	u64 spaces = 0, nr_at = x_sym(x, "nr_swapper_spaces"), at = x_sym(x, "swapper_spaces");
	u64 tree, entry, first = 0, index = offset;
	u32 nr = 0;

	x_read(x, at + type * 8ull, &spaces, sizeof(spaces), "swapper_spaces");
	x_read(x, nr_at + type * 4ull, &nr, sizeof(nr), "nr_swapper_spaces");
	if (x_failed(x) || !spaces || offset >> SWAP_SPACE_SHIFT >= nr)
		return false;
	tree = x_addr(x, spaces + (offset >> SWAP_SPACE_SHIFT) * x->f->size[T_MAPPING],
		      F_MAPPING_PAGES);
	entry = x_xarray_get(x, tree, index, &first);
	if (!entry && index >> SWAP_SPACE_SHIFT) {
		/*
		 * 6.11 (7aad25b4b421) counts from the start of each space. An older kernel has no such
		 * index in a space behind the first, and a newer one none of those tried above.
		 */
		index &= (1u << SWAP_SPACE_SHIFT) - 1;
		entry = x_xarray_get(x, tree, index, &first);
	}
	if (!entry || entry & 1)	/* none, or the shadow of one that was reclaimed */
		return false;
	if (!(x_u64(x, entry, F_PAGE_FLAGS) & 1ull << x->f->value[E_PG_UPTODATE]))
		return false;		/* being read in */
	*src = (struct m_page_src){ .kind = M_PAGE_PFN,
				    .where = view_page_to_pfn(x->v, entry) + (index - first) };
	return true;
}

static u64 swap_info(struct xlate *x, u32 type)
{
	u64 at = x_sym(x, "swap_info"), si = 0;

	x_read(x, at + type * 8ull, &si, sizeof(si), "swap_info");
	return si;
}

/* Pages of zeros are not written but noted in a bitmap (6.12: 0ca0c24e3211). */
static bool noted_as_zero(struct xlate *x, u64 si, u64 offset)
{
	u64 map = x_has(x, F_SWAP_ZEROMAP) ? x_u64(x, si, F_SWAP_ZEROMAP) : 0, word = 0;

	if (!map)
		return false;
	x_read(x, map + offset / 64 * 8, &word, sizeof(word), "swap_info_struct.zeromap");
	return word >> (offset % 64) & 1;
}

void xlate_swap_page(struct xlate *x, u32 type, u64 offset, struct m_page_src *src)
{
	u64 si;

	*src = (struct m_page_src){ .kind = M_PAGE_SWAP, .swap_type = type, .where = offset };
	if (cached(x, type, offset, src))
		return;
	si = swap_info(x, type);
	if (x_failed(x))
		return;
	if (!si || offset >= x_u64(x, si, F_SWAP_MAX)) {
		ohib_err_pid(&x->err, x->pid, -EINVAL, "swap slot %llu of area %u is not there",
			     (unsigned long long)offset, type);
		return;
	}
	if (noted_as_zero(x, si, offset))
		*src = (struct m_page_src){ .kind = M_PAGE_ZERO };
}
