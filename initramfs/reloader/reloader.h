/* SPDX-License-Identifier: GPL-2.0-only */
/* The reloader's subcommands and what they share. */
#pragma once

#include "util/err.h"
#include "util/types.h"

enum reload_exit {
	RELOAD_UNDONE = 1,	/* failed before the commit: boot on */
	RELOAD_NOTHING = 2,	/* there is nothing to resume */
	RELOAD_BROKEN = 3,	/* failed after it: this kernel is not fit to go on */
};

int reload_resume(int argc, char **argv);
int reload_mark_stale(int argc, char **argv);

/* resume --mode switch; the image is open to nobody else. Returns an enum reload_exit. */
int reload_switch(const char *image);

/* One line on the console. */
void reload_say(const char *text);
