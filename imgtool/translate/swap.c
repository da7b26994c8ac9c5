// SPDX-License-Identifier: GPL-2.0-only
/*
 * Swap areas, and where the pages are that were swapped out.
 * Source: mm/swapfile.c, mm/swap_state.c, mm/swap.h, mm/zswap.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/swap.h>

#include "translate/xlate.h"

#ifndef SWAP_FLAG_DISCARD_ONCE	/* glibc has no names for these: include/linux/swap.h */
#define SWAP_FLAG_DISCARD_ONCE 0x20000
#define SWAP_FLAG_DISCARD_PAGES 0x40000
#endif
#define FOLIO_ORDER_MAX 9	/* a huge page (PMD) */
#define SWAP_SPACE_SHIFT 14	/* SWAP_ADDRESS_SPACE_SHIFT, since 4.11: 4b3ef9daa4fc */

/*
 * Place within its folio of the page at @index of a swap cache: each index of a large folio has the
 * folio's head, and a folio's slots are aligned to its size. add_to_swap_cache(), folio_file_page().
 */
static u64 place_in_folio(struct xlate *x, u64 tree, u64 index, u64 head)
{
	u64 first = index, at;

	if (!x_bit(x_u64(x, head, F_PAGE_FLAGS), x->f->value[E_PG_HEAD]))
		return 0;
	for (unsigned int order = 1; order <= FOLIO_ORDER_MAX; order++) {
		at = index & ~((1ull << order) - 1);
		if (x_xarray_get(x, tree, at) == head)
			first = at;
	}
	return index - first;
}

