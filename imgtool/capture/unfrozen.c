// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which task would not freeze: one that sleeps uninterruptibly, for a disk, a network file system or a driver.
 * Reads: /proc/PID/stat, after everything was thawed again; what waits still is what was in the way.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/parts.h"
#include "util/cleanup.h"

/* The pid's name into @comm when it sleeps uninterruptibly: "PID (comm) D ...", and comm may hold anything. */
static bool is_stuck(const char *pid, char comm[32])
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[64], line[512], *begin, *end;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	f = fopen(path, "re");
	if (!f || !fgets(line, sizeof(line), f))
		return false;
	begin = strchr(line, '(');
	end = strrchr(line, ')');
	if (!begin || !end || end < begin || strncmp(end, ") D", 3))
		return false;
	snprintf(comm, 32, "%.*s", (int)(end - begin - 1), begin + 1);
	return true;
}

int capture_unfrozen(struct ohib_err *err)
{
	char comm[32], names[320] = "";
	struct dirent *de;
	size_t n = 0;
	DIR *d = opendir("/proc");

	while (d && (de = readdir(d))) {
		if (de->d_name[0] < '1' || de->d_name[0] > '9' || !is_stuck(de->d_name, comm))
			continue;
		if (n < sizeof(names) - 64)
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%.20s (%s)", n ? ", " : "", de->d_name,
					      comm);
	}
	if (d)
		closedir(d);
	if (!n)
		return ohib_err_set(err, -EBUSY, "freezing processes: a task did not freeze in time; the kernel log "
						 "names it");
	return ohib_err_set(err, -EBUSY, "freezing processes: these wait uninterruptibly, for a disk, a server or a "
					 "driver; end what they wait for: %s", names);
}
