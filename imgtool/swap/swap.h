/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Swap areas from outside the kernel that filled them: what is known of them by their header, and
 * the pages in them, read from the device itself.
 * Reads: block devices, O_DIRECT. Never: writes; the area must not be swapped on before all is read.
 */
#pragma once

#include "machine/machine.h"
#include "util/err.h"

struct json_object;
struct secret;
struct swap_reader;

/*
 * UUIDs are in the areas' headers only, not in memory. On the machine that uses them: an array of
 * {path, uuid} of those that have one, for the image's configuration section under the key
 * "swap_areas"; NULL: out of memory. swap_areas_apply() puts them into @s. A row with "offset" is about an
 * area that began there, in bytes, on a device that the next kernel has, and was for the hibernation alone: its
 * extents become blocks of that device. "encrypted": true when it is, as seal/xts.h has it.
 */
struct json_object *swap_areas_json(void);
void swap_areas_apply(struct m_system *s, struct json_object *array);

/*
 * @s and @key must outlive it. @key: of encrypted areas, of which none is read when it is NULL, or not XTS_KEY_BYTES.
 * Devices are looked for when their first page is read.
 */
int swap_reader_create(const struct m_system *s, const struct secret *key, struct swap_reader **out);
void swap_reader_destroy(struct swap_reader *r);

/* Slot @offset of area @type. -ENODEV: the area's device is not there, or is another one. */
int swap_read(struct swap_reader *r, u32 type, u64 offset, void *page, struct ohib_err *err);

/* No more pages are read: what was opened for it is closed, and the key is wiped. */
void swap_forget(struct machine *m);

/* Refuse the machine when pages of it are in an area that cannot be read here. */
void swap_areas_check(struct machine *m);
