// SPDX-License-Identifier: GPL-2.0-only
/* --trial and what belongs to it, of check and hibernate. */
#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/preflight.h"
#include "image/writer.h"

enum { OPT_TRIAL = 512, OPT_TRIAL_SIZE, OPT_TRIAL_IN_CLEAR };

static const struct argp_option options[] = {
	{"trial", OPT_TRIAL, NULL, 0,
	 "With --next-kernel: until overlayctl keep, every boot brings the old machine back, its disks "
	 "as they were", 0},
	{"trial-size", OPT_TRIAL_SIZE, "MB", 0,
	 "Room behind the image for what is written meanwhile (default: all there is)", 0},
	{"trial-in-clear", OPT_TRIAL_IN_CLEAR, NULL, 0,
	 "On trial although the disks are encrypted and that room is not", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct preflight *p = state->input;
	unsigned long long mb;
	char *end;

	switch (key) {
	case OPT_TRIAL_SIZE:
		mb = strtoull(arg, &end, 10);
		if (!mb || *end || mb > 1u << 30 || (mb << 20) < OHIB_TRIAL_MIN)
			argp_error(state, "--trial-size=%s: megabytes, %u or more", arg,
				   OHIB_TRIAL_MIN >> 20);
		p->trial_bytes = mb << 20;
		p->trial = true;
		return 0;
	case OPT_TRIAL:
		p->trial = true;
		return 0;
	case OPT_TRIAL_IN_CLEAR:
		p->trial_in_clear = p->trial = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp trial_argp = {.options = options, .parser = parse};
