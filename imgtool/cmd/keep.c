// SPDX-License-Identifier: GPL-2.0-only
/*
 * overlayctl keep: end a trial, what was written since stays.
 * Point of no return: the image becomes `keeping`; from then on a boot finishes the merge.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "trial/trial.h"
#include "util/fault.h"

static const char doc[] =
	"End a trial: what was written since the switch is merged into the disks, and the image is spent.\v"
	"The machine goes on meanwhile. The old machine cannot come back from the moment this begins. "
	"A power cut does no harm: the next boot finishes the merge before it mounts anything.\n\n"
	"Exit codes: 0 kept, 4 there is no trial, 5 the image is damaged, 1 it could not be done.";

static void progress(u64 left, u64 total)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rmerging: %llu of %llu MB are left ", (unsigned long long)left >> 11,
			(unsigned long long)total >> 11);
	if (!left && isatty(STDERR_FILENO))
		fputc('\n', stderr);
}

/* What was swapped out of the old machine is of no use any more. */
static void swap_on(const struct ohib_trial_record *r)
{
	for (u32 i = 0; i < r->nr_swaps; i++)
		if (swapon(r->swap[i].path, (int)r->swap[i].flags) && errno != EBUSY)
			fprintf(stderr, "overlayctl: warning: swap %s stays off: %s\n", r->swap[i].path,
				strerror(errno));
}

static bool may_keep(const struct ohib_image_info *info)
{
	struct ohib_err err = {0};
	struct trial_usage u;

	if (info->state != OHIB_STATE_TRIAL && info->state != OHIB_STATE_KEEPING) {
		fprintf(stderr, "overlayctl: this machine is not on trial\n");
		return false;
	}
	if (trial_usage(&u, &err)) {
		complain(&err);
		return false;
	}
	if (info->state == OHIB_STATE_KEEPING)
		return true;
	if (u.fill == TRIAL_LOST)
		fprintf(stderr, "overlayctl: what was written is lost (the kernel says \"%s\"): overlayctl "
				"revert is what is left\n", u.told);
	else if (u.fill != TRIAL_RUNS)
		fprintf(stderr, "overlayctl: this machine is not on trial\n");
	return u.fill == TRIAL_RUNS;
}

int cmd_keep(int argc, char **argv)
{
	struct ohib_trial_record record;
	struct ohib_image_info info;
	struct ohib_err err = {0};
	struct common_opts o = {0};
	char path[256];
	int r;

	common_opts_parse(&device_argp, doc, argc, argv, &o);
	if (!device_from_opts(&o, path, sizeof(path)))
		return EXIT_FAILED;
	r = ohib_image_peek(path, &info, &err);
	if (!r && !may_keep(&info))
		return EXIT_NO_IMAGE;
	if (!r)
		r = trial_record_read(path, &info, &record, &err);
	/* Cut short it would only leave the rest to the next boot; a terminal that hangs up is no reason. */
	signal(SIGHUP, SIG_IGN);
	if (!r)
		r = fault_point(FAULT_KEEP, &err);
	if (!r)
		r = ohib_image_move(path, info.state, OHIB_STATE_KEEPING, NULL, &err);
	if (!r)
		r = trial_merge(path, &info, progress, &err);
	if (r == -ECANCELED)
		ohib_image_move(path, OHIB_STATE_KEEPING, OHIB_STATE_TRIAL, err.msg, NULL);
	if (!r)
		r = fault_point(FAULT_KEEP_SPENT, &err);
	if (!r)
		r = ohib_image_set_state(path, OHIB_STATE_SPENT, NULL, &err);
	if (r) {
		complain(&err);
		return exit_code_of(r);
	}
	swap_on(&record);
	printf("The machine stays under Linux %s.\n", info.next_kernel);
	return EXIT_OK;
}
