// SPDX-License-Identifier: GPL-2.0-only
/*
 * RAID (md) in a machine that was put back as it was. When the power went off its kernel marked each array on the
 * disks as clean; memory, copied before that, may say "written to, and the disks say so". Then nobody would mark the array
 * again before the next write, and a crash would leave halves of a mirror different without a resync.
 * Source: drivers/md/md.c (md_notify_reboot, md_write_start, array_state_store).
 * Context: nothing is being written; file systems are frozen.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/parts.h"
#include "util/cleanup.h"

/* "clean" is what the disks say: the kernel goes on from there, and marks the array anew when it writes. */
static void agree(const char *name)
{
	char path[320], state[32] = "";
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/block/%s/md/array_state", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	n = fd < 0 ? -1 : pread(fd, state, sizeof(state) - 1, 0);
	if (n <= 0)
		return;
	if ((!strncmp(state, "active", 6) || !strncmp(state, "write-pending", 13)) && pwrite(fd, "clean", 5, 0) < 0)
		return; /* it is being written to all the same: the kernel marks it in a moment */
}

void md_agree(void)
{
	DIR *d = opendir("/sys/block");
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (!strncmp(de->d_name, "md", 2))
			agree(de->d_name);
	if (d)
		closedir(d);
}
