// SPDX-License-Identifier: GPL-2.0-only
/* The node of a block device, told by sysfs: udev need not run. */
#include <dirent.h>
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

static bool has_entries(const char *path)
{
	struct dirent *de;
	bool any = false;
	DIR *d = opendir(path);

	while (d && (de = readdir(d)))
		any |= de->d_name[0] != '.';
	if (d)
		closedir(d);
	return any;
}

bool disk_is_stacked(const char *number, const char *node)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/dev/block/%.32s/slaves", number);
	if (!strncmp(node, "/dev/loop", 9) || has_entries(path))
		return true;
	/* a partition of such a device */
	snprintf(path, sizeof(path), "/sys/dev/block/%.32s/../slaves", number);
	return has_entries(path);
}
