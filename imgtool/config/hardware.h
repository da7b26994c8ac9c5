/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which machine it is, by what user space can ask of any kernel: an image goes on where it was made.
 *
 *	product_uuid	of the firmware (DMI); left out where there is none
 *	cpu		"vendor family model"
 */
#pragma once

#include "util/err.h"

struct json_object;

struct json_object *hardware_json(void);
/* @was: what hardware_json() gave when the image was made. -EXDEV: this is another machine. */
int hardware_compare(struct json_object *was, struct ohib_err *err);
