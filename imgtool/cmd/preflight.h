/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must hold before anything is frozen. Every part adds what stands against it to one list, so that
 * the user sees all of it at once.
 */
#pragma once

#include "capture/area.h"
#include "machine/refusal.h"
#include "util/err.h"
#include "util/types.h"

struct kernel_data;

struct preflight {
	const char *device;		/* as the user gave it; NULL: default */
	const struct key_policy *keys;	/* of the image that is to be made; NULL: not sealed */
	bool no_menu;			/* the boot menu is not gone through (kexec) */
	bool wants_switch;		/* --next-kernel was given */
	const char *wanted_kernel;	/* its argument; NULL: the newest other one */
	bool trial;			/* --trial */
	u64 trial_bytes;		/* --trial-size; 0: all the room there is */
	bool trial_in_clear;		/* --trial-in-clear: also when the disks are encrypted */
	struct kernel_data *kernel;	/* opened once, kept until preflight_free */
	/* Filled in. */
	char path[256];			/* the device */
	char name[300];			/* how it is found again at boot */
	char image_kernel[65], next_kernel[65]; /* the latter empty: exact resume */
	bool is_block;			/* a device of its own, not a file in a file system */
	u64 device_bytes, estimate_bytes;
	u64 page_out_bytes;		/* will have to go to swap first */
	struct area area;		/* swap on the overlay device for it; none: not needed, or not possible */
	u64 image_room;			/* of device_bytes, what is before that */
	struct refusals refusals;
	struct refusals warnings;	/* worth telling, stand against nothing */
};

/* 0: looked at everything, see the lists. Negative: could not look. */
int preflight_run(struct preflight *p, struct ohib_err *err);
/* Drops what was found; preflight_run can look again then. */
void preflight_free(struct preflight *p);

/* The part that the translator plays: what of the running machine could not be carried. */
int preflight_translate(struct preflight *p, struct ohib_err *err);

/*
 * The same once user space is frozen: what came in between is seen, and nothing changes any more. Rows are
 * added to @frozen. Writes to no file system.
 */
int preflight_frozen(struct preflight *p, struct refusals *frozen, struct ohib_err *err);

struct machine;
/* Does what is in use fit into the copy, and what does not fit into swap? */
void preflight_memory(struct preflight *p);
/* Is there RAM for it beside the next kernel while that takes it over? */
void preflight_memory_of_switch(struct preflight *p);
/* Would the initramfs that resumes it find the key, and take the image for this machine's? */
void preflight_keys(struct preflight *p);
void preflight_menu(struct preflight *p);
/* Of an image in a file: was that one named which is mounted here, and do the boots look there? */
void preflight_file(struct preflight *p);
void preflight_place(struct preflight *p);
void preflight_pids(struct preflight *p, const struct machine *m);
/* Would the next kernel's initramfs put together what the file systems lie on? */
void preflight_disks(struct preflight *p, const struct machine *m);

struct json_object;
struct json_object *preflight_json(const struct preflight *p);
void preflight_print(const struct preflight *p);
/* What will have to be paged out, and to where; nothing when all fits. */
void preflight_print_paging(const struct preflight *p);
