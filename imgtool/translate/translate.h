/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Translation as its users see it: a kernel (in an image, or the running one) opened as data, and the
 * machine read out of it.
 */
#pragma once

#include "machine/machine.h"
#include "typedata/fields.h"
#include "typedata/symbols.h"
#include "util/err.h"
#include "view/view.h"

struct json_object;
struct ohib_image;

/* A kernel's memory with all that is needed to read it. */
struct kernel_data {
	struct symbols *syms;
	struct typedata *types;
	struct fields fields;
	struct view *view;
	char *vmcoreinfo;
};

/* From an open image, which must outlive it. */
int kernel_data_open_image(struct ohib_image *img, struct kernel_data **out, struct ohib_err *err);
/* The running kernel; root only. */
int kernel_data_open_live(struct kernel_data **out, struct ohib_err *err);
void kernel_data_close(struct kernel_data *k);
/* All is translated: only pages will be read. What else it took goes back to the kernel. */
void kernel_data_shed(struct kernel_data *k);

struct translate_opts {
	pid_t tool_pid;		/* the hibernating tool in this memory; 0: none */
	u64 tool_woken_va;
	bool frozen;		/* a running kernel whose user space is frozen: registers stand still */
	bool no_pages;		/* leave out where pages are: enough to list and check */
	u64 realtime_ns, monotonic_ns, boottime_ns;	/* at the snapshot */
	struct json_object *swaps;	/* made by swap_areas_json(); NULL: not known */
	struct json_object *filesystems; /* see fsident.c; NULL: not known */
	const char *mountinfo;	/* PID 1's, for options of file systems on disk; NULL: leave them out */
};

/*
 * Translate everything. 0: @out is complete, though m->refusals may tell of objects that cannot be
 * carried. Negative: the memory could not be read or made no sense.
 */
int machine_translate(struct kernel_data *k, const struct translate_opts *o, struct machine **out,
		      struct ohib_err *err);
/* Same for an image, with the options out of its configuration section. */
int machine_from_image(struct ohib_image *img, struct kernel_data *k, bool no_pages,
		       struct machine **out, struct ohib_err *err);
void machine_free(struct machine *m);
