/* SPDX-License-Identifier: GPL-2.0-only */
/* Hibernates the running machine into an overlay image through the stock /dev/snapshot. */
#pragma once

#include "capture/area.h"
#include "image/writer.h"
#include "util/err.h"
#include "util/types.h"

struct json_object;

enum capture_stage {
	CAPTURE_PAGE_OUT,	/* what the snapshot could not hold; done and total are bytes */
	CAPTURE_PREPARE,	/* device and memory; everything still runs */
	CAPTURE_FREEZE,		/* processes; symbols, types and configuration; file systems */
	CAPTURE_SNAPSHOT,	/* the kernel's atomic copy */
	CAPTURE_WRITE,		/* pages onto the device */
	CAPTURE_ARM,		/* the header: from its end on the image is the machine */
	CAPTURE_DOWN,		/* power off or reboot */
	CAPTURE_PAGE_IN,	/* the machine goes on: the area on the overlay device is emptied */
	CAPTURE_NR_STAGES,
};

enum capture_ending {
	CAPTURE_POWER_OFF,
	CAPTURE_REBOOT,
	CAPTURE_KEXEC,		/* a kernel was loaded with kexec before */
};

/*
 * What a woken tool finds. After a switch the reloader writes it at the user address that the image's
 * config section names (tool_woken), lets the ioctl return 0, and puts /dev/null where
 * /dev/snapshot was: the next kernel has no snapshot to be freed.
 */
enum ohib_woken_mode {
	OHIB_WOKEN_EXACT = 0,
	OHIB_WOKEN_REVERTED = 1,	/* exactly, after a trial; never in memory */
	OHIB_WOKEN_SWITCH = 2,
};

struct ohib_woken {
	char kernel[65];	/* uname -r that it goes on under */
	int mode;		/* enum ohib_woken_mode */
};

/* Filled in stage by stage; seconds. */
struct capture_report {
	double stage[CAPTURE_NR_STAGES];
	struct ohib_writer_stats image;
	unsigned int nr_frozen_fs;
	u64 paged_out;		/* bytes, before anything was frozen */
};

struct capture_opts {
	struct ohib_writer_opts writer;	/* max_pages, kernels and machine id are filled in when unset */
	enum capture_ending ending;
	struct area area;		/* swap on the overlay device; none: the machine's own is enough */
	/*
	 * The stage begins, or goes on (@done of @total pages, or bytes). From CAPTURE_SNAPSHOT on it must not
	 * write to any file system, nor allocate much.
	 */
	void (*progress)(void *arg, enum capture_stage stage, u64 done, u64 total,
			 const struct capture_report *report);
	/* More state for the config section; called when processes are frozen, file systems not. */
	int (*config)(void *arg, struct json_object *config, struct ohib_err *err);
	/* More sections (files without a name …); called at the same time. */
	int (*sections)(void *arg, struct ohib_writer *w, struct ohib_err *err);
	/* The machine goes down now, with @err as the reason, for no state on the device can be written. */
	void (*last_words)(void *arg, const struct ohib_err *err);
	void *arg;
};

/*
 * Hibernate. Does not come back from a success: the machine goes down. It returns
 *	0 in the woken machine, *@woken told; @err may be set all the same, with what is left of the area;
 *	negative errno in the machine as it was, all undone, the image's state none (or stale).
 */
int capture_hibernate(const struct capture_opts *opts, struct ohib_woken *woken,
		      struct capture_report *report, struct ohib_err *err);

/*
 * Everything that capture_hibernate needs and that can be known beforehand: file systems that cannot
 * be frozen, the snapshot device. Changes nothing.
 */
int capture_check(struct ohib_err *err);
