// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl cancel: discard the suspended machine. */
#include <stdio.h>

#include "capture/area.h"
#include "cmd/cmd.h"

static const char doc[] =
	"Discard the suspended machine: its image becomes stale and is never resumed.\v"
	"What its programs had not written to disk is lost, as after a power cut; the file systems "
	"themselves "
	"were clean when it was suspended.\n\nMemory of the running machine that a hibernate has paged out to the "
	"overlay device and could not get back is got back first.\n\nExit codes: 0 discarded, 4 there was none, 5 it is damaged, "
	"1 it could not be done.";

int cmd_cancel(int argc, char **argv)
{
	struct ohib_image_info info;
	struct ohib_err err = {0};
	struct common_opts o = {0};
	char path[256], area[80];
	bool had_area;
	u64 used;
	int r;

	common_opts_parse(&device_argp, doc, argc, argv, &o);
	if (!device_from_opts(&o, path, sizeof(path)))
		return EXIT_FAILED;
	/* A hibernate may have left it, and with it a claim on the device. */
	had_area = area_find(area, &used);
	if (had_area && area_end(&err)) {
		complain(&err);
		return EXIT_FAILED;
	}
	if (had_area)
		printf("%llu MB that were paged out to the overlay device are back in memory.\n",
		       (unsigned long long)used >> 20);
	r = ohib_image_peek(path, &info, &err);
	if (!r && ohib_state_on_trial(info.state)) {
		fprintf(stderr, "overlayctl: this machine is on trial: end that with overlayctl keep or "
				"overlayctl revert\n");
		return EXIT_FAILED;
	}
	if (!r && info.state != OHIB_STATE_ARMED && info.state != OHIB_STATE_RESUMING &&
	    info.state != OHIB_STATE_WRITING) {
		printf("There is nothing to discard: the image is %s.\n",
		       ohib_state_name(info.state));
		return EXIT_NO_IMAGE;
	}
	if (!r)
		r = ohib_image_set_state(path, OHIB_STATE_STALE, "discarded with overlayctl cancel",
					 &err);
	if (r) {
		complain(&err);
		return exit_code_of(r);
	}
	printf("The machine suspended under Linux %s is discarded.\n", info.image_kernel);
	return EXIT_OK;
}
