// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl check: could this machine be suspended, and what stands against it? */
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/preflight.h"

static const char doc[] =
	"Tell whether this machine could be suspended, and everything that stands against it.\v"
	"With --next-kernel it is to go on under another kernel: then what every process uses is "
	"looked at as "
	"well, with the same translator that will read the image. VERSION is a release or a series "
	"(6.12); "
	"without it the newest installed kernel but the running one is meant.\n\nNothing in the machine is "
	"changed; with --next-kernel the running kernel's own sysctls are kept in /var/lib/overlayctl/sysctl-VERSION, "
	"for later switches. "
	"overlayctl hibernate does the same before it freezes anything.\n\n"
	"Exit codes: 0 it could, 3 it could not and why was printed, 1 it could not be found out.";

struct opts {
	struct common_opts common;
	struct preflight p;
};

static const struct argp_option options[] = {
	{"next-kernel", 'n', "VERSION", OPTION_ARG_OPTIONAL, "Go on under another kernel", 0},
	{0},
};

static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {&trial_argp, 0, NULL, 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		state->child_inputs[1] = &o->p;
		return 0;
	case 'n':
		o->p.wants_switch = true;
		o->p.wanted_kernel = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int cmd_check(int argc, char **argv)
{
	static const struct argp argp = {options, parse, NULL, doc, children, NULL, NULL};
	struct ohib_err err = {0};
	struct opts o = {0};
	int r;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	o.p.device = o.common.device;
	o.p.keys = &o.common.keys;
	r = key_policy_load(&o.common.keys, &err);
	if (!r)
		r = preflight_run(&o.p, &err);
	if (r) {
		complain(&err);
		preflight_free(&o.p);
		return EXIT_FAILED;
	}
	if (o.common.json) {
		json_print(preflight_json(&o.p));
	} else {
		preflight_print(&o.p);
		preflight_print_paging(&o.p);
		if (refused(&o.p.refusals))
			printf("This machine cannot be suspended now: %zu reasons.\n",
			       o.p.refusals.list.n);
		else if (o.p.next_kernel[0])
			printf("This machine can go on under Linux %s.\n", o.p.next_kernel);
		else
			printf("This machine can be suspended and resumed under Linux %s.\n",
			       o.p.image_kernel);
	}
	r = refused(&o.p.refusals) ? EXIT_REFUSED : EXIT_OK;
	preflight_free(&o.p);
	return r;
}
