/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes an overlay image: sections as they come, then the stream of pages through several threads.
 *
 *	create → section… → [snapshot] → snapshot_taken → section… → pages_begin →
 *	(page, page_done)… → pages_end → section… → arm → destroy
 *
 * All memory but the threads' ciphers is allocated and faulted in by create; no thread and no key that
 * opens the image is there before pages_begin, so that a memory image taken then holds neither.
 */
#pragma once

#include "image/image.h"

struct ohib_writer_opts {
	const char *path;		/* block device or preallocated file */
	const char *device;		/* name to be found by later; NULL: path */
	u64 room;			/* bytes from the device's beginning that it may use; the rest is held by somebody who
					 * has claimed the device for this machine. 0: all, and it is claimed here */
	const char *image_kernel;
	const char *next_kernel;	/* NULL or empty: exact resume */
	const char *machine_id;		/* NULL: none */
	u64 max_pages;			/* upper bound of the PFN list's length */
	unsigned int nr_threads;	/* compressing; 0: one per CPU */
	unsigned int chunk_pages;	/* 0: the default */
	int acceleration;		/* of LZ4; 0: by what is waited for, CPU or disk */
	bool trial;			/* the switch is to be a trial: leave room behind the image */
	u64 trial_bytes;		/* how much; 0: all there is, OHIB_TRIAL_MIN at least */
	const struct ohib_locks *locks;	/* who may open it; NULL or none in it: not sealed */
	u32 aead_alg;			/* of a sealed image; 0: the quicker one on this CPU */
};

#define OHIB_TRIAL_MIN (32u << 20)

struct ohib_locks;

struct ohib_writer_stats {
	u64 nr_pages, nr_zero_pages, nr_zero_found;
	u64 raw_bytes, stored_bytes;	/* page data */
	u64 disk_bytes;			/* whole image on the device */
	u64 pages_done;			/* while it runs: pages handed in so far */
};

struct ohib_writer;

/*
 * Claim the device and put it into state `writing` with a new identity. -EBUSY: the device is in
 * use or holds an image that is armed or being resumed.
 */
int ohib_writer_create(const struct ohib_writer_opts *opts, struct ohib_writer **out,
		       struct ohib_err *err);
/* Does not change the state on the device; NULL is allowed. */
void ohib_writer_destroy(struct ohib_writer *w);
const u8 *ohib_writer_uuid(const struct ohib_writer *w);

/* Store a section. Not between pages_begin and pages_end. @compress needs memory of @len. */
int ohib_writer_section(struct ohib_writer *w, enum ohib_section id, const void *data, size_t len,
			bool compress, struct ohib_err *err);

/* Memory was copied, what comes now is not in the image: a sealed one gets the key that it is read with. */
int ohib_writer_snapshot_taken(struct ohib_writer *w, struct ohib_err *err);

/*
 * For a writer that stands in an image and was put back: that image, which is on the device by then, becomes
 * spent, and the device is closed. It stays open over the snapshot: closing it before would leave udev, which
 * is frozen, an event that it has not read. *@on_trial: it ran on trial in between.
 */
int ohib_writer_spend(struct ohib_writer *w, bool *on_trial, struct ohib_err *err);
/* What is known of keys is wiped: nothing more can be written. Done by arm and destroy as well. */
void ohib_writer_forget_keys(struct ohib_writer *w);

/* Where the PFN list is to be put: room for max_pages entries, rounded up to whole pages of them. */
u64 *ohib_writer_pfns(struct ohib_writer *w);
u64 ohib_writer_max_pages(const struct ohib_writer *w);
/* The list has @nr_pfns entries as the kernel encodes them; starts the threads. */
int ohib_writer_pages_begin(struct ohib_writer *w, u64 nr_pfns, struct ohib_err *err);
/*
 * Where the next page's 4096 bytes are to be put; NULL: the writing has failed, pages_end tells why.
 * page_done hands it in.
 */
void *ohib_writer_page(struct ohib_writer *w);
void ohib_writer_page_done(struct ohib_writer *w);
/* Wait for the threads and write the index. Also to be called after a failure: ends the threads. */
int ohib_writer_pages_end(struct ohib_writer *w, struct ohib_err *err);

/*
 * Everything onto the medium, then the header: from here on the image is the machine. -ENOSPC: what is left
 * of the device is not enough for the trial.
 */
int ohib_writer_arm(struct ohib_writer *w, struct ohib_err *err);
/*
 * The machine goes on: the image becomes none, or stale when it may have been armed. While that fails and
 * ohib_writer_may_be_armed(), the medium may promise a machine that can be resumed: nothing may be thawed.
 */
int ohib_writer_abandon(struct ohib_writer *w, const char *reason, struct ohib_err *err);
bool ohib_writer_may_be_armed(const struct ohib_writer *w);

/*
 * Where the room of a trial begins on a device of @device bytes whose image ends at @end, and how
 * much it is: @wanted, or all of it when that is 0. -ENOSPC: there is less.
 */
int ohib_writer_trial_room(u64 device, u64 end, u64 wanted, u64 *offset, u64 *bytes);

void ohib_writer_stats(const struct ohib_writer *w, struct ohib_writer_stats *out);
