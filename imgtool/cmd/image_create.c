// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl image create, overlayctl image place: a file for the image, and how boots are told of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "image/locate.h"
#include "image/place.h"

#define FILE_DEFAULT "/overlay.image"

static const char create_doc[] =
	"Make a file for the image, by default " FILE_DEFAULT ".\v"
	"It is on an ext2, ext3 or ext4 that is on a partition or disk itself: GRUB writes to FILE.env "
	"beside it, which is made as well. Both are immutable (chattr(1)), so that they stay where they "
	"are; to be rid of them: chattr -i, then rm.\n\n"
	"Then set device=FILE in " OHIB_CONF ", and run update-initramfs -u -k all and update-grub.\n\n"
	"Exit codes: 0 made, 1 failed, nothing was made.";

static const char place_doc[] =
	"Print how a boot is told where the image is: what ohib.image= on a kernel's command line may be.\v"
	"Exit codes: 0 printed, 1 there is no such device, or no such file for an image.";

struct opts {
	const char *file;
	u64 mb;
};

static const struct argp_option options[] = {
	{"size", 's', "MB", 0, "How large (default: half of RAM)", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	char *end;

	switch (key) {
	case 's':
		errno = 0;
		o->mb = strtoull(arg, &end, 10);
		if (errno || *end || !o->mb || o->mb > 1u << 30)
			argp_error(state, "--size=%s: a number of MB", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_usage(state);
		o->file = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int cmd_image_create(int argc, char **argv)
{
	static const struct argp argp = {options, parse, "[FILE]", create_doc, NULL, NULL, NULL};
	struct opts o = {.file = FILE_DEFAULT};
	struct ohib_err err = {0};
	char real[256], conf[256] = "";

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (!o.mb)
		o.mb = (u64)sysconf(_SC_PHYS_PAGES) / 2 >> 8;
	if (place_create(o.file, o.mb << 20, real, sizeof(real), &err)) {
		complain(&err);
		return EXIT_FAILED;
	}
	printf("%s and %s" PLACE_ENV " are made.\n", real, real);
	ohib_conf_get("device", conf, sizeof(conf));
	if (strcmp(conf, real))
		printf("Set device=%s in " OHIB_CONF ", then:\n", real);
	printf("update-initramfs -u -k all && update-grub\n");
	return EXIT_OK;
}

int cmd_image_place(int argc, char **argv)
{
	struct common_opts o = {0};
	struct ohib_err err = {0};
	char path[256], name[300];
	struct stat st;

	common_opts_parse(&device_argp, place_doc, argc, argv, &o);
	if (ohib_device_locate(o.device, path, sizeof(path), name, sizeof(name), &err)) {
		complain(&err);
		return EXIT_FAILED;
	}
	if (!stat(path, &st) && S_ISREG(st.st_mode)) {
		fprintf(stderr, "overlayctl: %s may move or change: a file for an image is made with "
			"overlayctl image create\n", path);
		return EXIT_FAILED;
	}
	puts(name);
	return EXIT_OK;
}
