/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A swap area at the end of the overlay device, for as long as a hibernation needs it: what of memory the machine's
 * own swap has no room for is paged out to it.
 *
 *	| image, and room for a trial ──►        | DM_AREA: swap          |
 *	0                                        offset           the device's end
 *
 * The image ends before it. The old machine has its pages in it, so it is left alone until they are back in memory
 * (exact resume, a hibernate that failed) or have been read by the next kernel's reloader, which finds it by the
 * UUID in its header. It is never a part of the machine's configuration.
 *
 * Beside a sealed image it is encrypted (dm-crypt) with a key of its own, which is in the sealed configuration and
 * in the old kernel; otherwise it is a linear device. There is at most one; it is known by its name alone, so that
 * any program can put it away. While it is there it claims the overlay device.
 * Context: root.
 */
#pragma once

#include <sys/types.h>

#include "seal/xts.h"
#include "util/err.h"
#include "util/types.h"

struct json_object;
struct dm_table;

struct area {
	u64 offset, bytes;	/* on the overlay device; 0 bytes: none */
};

/*
 * Where an area for @need bytes lies on a device of @device bytes, whose first @image bytes at least are wanted for
 * other things. Where there is room it is large enough for @all bytes that could be paged out: the snapshot's own
 * reclaim pages out what it need not, and fails when it comes to the area's end. A pure function. -ENOSPC: the device
 * is *@lack bytes too small.
 */
int area_layout(u64 device, u64 image, u64 need, u64 all, struct area *a, u64 *lack);
/* The first page of an area of @bytes: union swap_header in include/linux/swap.h. */
void area_header(u64 bytes, const u8 uuid[16], u8 page[OHIB_PAGE_SIZE]);
/* What device-mapper makes it of, on the device with this number. */
void area_table(const struct area *a, const u8 *key, dev_t on, struct dm_table *t);

/*
 * Make it and swap on it, behind all other areas. @key: of XTS_KEY_BYTES; NULL: not encrypted. Nothing is left of
 * it after a failure. -EBUSY: there is one, or the device is in use or holds a machine.
 */
int area_begin(const char *device, const struct area *a, const u8 *key, struct ohib_err *err);
/*
 * What is in it comes back into memory, and it is put away; there is none: 0. When it does not fit into memory the
 * area stays as it was: no page is lost.
 */
int area_end(struct ohib_err *err);

/* The area's device, and bytes of pages in it (of which some may be in memory too); false: there is none. */
bool area_find(char node[80], u64 *used);

/*
 * Into "swap_areas" of the configuration (swap/swap.h): where on the overlay device the area is.
 * Processes are frozen. -ENODEV: it is not the one that was made.
 */
int area_tell(const struct area *a, bool encrypted, struct json_object *config, struct ohib_err *err);
