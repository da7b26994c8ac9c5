// SPDX-License-Identifier: GPL-2.0-only
/* The node of a block device, told by sysfs: udev need not run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "disk/node.h"
#include "util/cleanup.h"

int disk_node(const char *number, char node[DISK_NODE_LEN])
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[64], line[96];

	snprintf(path, sizeof(path), "/sys/dev/block/%.32s/uevent", number);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "DEVNAME=", 8))
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(node, DISK_NODE_LEN, "/dev/%.70s", line + 8);
		return 0;
	}
	return -ENODEV;
}