/* The swap cache has a slot's page until it is reclaimed, whether it has been written or not. */
static bool cached(struct xlate *x, u32 type, u64 offset, struct m_page_src *src)
{
	u64 spaces = 0, nr_at = x_sym(x, "nr_swapper_spaces"), at = x_sym(x, "swapper_spaces");
	u64 tree, entry, index = offset;
	u32 nr = 0;

	x_read(x, at + type * 8ull, &spaces, sizeof(spaces), "swapper_spaces");
	x_read(x, nr_at + type * 4ull, &nr, sizeof(nr), "nr_swapper_spaces");
	if (x_failed(x) || !spaces || offset >> SWAP_SPACE_SHIFT >= nr)
		return false;
	tree = x_addr(x, spaces + (offset >> SWAP_SPACE_SHIFT) * x->f->size[T_MAPPING],
		      F_MAPPING_PAGES);
	entry = x_xarray_get(x, tree, index);
	if (!entry && index >> SWAP_SPACE_SHIFT) {
		/*
		 * 6.11 (7aad25b4b421) counts from the start of each space. An older kernel has no such
		 * index in a space behind the first, and a newer one none of those tried above.
		 */
		index &= (1u << SWAP_SPACE_SHIFT) - 1;
		entry = x_xarray_get(x, tree, index);
	}
	if (!entry || entry & 1)	/* none, or the shadow of one that was reclaimed */
		return false;
	if (!x_bit(x_u64(x, entry, F_PAGE_FLAGS), x->f->value[E_PG_UPTODATE]))
		return false;		/* being read in */
	*src = (struct m_page_src){
		.kind = M_PAGE_PFN,
		.where = view_page_to_pfn(x->v, entry) + place_in_folio(x, tree, index, entry),
	};
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

static int one_extent(struct xlate *x, u64 node, void *arg)
{
	u64 se = x_container(x, node, F_SWEXT_NODE);
	struct m_swap_area *a = arg;
	struct m_swap_extent e = {
		.start_page = x_u64(x, se, F_SWEXT_START),
		.nr_pages = x_u64(x, se, F_SWEXT_NR),
		.start_block = x_u64(x, se, F_SWEXT_BLOCK),
	};

	x_push(x, &a->extents, e);
	return x->err.code;
}

/* "vda3", "nvme0n1p2": as bdev_name() in lib/vsprintf.c puts it together. */
static void device_name(struct xlate *x, u64 bdev, struct m_swap_area *a)
{
	u64 disk = x_u64(x, bdev, F_BDEV_DISK), meta = x_u64(x, bdev, F_BDEV_META), part = 0;
	char name[33] = "";
	size_t n;

	if (x_has(x, F_BDEV_FLAGS))
		part = x_u64(x, bdev, F_BDEV_FLAGS) & 0xff;
	else if (x_has(x, F_BDEV_PARTNO))
		part = x_u64(x, bdev, F_BDEV_PARTNO);
	else
		ohib_err_set(&x->err, -ENOENT, "block_device: no field for the partition");
	x_bytes(x, disk, F_DISK_NAME, name, sizeof(name) - 1);
	n = strlen(name);
	if (part)
		snprintf(a->devname, sizeof(a->devname), "%s%s%llu", name,
			 n && name[n - 1] >= '0' && name[n - 1] <= '9' ? "p" : "",
			 (unsigned long long)part);
	else
		snprintf(a->devname, sizeof(a->devname), "%s", name);
	if (meta)
		x_bytes(x, meta, F_PARTMETA_UUID, a->partuuid, 36);
}

static void xlate_area(struct xlate *x, u32 type, u64 si, u64 flags)
{
	u64 file = x_u64(x, si, F_SWAP_FILE), path = x_addr(x, file, F_FILE_PATH);
	struct m_swap_area a = {
		.type = type,
		.file = !(flags & (u64)x->f->value[E_SWP_BLKDEV]),
		.prio = x_s64(x, si, F_SWAP_PRIO),
		.pages = x_u64(x, si, F_SWAP_MAX),
		.used = x_u64(x, si, F_SWAP_INUSE),
	};
	struct m_superblock *sb;
	struct m_path *p;

	device_name(x, x_u64(x, si, F_SWAP_BDEV), &a);
	p = xlate_path(x, x_u64(x, path, F_PATH_MNT), x_u64(x, path, F_PATH_DENTRY));
	a.path = p ? p->path : NULL;
	x_object(x, "swap area %s", a.path ? a.path : a.devname);
	if (a.file) {
		sb = xlate_sb(x, x_u64(x, x_u64(x, file, F_FILE_INODE), F_INODE_SB));
		if (sb && sb->has_uuid) {
			memcpy(a.fs_uuid, sb->uuid, sizeof(a.fs_uuid));
			a.has_fs_uuid = true;
		}
		if (p && p->unlinked)
			x_refuse(x, "is a file that has been deleted: swapoff first");
		else
			xlate_in_reach(x, p);
	}
	/* sys_swapon(): one that was given no priority has a negative one */
	a.swapon_flags = a.prio >= 0 ? SWAP_FLAG_PREFER | ((u32)a.prio & SWAP_FLAG_PRIO_MASK) : 0;
	if (flags & (u64)x->f->value[E_SWP_AREA_DISCARD])
		a.swapon_flags |= SWAP_FLAG_DISCARD | SWAP_FLAG_DISCARD_ONCE;
	if (flags & (u64)x->f->value[E_SWP_PAGE_DISCARD])
		a.swapon_flags |= SWAP_FLAG_DISCARD | SWAP_FLAG_DISCARD_PAGES;
	if (flags & (u64)x->f->value[E_SWP_FS_OPS])
		x_refuse(x, "is written through its file system (NFS), which cannot be carried");
	if (!strncmp(a.devname, "zram", 4))
		x_refuse(x, "is in memory (zram), which cannot be carried: swapoff first");
	x_rbtree(x, x_u64(x, si, F_SWAP_EXTENTS), one_extent, &a);
	for (size_t i = 1; i < a.extents.n; i++)
		if (a.extents.v[i].start_page < a.extents.v[i - 1].start_page +
						a.extents.v[i - 1].nr_pages)
			ohib_err_set(&x->err, -EINVAL, "swap area %u: extents overlap", type);
	x_push(x, &x->m->system.swaps, a);
}

/* A compressed cache in front of the swap areas: what is in it is not on disk. */
static void refuse_zswap(struct xlate *x)
{
	u64 at = symbols_addr(x->syms, "zswap_enabled"), pages;
	u32 stored = 0;
	u8 enabled = 0;

	if (!at)
		return;
	x_read(x, at, &enabled, sizeof(enabled), "zswap_enabled");
	pages = x_sym(x, "zswap_stored_pages");
	x_read(x, pages, &stored, sizeof(stored), "zswap_stored_pages");
	x_object(x, "zswap");
	if (enabled && x->m->system.swaps.n)
		x_refuse(x, "is on: turn it off (echo N > /sys/module/zswap/parameters/enabled)");
	if (stored)
		x_refuse(x, "holds %u pages, which cannot be carried: swapoff -a, swapon -a", stored);
}

void xlate_swaps(struct xlate *x)
{
	u64 at = x_sym(x, "nr_swapfiles");
	u32 nr = 0, type;

	x_read(x, at, &nr, sizeof(nr), "nr_swapfiles");
	for (type = 0; type < nr && type < 32 && !x_failed(x); type++) {
		u64 si = swap_info(x, type);
		u64 flags = si ? x_u64(x, si, F_SWAP_FLAGS) : 0;

		if (flags & (u64)x->f->value[E_SWP_WRITEOK])
			xlate_area(x, type, si, flags);
	}
	refuse_zswap(x);
}
