/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a block device is made of: RAID, encryption, LVM and the like between it and the disks.
 * Reads: sysfs. Never: opens a device.
 */
#pragma once

#include "util/types.h"

#define DISK_LAYERS_MAX 32

enum disk_kind {
	DISK_MD,	/* RAID of the kernel's own */
	DISK_LVM,	/* a logical volume, or a hidden part of one */
	DISK_CRYPT,	/* dm-crypt: LUKS or plain */
	DISK_LINEAR,	/* any other of device-mapper's that has no UUID: a layer of a trial, kept */
	DISK_OTHER,	/* multipath, bcache, loop … */
};

struct disk_layer {
	enum disk_kind kind;
	char name[128];		/* of device-mapper's, else the kernel's: "vg-root", "md0" */
	char number[24];	/* "254:1" */
};

/*
 * The layers of the device with this number ("8:1", as in mountinfo) from it down; disks and partitions are none.
 * Returns how many, or -E2BIG: more than there is room for in @layers, -ENODEV: there is no such device. @sys: "/sys".
 */
int disk_stack(const char *sys, const char *number, struct disk_layer layers[DISK_LAYERS_MAX]);
