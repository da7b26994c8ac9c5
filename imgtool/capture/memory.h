/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much memory a snapshot has to copy, and how much it can: the kernel makes the copy in memory, beside
 * what it copies.
 * Source: hibernate_preallocate_memory(), minimum_image_size() in kernel/power/snapshot.c, 6.1 and 6.12 alike.
 */
#pragma once

#include "util/err.h"
#include "util/types.h"

/* Bytes. */
struct memory_use {
	u64 total;	/* RAM, the kernel's own part among it */
	u64 in_use;
	u64 limit;	/* what the snapshot can hold at most: a little less than half of RAM */
	u64 keep;	/* in use, and not to be had by dropping caches */
	u64 movable;	/* of keep: what can be paged out (anonymous, shared, tmpfs; not locked) */
	u64 swap_free;	/* on swap areas that are not in memory themselves */
	u64 swapped;	/* in swap, and not in memory as well */
	u64 reserve;	/* what the kernel leaves free for itself */
};

/* What this program comes to need between a survey and the snapshot. */
#define MEMORY_OWN (48u << 20)

int memory_survey(struct memory_use *u, struct ohib_err *err);
/* The same from the texts of /proc/meminfo, /proc/zoneinfo, /proc/swaps and /sys/power/reserved_size. */
int memory_parse(const char *meminfo, const char *zoneinfo, const char *swaps, u64 reserved_size,
		 struct memory_use *u);

/* Bytes that have to leave memory first; 0: all fits. */
u64 memory_excess(const struct memory_use *u);
/* Bytes that have to leave memory and cannot, for want of swap (*@swap) and as nothing else can be paged out. */
u64 memory_stuck(const struct memory_use *u, u64 *swap);

/*
 * Bytes by which RAM is too small for a switch: the next kernel's reloader has to have all memory of the processes
 * in RAM, since swap holds the only copy of what is in it until the commit. 0: it fits. @initramfs: bytes of its
 * file, which is unpacked into RAM.
 */
u64 memory_short_of_switch(const struct memory_use *u, u64 initramfs);

/*
 * Page idle memory of other processes out until the snapshot can hold the rest, as far as that goes: what
 * is left the kernel pages out in the snapshot. @progress: bytes done, of how many. @stop (may be NULL) ends it.
 * Context: everything runs; may be interrupted at any point, what was paged out comes back when it is used.
 */
int memory_page_out(void (*progress)(void *arg, u64 done, u64 total), void *arg, bool (*stop)(void),
		    struct ohib_err *err);
