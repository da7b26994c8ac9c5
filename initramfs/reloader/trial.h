/* SPDX-License-Identifier: GPL-2.0-only */
/* A switch on trial: the disks under a layer, and who looks after it. */
#pragma once

#include "machine/machine.h"
#include "restore/restore.h"
#include "trial/trial.h"

struct ohib_image;

struct trial {
	struct trial_disk disks[OHIB_TRIAL_DISKS];
	size_t nr_disks;
	bool begun;
	bool panic;	/* kernel.panic is ours */
	int self;	/* this program, which is not to be found by its name any more */
};

/* Put the layer there and change the nodes of @disks to what is to be mounted. */
int reload_trial_begin(struct trial *t, const char *device, struct ohib_image *img,
		       const struct machine *m, struct restore_disk *disks, size_t nr,
		       struct ohib_err *err);
void reload_trial_undo(struct trial *t);
/* All pages have been read: swap areas stay as the old kernel left them. */
void reload_trial_settle(struct machine *m);
/* panic.c: a panic restarts the machine; true: this call made it so, to be undone by panic_as_before(). */
bool panic_restarts(void);
void panic_as_before(void);
/* In a process of its own, that lives as long as the trial. */
void reload_trial_watch(const struct trial *t, const char *device);
