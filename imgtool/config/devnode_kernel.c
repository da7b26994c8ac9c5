// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel says of device numbers: sysfs and /proc/devices. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "config/devnode.h"
#include "util/cleanup.h"

bool kernel_node_name(bool block, dev_t rdev, char *buf, size_t room)
{
	_cleanup_free_ char *text = NULL;
	char path[96], *name;

	snprintf(path, sizeof(path), "/sys/dev/%s/%u:%u/uevent", block ? "block" : "char", major(rdev),
		 minor(rdev));
	if (text_read(path, &text) < 0)
		return false;
	name = strstr(text, "DEVNAME=");
	if (!name)
		return false;
	name += strlen("DEVNAME=");
	name[strcspn(name, "\n")] = '\0';
	return snprintf(buf, room, "%s", name) < (int)room;
}

/* Calls @match for each line of the section; true ends it. */
static bool scan_devices(bool block, bool (*match)(void *arg, unsigned int major, const char *driver),
			 void *arg)
{
	_cleanup_free_ char *text = NULL;
	bool in_block = false;
	char *line, *save;

	if (text_read("/proc/devices", &text) < 0)
		return false;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char driver[64];
		unsigned int major;

		if (!strncmp(line, "Block", 5))
			in_block = true;
		if (in_block == block && sscanf(line, " %u %63s", &major, driver) == 2 &&
		    match(arg, major, driver))
			return true;
	}
	return false;
}

struct by_major {
	unsigned int major;
	char *buf;
	size_t room;
};

static bool match_major(void *arg, unsigned int major, const char *driver)
{
	struct by_major *b = arg;

	return major == b->major && snprintf(b->buf, b->room, "%s", driver) < (int)b->room;
}

bool driver_of_major(bool block, unsigned int major, char *buf, size_t room)
{
	struct by_major b = { major, buf, room };

	return scan_devices(block, match_major, &b);
}

struct by_driver {
	const char *driver;
	unsigned int major;
};

static bool match_driver(void *arg, unsigned int major, const char *driver)
{
	struct by_driver *b = arg;

	b->major = major;
	return !strcmp(driver, b->driver);
}

unsigned int major_of_driver(bool block, const char *driver)
{
	struct by_driver b = { driver, 0 };

	return scan_devices(block, match_driver, &b) ? b.major : 0;
}
