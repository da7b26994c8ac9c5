/* SPDX-License-Identifier: GPL-2.0-only */
/* Device nodes as the kernel numbers and names them. Not for anyone outside of config/. */
#pragma once

#include <sys/types.h>

#include "config/parts.h"

struct json_object;

/* The kernel's own name under /dev of device @rdev; false: it has none. */
bool kernel_node_name(bool block, dev_t rdev, char *buf, size_t room);
/* Name of the driver that has major @major in /proc/devices, and back; 0: none. */
bool driver_of_major(bool block, unsigned int major, char *buf, size_t room);
unsigned int major_of_driver(bool block, const char *driver);

/* devnode_dm.c: what the device of device-mapper is, whatever its number; false: it is none. */
#define DM_IDENTITY_MAX 300
bool dm_identity(dev_t rdev, char *buf, size_t room);
/* Its node now: "dm-3"; false: it is not there. */
bool dm_node_now(const char *identity, char *name, size_t room);
/* Where a link of the image kernel's time, of whose nodes @list tells, has to lead now; false: nowhere. */
bool dm_target_now(struct json_object *list, const char *target, char *now, size_t room);

/*
 * @each for every node that the kernel made both here and there: its number then and now (0: it is not
 * there any more).
 */
int devnodes_renumbered(struct json_object *dev, void (*each)(void *arg, bool block, dev_t then, dev_t now),
			void *arg);
/* Did the image kernel have a node of that name? */
bool devnodes_had(struct json_object *dev, const char *path);
