/* SPDX-License-Identifier: GPL-2.0-only */
/* The configuration state of the image on its way into this kernel. */
#pragma once

#include "machine/machine.h"
#include "util/err.h"

struct json_object;
struct ohib_image;

struct configure {
	struct json_object *json;
	struct machine *m;
	struct refusals warnings;
};

/* Both set @c; to be closed in either case. */
int configure_open(struct configure *c, struct ohib_image *img, struct machine *m,
		   struct ohib_err *err);
void configure_close(struct configure *c);

/* The stages of config/config.h, as struct restore_opts wants them. */
int configure_prepare(struct configure *c, const char *root, struct ohib_err *err);
int configure_restore(struct configure *c, struct ohib_err *err);
int configure_settle(struct configure *c, struct ohib_err *err);
void configure_undo(struct configure *c);
