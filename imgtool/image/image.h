/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The overlay image as its users see it: sections by name, pages by frame number.
 * The layout on disk is image_format.h; this header has no on-disk struct in it.
 */
#pragma once

#include "util/err.h"
#include "util/types.h"

/* What an image holds beside its pages. Values are on disk: append only. */
enum ohib_section {
	OHIB_SEC_NONE = 0,
	OHIB_SEC_SNAPSHOT_HEADER = 1,	/* first page of the /dev/snapshot stream, as it came */
	OHIB_SEC_PFN_INDEX = 2,		/* u64 per page, in stream order, as it came (zero flag too) */
	OHIB_SEC_KALLSYMS = 3,		/* /proc/kallsyms of the image kernel */
	OHIB_SEC_BTF = 4,		/* /sys/kernel/btf/vmlinux of the image kernel */
	OHIB_SEC_VMCOREINFO = 5,	/* the VMCOREINFO note's text, from /proc/kcore */
	OHIB_SEC_CONFIG = 6,		/* JSON: configuration state and the capture's own facts */
	OHIB_SEC_GHOSTS = 7,		/* contents of unlinked and replaced files */
	OHIB_SEC_SWAP_KEY = 8,		/* key of the swap area on the overlay device (seal/xts.h); only where it is encrypted */
	OHIB_SEC_MAX = 16,
};

/*
 * `writing → armed → resuming → spent`; stale: a machine booted past it. With a trial
 * `resuming → trial`, and from there `keeping → spent` or `reverting → spent`. Values are on disk.
 */
enum ohib_state {
#define STATE(name, value, text) OHIB_STATE_##name = (value),
#include "image/states.def"
};

struct ohib_image_info {
	enum ohib_state state;
	u64 generation;			/* of the header that is in force */
	u8 uuid[16];			/* this image's identity, new for each hibernate */
	char machine_id[33];		/* /etc/machine-id or empty */
	char image_kernel[65];		/* uname -r of the image kernel */
	char next_kernel[65];		/* uname -r it is to be resumed under; empty: exact resume */
	u64 created;			/* CLOCK_REALTIME, seconds */
	char device[128];		/* how the device is to be found: PARTUUID=…, a path … */
	u64 nr_pages;			/* pages with data in the stream */
	u64 nr_zero_pages;		/* pages that the kernel told to be all zero */
	u64 nr_zero_found;		/* of nr_pages those that are all zero too, and not stored */
	u64 raw_bytes, stored_bytes;	/* page data before and after compression */
	u64 trial_offset;		/* the layer's room behind the image, bytes; 0: no trial */
	u64 trial_bytes;
	u32 attempts;			/* times a resume of it was begun */
	char reason[256];		/* why the last attempt did not succeed; empty: none */
	bool sealed;			/* encrypted and authenticated; else checksums only */
	const char *cipher;		/* "none" when it is not */
	u32 slots;			/* bit 1 << type for each type of key that opens it */
};

const char *ohib_state_name(enum ohib_state s);
const char *ohib_section_name(enum ohib_section id);

struct ohib_image;
struct secret;

/* The old machine is in it and can be brought up by the next boot. */
bool ohib_state_waits(enum ohib_state s);
/* The machine runs on a layer over its disks, or ran on one before it went down. */
bool ohib_state_on_trial(enum ohib_state s);

/*
 * Only what the header says, in whatever state the image is. -ENODATA no image on this device,
 * -EBADMSG damaged, -ENOTSUP too new.
 */
int ohib_image_peek(const char *path, struct ohib_image_info *info, struct ohib_err *err);

/*
 * Open the image on block device or file @path. Checks both header copies and takes the newer valid
 * one; checks the index before it uses it. Errors: -ENODATA no image or an unfinished one, -EBADMSG
 * damaged, -ENOTSUP a version or feature that this program does not know, -ENOKEY it is sealed
 * (unlock.h), -errno of the I/O.
 */
int ohib_image_open(const char *path, struct ohib_image **out, struct ohib_err *err);
void ohib_image_close(struct ohib_image *img);
const struct ohib_image_info *ohib_image_info(const struct ohib_image *img);

/* Memory for decompressed chunks that read_pfn may keep; default 64 MiB, at least one chunk. */
int ohib_image_set_cache(struct ohib_image *img, size_t bytes, struct ohib_err *err);

/* Whole section, uncompressed and checked, to be freed by the caller; -ENODATA: not in the image. */
int ohib_image_section(struct ohib_image *img, enum ohib_section id, void **data, size_t *len,
		       struct ohib_err *err);

/*
 * The same for a key: no copy of it stays but @out. Only what was stored uncompressed and is no longer than a page:
 * else -EBADMSG.
 */
int ohib_image_section_secret(struct ohib_image *img, enum ohib_section id, struct secret **out, struct ohib_err *err);

/* How long a section is, as it is and as it is stored; -ENODATA: not in the image. */
int ohib_image_section_size(const struct ohib_image *img, enum ohib_section id, u64 *raw, u64 *stored);

/*
 * One page by frame number into @page (4096 bytes). -ENODATA: that frame is not in the image.
 * Decompressed chunks are cached; reading in rising PFN order decompresses each chunk once. May be
 * called from several threads, which then take turns.
 */
int ohib_image_read_pfn(struct ohib_image *img, u64 pfn, void *page, struct ohib_err *err);
bool ohib_image_has_pfn(const struct ohib_image *img, u64 pfn);

/* What for_each_page hands out for a page that is all zero: compare pointers to skip it. */
extern const u8 ohib_zero_page[4096];

/*
 * Every page, zero ones too, in stream order, through @nr_threads decompressing threads (0: one per CPU); @page is
 * called from one thread at a time. Returns @page's first non-zero result.
 */
int ohib_image_for_each_page(struct ohib_image *img, unsigned int nr_threads,
			     int (*page)(void *arg, u64 pfn, const void *data), void *arg,
			     struct ohib_err *err);

/* Every byte of the image against its checksum or tag, through @nr_threads threads. */
int ohib_image_verify(struct ohib_image *img, unsigned int nr_threads, struct ohib_err *err);

/*
 * Change the state on disk: the other header copy is written with generation + 1 and flushed, then
 * the first one; the GRUB environment block at its fixed offset follows. Only the transitions of
 * the state machine are allowed: others are -EINVAL. @reason may be NULL.
 */
int ohib_image_set_state(const char *path, enum ohib_state to, const char *reason,
			 struct ohib_err *err);
/* The same, if the state is @from; else -EBUSY: somebody else was faster. */
int ohib_image_move(const char *path, enum ohib_state from, enum ohib_state to, const char *reason,
		    struct ohib_err *err);
/* What the boot menu has discarded is discarded in the headers too, which are in force. */
int ohib_image_discarded(const char *path, struct ohib_err *err);
/* As the boot menu counts: in its block only, which is believed when it is ahead of the headers. */
int ohib_image_set_attempts(const char *path, u32 attempts, struct ohib_err *err);
