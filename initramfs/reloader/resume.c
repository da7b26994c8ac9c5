// SPDX-License-Identifier: GPL-2.0-only
/* resume and mark-stale: options, and the state of the image on disk. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "image/image.h"
#include "image/locate.h"
#include "reloader.h"

static const struct option longopts[] = {
	{ "image", required_argument, NULL, 'i' },
	{ "mode", required_argument, NULL, 'm' },
	{ "reason", required_argument, NULL, 'r' },
	{ 0 },
};

struct opts {
	const char *image, *mode, *reason;
	char path[256];
};

static int parse(int argc, char **argv, struct opts *o)
{
	struct ohib_err e = { 0 };
	int c;

	*o = (struct opts){ .mode = "switch" };
	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'i':
			o->image = optarg;
			break;
		case 'm':
			o->mode = optarg;
			break;
		case 'r':
			o->reason = optarg;
			break;
		default:
			return -EINVAL;
		}
	}
	if (ohib_device_locate(o->image, o->path, sizeof(o->path), NULL, 0, &e)) {
		reload_say(e.msg);
		return -ENODEV;
	}
	return 0;
}

int reload_resume(int argc, char **argv)
{
	struct ohib_image_info info;
	struct ohib_err e = { 0 };
	struct opts o;

	if (parse(argc, argv, &o))
		return RELOAD_NOTHING;
	if (ohib_image_peek(o.path, &info, &e)) {
		reload_say(e.msg);
		return RELOAD_NOTHING;
	}
	if (info.state != OHIB_STATE_ARMED && info.state != OHIB_STATE_RESUMING)
		return RELOAD_NOTHING;
	if (strcmp(o.mode, "switch")) {
		reload_say("this reloader cannot put the image's own kernel back");
		return RELOAD_UNDONE;
	}
	return reload_switch(o.path);
}

int reload_mark_stale(int argc, char **argv)
{
	struct ohib_image_info info;
	struct ohib_err e = { 0 };
	struct opts o;

	if (parse(argc, argv, &o) || ohib_image_peek(o.path, &info, &e) ||
	    (info.state != OHIB_STATE_ARMED && info.state != OHIB_STATE_RESUMING))
		return 0;
	if (ohib_image_set_state(o.path, OHIB_STATE_STALE, info.reason[0] ? NULL : o.reason, &e)) {
		reload_say(e.msg);
		return 1;
	}
	return 0;
}
