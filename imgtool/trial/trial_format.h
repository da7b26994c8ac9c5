/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The room behind an image that a trial's layer lives in: little-endian, fixed width.
 *
 *	byte 0      the record (4096): what the layer is over, so that a later boot can merge it
 *	byte 65536  the exception store of dm-snapshot (persistent, drivers/md/dm-snap-persistent.c)
 *
 * Offsets are from trial_offset of the image's header.
 */
#pragma once

#include <assert.h>
#include <stddef.h>

#include "util/types.h"

#define OHIB_TRIAL_MAGIC "OHIBTRY\n"
#define OHIB_TRIAL_VERSION 1u
#define OHIB_TRIAL_RECORD_BYTES 4096u
#define OHIB_TRIAL_STORE 65536u
#define OHIB_TRIAL_CHUNK 8u	/* sectors copied at a time: a page, what file systems write */
#define OHIB_TRIAL_DISKS 24u
#define OHIB_TRIAL_SWAPS 4u

/* A device with a file system; they follow each other in the layer in this order. */
struct ohib_trial_disk {
	u64 sectors;
	char spec[72];		/* PARTUUID=… or UUID=… of the file system */
	char name[40];		/* device-mapper's name of what is mounted instead */
};
static_assert(sizeof(struct ohib_trial_disk) == 120, "trial disk");

struct ohib_trial_swap {
	char path[64];		/* under the next kernel */
	u32 flags;		/* of swapon(2) */
	u32 reserved;
};
static_assert(sizeof(struct ohib_trial_swap) == 72, "trial swap");

struct ohib_trial_record {
	u8 magic[8];
	u32 version;
	u32 chunk;		/* OHIB_TRIAL_CHUNK */
	u8 image_uuid[16];	/* of the image it belongs to */
	u32 nr_disks;
	u32 nr_swaps;
	struct ohib_trial_disk disk[OHIB_TRIAL_DISKS];
	struct ohib_trial_swap swap[OHIB_TRIAL_SWAPS];
	u8 reserved[880];
	u64 check;		/* XXH64 of all that comes before */
};
static_assert(sizeof(struct ohib_trial_record) == OHIB_TRIAL_RECORD_BYTES, "trial record");
static_assert(offsetof(struct ohib_trial_record, disk) == 40, "trial record");
