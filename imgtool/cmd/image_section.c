// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl image section: write one of an image's parts to stdout. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "util/cleanup.h"

static const char doc[] =
	"Write section NAME of the image to stdout, unpacked and checked.\v"
	"overlayctl image info lists the sections. `config' is JSON, `kallsyms' and `vmcoreinfo' "
	"are text, `btf' is what bpftool and pahole read.\n\n"
	"Exit codes: 0 written, 4 no image or no such section, 5 damaged, 1 failed.";

struct opts {
	struct common_opts common;
	const char *name;
};

static const struct argp_child children[] = {{&keyed_argp, 0, NULL, 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		return 0;
	case ARGP_KEY_ARG:
		if (o->name)
			argp_usage(state);
		o->name = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int cmd_image_section(int argc, char **argv)
{
	static const struct argp argp = {NULL, parse, "NAME", doc, children, NULL, NULL};
	_cleanup_free_ void *data = NULL;
	struct ohib_image *img;
	struct ohib_err err = {0};
	struct opts o = {0};
	char path[256];
	size_t len;
	int id, r;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	for (id = 1; id < OHIB_SEC_MAX && strcmp(ohib_section_name(id), o.name); id++)
		;
	if (id == OHIB_SEC_MAX) {
		fprintf(stderr, "overlayctl: there is no section %s\n", o.name);
		return EXIT_USAGE;
	}
	if (!device_from_opts(&o.common, path, sizeof(path)))
		return EXIT_FAILED;
	r = image_open(&o.common, path, &img, &err);
	if (!r) {
		r = ohib_image_section(img, id, &data, &len, &err);
		ohib_image_close(img);
	}
	if (!r && (fwrite(data, 1, len, stdout) != len || fflush(stdout)))
		r = ohib_err_set(&err, -errno, "stdout: %s", strerror(errno));
	if (r)
		complain(&err);
	return exit_code_of(r);
}
