// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looks after a trial, in a process of its own beside the machine: warns when the layer's room gets scarce,
 * and has the old machine back before the kernel would have to drop what was written. A panic
 * starts the machine anew meanwhile. Ends when the layer is being merged, or is gone.
 * Context: the carried machine. All of it is in memory, locked: the disks may not answer any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "image/image.h"
#include "reloader/reloader.h"
#include "reloader/trial.h"
#include "util/fault.h"

#define POLL_US 500000
#define OMIT "/run/sendsigs.omit.d/overlay-trial"

/* On the console and in the kernel's log; the machine's own log takes it from there. */
static void warn(const char *text)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	char line[300];
	int n = snprintf(line, sizeof(line), "<4>overlayctl: trial: %s\n", text);

	if (fd < 0)
		return;
	if (write(fd, line, (size_t)n) < 0)
		n = 0; /* there is nobody else to tell */
	close(fd);
}

static void file_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		warn("a setting of the trial could not be made");
	if (fd >= 0)
		close(fd);
}

/* Returns when somebody else has ended the trial: what is merged into the disks must be merged to its end. */
static void revert(const char *image, const char *reason)
{
	struct ohib_err err = { 0 };
	int r;

	warn(reason);
	fault_point(FAULT_REVERT_FULL, NULL);
	r = ohib_image_move(image, OHIB_STATE_TRIAL, OHIB_STATE_TRIAL, reason, &err);
	if (r)
		warn(err.msg);
	if (r == -EBUSY)
		return;
	warn("the machine starts anew and is what it was before the switch");
	fault_point(FAULT_REVERT_FULL_DOWN, NULL);
	/* What is written belongs to the trial: nothing of it is waited for. */
	reboot(RB_AUTOBOOT);
}

static void tell(enum trial_level level, const struct trial_usage *u)
{
	char text[200];

	snprintf(text, sizeof(text), "%s%llu of %llu MB of the room are taken; when it is full the old "
		 "machine comes back: overlayctl keep ends the trial",
		 level == TRIAL_HIGH ? "only little is left: " : "", (unsigned long long)u->used >> 11,
		 (unsigned long long)u->total >> 11);
	warn(text);
}

/* Of a change of the runlevel, and of whoever ends all processes by name. */
static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

/* sysvinit's scripts leave alone what is named here, when they kill the rest (sendsigs, killprocs). */
static void stay(void)
{
	int fd = open(OMIT, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	if (dprintf(fd, "%d\n", getpid()) < 0)
		warn("that the watch is to be left alone could not be told");
	close(fd);
}

int reload_watch(const char *image)
{
	enum trial_level told = TRIAL_EASY, level;
	struct ohib_err err = { 0 };
	struct trial_usage u;
	char device[PATH_MAX];
	bool set;

	/* A link to the device may be made anew by udev while it is needed. */
	if (realpath(image, device))
		image = device;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	stay();
	mlockall(MCL_CURRENT | MCL_FUTURE);
	file_put("/proc/self/oom_score_adj", "-1000\n");
	if (fault_point(FAULT_TRIAL_WATCHED, &err))
		warn(err.msg);
	ohib_err_clear(&err);
	set = panic_restarts();
	for (;;) {
		if (trial_usage(&u, &err)) {
			warn(err.msg);
			ohib_err_clear(&err);
		} else if (u.fill == TRIAL_NONE || u.fill == TRIAL_MERGES || u.fill == TRIAL_MERGED) {
			break;
		} else {
			level = trial_level(&u);
			if (level == TRIAL_FULL) {
				revert(image, u.fill == TRIAL_LOST ?
					      "what was written is lost, it did not fit" :
					      "the room for what is written is used up");
				break;
			}
			if (level > told)
				tell(level, &u);
			if (level != told)
				told = level;
		}
		usleep(POLL_US);
	}
	if (set)
		panic_as_before();
	unlink(OMIT);
	return 0;
}
