/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which machine it is, by what user space can ask of any kernel: an image goes on where it was made.
 *
 *	product_uuid	of the firmware (DMI); left out where there is none
 *	cpu		"vendor family model"
 *	pci		{slot: "vendor:device"} of what is built in or plugged in for good
 */
#pragma once

#include "util/err.h"

struct json_object;

struct json_object *hardware_json(void);
/* @was: what hardware_json() gave when the image was made. -EXDEV: this is another machine. */
int hardware_compare(struct json_object *was, struct ohib_err *err);
/*
 * For memory that is put back as it was, with drivers that know their devices. -ENODEV: a PCI device of the machine is not
 * at its place. More devices than there were are none of its business.
 */
int hardware_devices(struct json_object *was, struct ohib_err *err);
