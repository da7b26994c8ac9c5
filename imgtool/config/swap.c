// SPDX-License-Identifier: GPL-2.0-only
/*
 * Swap areas, when every page that was in one has been read: from then on their contents are worth
 * nothing, and the next kernel may have them. A partition is found by the UUID of its header, since it
 * may be called otherwise now.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "config/parts.h"
#include "util/cleanup.h"

/* union swap_header of linux/swap.h: the magic ends the first page, the UUID is at 1024 + 12. */
#define SWAP_MAGIC "SWAPSPACE2"
#define SWAP_MAGIC_AT (4096 - 10)
#define SWAP_UUID_AT 1036

static bool is_area(const char *path, const struct m_swap_area *a)
{
	static const u8 none[sizeof(a->uuid)];
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	u8 page[4096];

	return fd >= 0 && pread(fd, page, sizeof(page), 0) == (ssize_t)sizeof(page) &&
	       !memcmp(page + SWAP_MAGIC_AT, SWAP_MAGIC, 10) &&
	       (!memcmp(a->uuid, none, sizeof(none)) ||
		!memcmp(page + SWAP_UUID_AT, a->uuid, sizeof(a->uuid)));
}

bool config_swap_find(const struct m_swap_area *a, char *path, size_t room)
{
	static const u8 none[sizeof(a->uuid)];
	_cleanup_free_ char *text = NULL;
	char *line, *save;

	if (a->file)
		snprintf(path, room, "%s", a->path ? a->path : "");
	else
		snprintf(path, room, "/dev/%s", a->devname);
	if (is_area(path, a))
		return true;
	if (a->file || !memcmp(a->uuid, none, sizeof(none)) ||
	    text_read("/proc/partitions", &text) < 0)
		return false;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char name[128];

		if (sscanf(line, " %*u %*u %*u %100s", name) != 1)
			continue;
		/* The kernel writes '/' in names as '!'. */
		for (char *p = name; *p; p++)
			if (*p == '!')
				*p = '/';
		snprintf(path, room, "/dev/%s", name);
		if (is_area(path, a))
			return true;
	}
	return false;
}

static int restore(struct config_run *run)
{
	for (size_t i = 0; i < run->m->system.swaps.n; i++) {
		const struct m_swap_area *a = &run->m->system.swaps.v[i];
		char path[160], object[128];

		if (a->passing)
			continue;
		snprintf(object, sizeof(object), "swap %s", a->path ? a->path : a->devname);
		if (!config_swap_find(a, path, sizeof(path)))
			config_left(run, object, "there is no such swap area any more");
		else if (swapon(path, (int)a->swapon_flags) && errno != EBUSY)
			config_left(run, object, "%s: %s", path, strerror(errno));
	}
	return 0;
}

const struct config_noun config_swap = {
	.key = "swap",
	.stage = { [CONFIG_SETTLE] = restore },
};
