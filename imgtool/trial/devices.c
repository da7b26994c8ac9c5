// SPDX-License-Identifier: GPL-2.0-only
/* The block devices under a trial: names, sizes, who may write. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "disk/node.h"
#include "trial/trial.h"
#include "util/cleanup.h"

int trial_node(dev_t number, char node[80])
{
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", major(number), minor(number));
	return disk_node(text, node);
}

int trial_size(const char *node, dev_t *number, u64 *sectors, struct ohib_err *err)
{
	_cleanup_close_ int fd = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	u64 bytes;

	if (fd < 0 || fstat(fd, &st) || ioctl(fd, BLKGETSIZE64, &bytes))
		return ohib_err_set(err, -errno, "%s: %s", node, strerror(errno));
	*number = st.st_rdev;
	*sectors = bytes / 512;
	return *sectors ? 0 : ohib_err_set(err, -EINVAL, "%s is empty", node);
}

int trial_set_ro(const char *node, bool ro, struct ohib_err *err)
{
	_cleanup_close_ int fd = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int is;

	if (fd < 0 || ioctl(fd, BLKROGET, &is))
		return ohib_err_set(err, -errno, "%s: %s", node, strerror(errno));
	if (!is == !ro)
		return 0;
	if (ioctl(fd, BLKROSET, &(int){ ro }))
		return ohib_err_set(err, -errno, "%s cannot be made %s: %s", node,
				    ro ? "read-only" : "writable", strerror(errno));
	return 1;
}
