/* SPDX-License-Identifier: GPL-2.0-only */
/* Block devices by number. */
#pragma once

#include "util/types.h"

#define DISK_NODE_LEN 80

/* "/dev/" and the name of the block device with this number, as in mountinfo: "8:1"; -ENODEV: it is none. */
int disk_node(const char *number, char node[DISK_NODE_LEN]);
