/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nobody else would end a restore that hangs. A process beside the reloader's looks
 * at a page that both share: when nothing is done for long it tells where it stands, and gives up.
 */
#pragma once

#include "util/types.h"

struct watchdog_seen {
	const char *stage;
	u32 quiet_s;		/* for so long nothing was done */
	pid_t tid;		/* the thread that is waited for, in system call @nr; 0: none */
	s32 nr;
};

struct watchdog_opts {
	u32 tell_ms;		/* tell after so long, and again each time it has passed */
	u32 give_up_ms;
	void (*tell)(const struct watchdog_seen *seen);
	void (*give_up)(int what);	/* to start the machine anew; @what: the last watchdog_arm()'s */
};

/* It watches from the first watchdog_arm() on. -1: there is none, for @errno. */
int watchdog_start(const struct watchdog_opts *o);
void watchdog_arm(int what);	/* not 0: what a hang would mean from now on */
void watchdog_stage(const char *name);
void watchdog_beat(void);	/* something was done */
/* Whether processor time that this process takes is something done, too: for work that does not tell of its steps. */
void watchdog_work(bool counts);
void watchdog_stop(void);
