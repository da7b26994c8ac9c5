/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A trial: the file systems of a switched machine on a layer that takes what is written, over disks
 * that nobody writes to.
 *
 *	real disks ── overlayctl-origin (linear, one behind the other, read-only)
 *	room behind the image ── overlayctl-cow (linear)
 *	both ── overlayctl-trial (snapshot) ── overlayctl-NAME for each disk (linear): mounted
 *	swap partitions ── overlayctl-swap (linear, read-only): nobody can swap on them
 *
 * One snapshot for all disks, so that they share the room. To keep what was written, the snapshot
 * becomes a snapshot-merge in place, and when it is empty each overlayctl-NAME the disk itself.
 * Context: root; dm_mod and dm_snapshot loaded.
 */
#pragma once

#include "image/image.h"
#include "dm/dm.h"
#include "trial/trial_format.h"
#include "util/err.h"
#include "util/types.h"

#define TRIAL_PREFIX "overlayctl-"
#define TRIAL_ORIGIN TRIAL_PREFIX "origin"
#define TRIAL_COW TRIAL_PREFIX "cow"
#define TRIAL_LAYER TRIAL_PREFIX "trial"
#define TRIAL_SWAP TRIAL_PREFIX "swap"

/* A disk on its way under the layer. */
struct trial_disk {
	char node[80];
	u8 fs_uuid[16];
	char layered[80];	/* filled in: what is to be mounted instead */
	char name[40];		/* its name for device-mapper; empty: not made */
	bool set_ro;		/* it was writable */
};

struct trial_swap {
	char path[64];
	u32 flags;		/* of swapon(2) */
	bool partition;
};

/*
 * Put a layer over @disks, in the room behind the image on @device. The disks are read-only then, and
 * swap partitions held. Everything there is of an earlier trial is written over. Undone when it fails.
 */
int trial_begin(const char *device, const struct ohib_image_info *image, struct trial_disk *disks,
		size_t nr_disks, const struct trial_swap *swaps, size_t nr_swaps,
		struct ohib_err *err);
/* Take the layer away; the disks are as they were before. -EBUSY: something of it is in use. */
int trial_undo(const struct trial_disk *disks, size_t nr_disks, struct ohib_err *err);

enum trial_fill {
	TRIAL_NONE,		/* there is no layer */
	TRIAL_RUNS,
	TRIAL_LOST,		/* it ran out of room, or could not be written: all on it is lost */
	TRIAL_MERGES,
	TRIAL_MERGED,		/* nothing is left to merge */
};

struct trial_usage {
	enum trial_fill fill;
	u64 used, total;	/* sectors */
	char told[64];		/* what the kernel says */
};

int trial_usage(struct trial_usage *u, struct ohib_err *err);
/* One row of dm_status: a pure function. */
void trial_usage_parse(const struct dm_target *t, struct trial_usage *u);

/* How full a layer is, for whoever watches it. */
enum trial_level { TRIAL_EASY, TRIAL_HALF, TRIAL_HIGH, TRIAL_FULL };
enum trial_level trial_level(const struct trial_usage *u);

/*
 * Merge what was written into the disks, under the running machine; @progress (may be NULL) is told
 * the sectors that are left. The image is to be `keeping` before. Can be called again after it
 * was cut short. The layer is gone when this returns 0, the image not yet spent. -ECANCELED: it had run full;
 * nothing was merged, the disks are as the old machine left them.
 */
int trial_merge(const char *device, const struct ohib_image_info *image,
		void (*progress)(u64 left, u64 total), struct ohib_err *err);
/* The same in a boot before anything is mounted, for a merge that a power cut ended. */
int trial_merge_at_boot(const char *device, const struct ohib_image_info *image,
			void (*progress)(u64 left, u64 total), struct ohib_err *err);

/* record.c. -ENODATA: there is none of this image. */
int trial_record_read(const char *device, const struct ohib_image_info *image,
		      struct ohib_trial_record *r, struct ohib_err *err);
int trial_record_write(const char *device, const struct ohib_image_info *image,
		       struct ohib_trial_record *r, struct ohib_err *err);

/* devices.c */
/* The node of block device "8:1", or -ENODEV. */
int trial_node(dev_t number, char node[80]);
int trial_size(const char *node, dev_t *number, u64 *sectors, struct ohib_err *err);
/* 1 when this changed it, 0 when it was so already. */
int trial_set_ro(const char *node, bool ro, struct ohib_err *err);

/* tables.c: the tables, from numbers alone. */
struct trial_numbers {
	dev_t disk[OHIB_TRIAL_DISKS], device, origin, cow, layer;
};
u64 trial_sectors(const struct ohib_trial_record *r);
void trial_table_origin(const struct ohib_trial_record *r, const struct trial_numbers *n,
			struct dm_table *t);
void trial_table_cow(const struct ohib_image_info *image, const struct trial_numbers *n,
		     struct dm_table *t);
void trial_table_layer(const struct ohib_trial_record *r, const struct trial_numbers *n, bool merge,
		       struct dm_table *t);
/* What is mounted for disk @i: a part of the layer, or (@merged) the disk itself. */
void trial_table_disk(const struct ohib_trial_record *r, const struct trial_numbers *n, size_t i,
		      bool merged, struct dm_table *t);
