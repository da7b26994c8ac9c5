// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl revert: end a trial, the old machine comes back. */
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "trial/trial.h"
#include "util/fault.h"

static const char doc[] =
	"End a trial: the machine starts anew at once, and the old one comes back under the kernel it had, exactly as "
	"it was before the switch, its disks too.\v"
	"What was done and written since is lost. Nothing is shut down beforehand. Any other reboot does the same.\n\n"
	"Exit codes: 4 there is no trial, 5 the image is damaged, 1 it could not be done.";

int cmd_revert(int argc, char **argv)
{
	struct trial_usage u = {0};
	struct ohib_image_info info;
	struct ohib_err err = {0};
	struct common_opts o = {0};
	char path[256];
	int r;

	common_opts_parse(&device_argp, doc, argc, argv, &o);
	if (!device_from_opts(&o, path, sizeof(path)))
		return EXIT_FAILED;
	r = ohib_image_peek(path, &info, &err);
	if (!r && info.state == OHIB_STATE_KEEPING) {
		fprintf(stderr, "overlayctl: it is too late: what was written is being merged into the disks\n");
		return EXIT_FAILED;
	}
	if (!r && (info.state != OHIB_STATE_TRIAL || trial_usage(&u, &err) || u.fill == TRIAL_NONE)) {
		fprintf(stderr, "overlayctl: this machine is not on trial\n");
		return EXIT_NO_IMAGE;
	}
	if (!r)
		r = fault_point(FAULT_REVERT, &err);
	if (!r)
		r = ohib_image_move(path, OHIB_STATE_TRIAL, OHIB_STATE_TRIAL, "reverted with overlayctl revert", &err);
	if (!r)
		r = fault_point(FAULT_REVERT_DOWN, &err);
	if (r) {
		complain(&err);
		return exit_code_of(r);
	}
	printf("Back to the machine under Linux %s.\n", info.image_kernel);
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	perror("overlayctl: the machine does not start anew: reboot it by hand");
	return EXIT_FAILED;
}
