// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of an attempt that hangs: it is told of on the console, and after five minutes the machine starts anew.
 * The boot menu has counted it.
 */
#include <stdlib.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "reloader/reloader.h"
#include "restore/watchdog.h"

#define SYNC_S 10

static void tell_quiet(const struct watchdog_seen *s)
{
	if (s->tid)
		say("%s: nothing for %u s; waiting for process %d, in system call %d", s->stage,
		    s->quiet_s, s->tid, s->nr);
	else
		say("%s: nothing for %u s", s->stage, s->quiet_s);
}

/* sync() may be what hangs. */
static void boot_anew(int what)
{
	static const char *const follows[] = {
		[HANG_UNDONE] = "the next boot tries again",
		[HANG_LOST] = "its image is spent, an ordinary boot follows",
		[HANG_ON_TRIAL] = "the next boot brings the old one back",
	};

	say("the machine does not come up: %s", follows[what]);
	if (!fork()) {
		sync();
		_exit(0);
	}
	sleep(SYNC_S);
	reboot(RB_AUTOBOOT);
}

int reload_watch_hangs(void)
{
	static const struct watchdog_opts o = {
		.tell_ms = 20000, .give_up_ms = 300000, .tell = tell_quiet, .give_up = boot_anew,
	};

	return watchdog_start(&o);
}
