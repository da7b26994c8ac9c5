/* SPDX-License-Identifier: GPL-2.0-only */
/* What the reloader's commands share. */
#pragma once

#include "util/err.h"
#include "util/types.h"

/* The hooks in the initramfs act on these; see initramfs/README.md. */
enum reload_exit {
	RELOAD_UNDONE = 1,	/* failed, and everything is as it was: the boot can go on */
	RELOAD_NO_IMAGE = 2,	/* nothing to resume here */
	RELOAD_UNFIT = 3,	/* failed behind the commit: this kernel is not fit to go on */
	RELOAD_REFUSED = 4,	/* not to be trusted, or not to be opened: neither another mode nor another try would do better */
	RELOAD_TRIAL = 10,	/* mark-stale: a trial ended; the old machine is to be resumed exactly */
	RELOAD_UNMERGED = 11,	/* the disks are between two states: nothing may be mounted */
};

/* A line on the console and in the kernel's log, with the seconds since the program began. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
double seconds(void);

/* An error as one line for people. */
void reload_reason(const struct ohib_err *err, char *text, size_t size);

struct ohib_image;

/*
 * One attempt to resume the image: its state is `resuming` while @how runs; when that fails it is armed
 * again, with the reason in it. Returns an exit code.
 */
int reload_attempt(const char *image, bool exact,
		   int (*how)(const char *path, struct ohib_image *img,
			      struct ohib_err *err));

/*
 * open.c: open an image that may be resumed here: with its key, made as the configuration demands, and made on
 * this machine. What nobody needs to be asked for comes first; @program asks, NULL: the console. @keep: the
 * kernel keeps the keys for the next program of this boot. -ENODATA: there is none to be resumed.
 */
int reload_open(const char *path, const char *program, bool keep, struct ohib_image **img,
		struct ohib_err *err);
/* Is no image to be trusted here that is not sealed? */
bool reload_demands_key(void);
/* It has failed: say so, and what to exit with. */
enum reload_exit reload_open_failed(int r, const struct ohib_err *err);
/* Why an image was not to be opened, in this boot; empty: none was. */
void reload_why(char *text, size_t size);
/* The keys are not needed any more, neither by this program nor by another one of this boot. */
void reload_forget_keys(struct ohib_image *img);

/* What a hang would mean, for watchdog_arm() (restore/watchdog.h). */
enum { HANG_UNDONE = 1, HANG_LOST, HANG_ON_TRIAL };
/* From now on hangs are told of and end: see hang.c. -1: that could not be begun, for @errno. */
int reload_watch_hangs(void);

/* -ESTALE: a file system on a disk is not what the suspended machine left. */
int supers_check(struct ohib_image *img, struct ohib_err *err);

/* Ask for what opens the image, while there is still somebody who can ask; it is kept for the others. */
int reload_unlock(const char *image, const char *program);
int reload_switch(const char *image);
int reload_exact(const char *image);
int reload_baseline(void);
/* @program asks for the key of one that is to be merged, NULL: the console. */
int reload_mark_stale(const char *image, const char *reason, bool discard, bool keep, const char *program);
/*
 * An exact resume has failed and was undone: 0 when the machine is to be started anew for another one, under its own
 * kernel if this one is another; else RELOAD_UNDONE.
 */
int reload_again(const char *image);
/* Print how many attempts to resume the image were counted; nothing when there were none. */
int reload_attempts(const char *image);
/* Finish a merge that a power cut ended: 0, RELOAD_UNMERGED, or RELOAD_TRIAL when it had not begun. */
int reload_finish_keep(const char *image, const char *program);
/* Watch how full the trial's layer gets, for as long as there is one. */
int reload_watch(const char *image);
