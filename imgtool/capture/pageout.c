// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages the memory of processes out before anything is frozen, so that the snapshot need not do it while the
 * machine stands still.
 * Source: process_madvise(2), madvise_cold_or_pageout_pte_range() in mm/madvise.c: it takes pages that one
 * process has mapped, private ones and those of shared memory, and leaves locked ones alone. What several
 * share, and files of a tmpfs that nobody has mapped, is left to the snapshot's own reclaim; so is what
 * programs that run fetch back as fast as it goes.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "capture/memory.h"
#include "util/cleanup.h"
#include "util/vec.h"

#define CHUNK (16u << 20)	/* bytes advised at once */
#define WRITE_SECONDS 60	/* how long the disk may take for the last of it */
#define IDLE_SECONDS 15		/* no further: others need what goes, or it cannot go */
#define FURTHER (1u << 20)	/* bytes that are worth it */

struct victim {
	pid_t pid;
	bool runs;
	u64 bytes;	/* resident, anonymous and shared */
};

struct pager {
	VEC(struct victim) victims;
	struct memory_use use;
	u64 total;	/* what was too much at first */
	u64 least;	/* and at best so far, */
	time_t least_at;	/* seconds of CLOCK_MONOTONIC when that was */
	void (*progress)(void *arg, u64 done, u64 total);
	void *arg;
	bool (*stop)(void);
};

static bool read_victim(pid_t pid, struct victim *v)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[64], line[128];
	unsigned long long n;

	*v = (struct victim){ .pid = pid };
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "State:\tR", 8))
			v->runs = true;
		if (sscanf(line, "RssAnon: %llu", &n) == 1 || sscanf(line, "RssShmem: %llu", &n) == 1)
			v->bytes += n * 1024;
	}
	return v->bytes;
}

/* Who sleeps first, and of those who has most. */
static int by_worth(const void *a, const void *b)
{
	const struct victim *x = a, *y = b;

	if (x->runs != y->runs)
		return x->runs ? 1 : -1;
	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : 0;
}

static int list_victims(struct pager *p, struct ohib_err *err)
{
	struct dirent *de;
	struct victim v;
	DIR *d = opendir("/proc");
	int r = 0;

	if (!d)
		return ohib_err_set(err, -errno, "/proc: %s", strerror(errno));
	while (!r && (de = readdir(d))) {
		pid_t pid = atoi(de->d_name);

		if (pid > 0 && pid != getpid() && read_victim(pid, &v))
			r = vec_push(&p->victims, v);
	}
	closedir(d);
	if (r)
		return ohib_err_set(err, -ENOMEM, "list of processes: out of memory");
	if (p->victims.n)
		qsort(p->victims.v, p->victims.n, sizeof(p->victims.v[0]), by_worth);
	return 0;
}

/* Does it get further? */
static bool idle(struct pager *p, u64 excess)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!p->least_at || excess + FURTHER <= p->least) {
		p->least = excess;
		p->least_at = now.tv_sec;
	}
	return now.tv_sec - p->least_at > IDLE_SECONDS;
}

/* Is it enough? Tells how far it is. */
static bool look(struct pager *p)
{
	u64 excess;

	if (memory_survey(&p->use, NULL))
		return true;
	excess = memory_excess(&p->use);
	if (p->progress)
		p->progress(p->arg, excess < p->total ? p->total - excess : 0, p->total);
	return !excess || !p->use.swap_free || idle(p, excess) || (p->stop && p->stop());
}

/* A line of maps; memory that is in no file on a disk is what goes to swap. */
static bool wanted(const char *line, u64 *start, u64 *end)
{
	unsigned long long s, e, inode;
	unsigned int major;
	char perms[8];
	int name = 0;

	if (sscanf(line, "%llx-%llx %7s %*x %x:%*x %llu %n", &s, &e, perms, &major, &inode, &name) < 5)
		return false;
	/* shared memory and files of a tmpfs are on no device */
	if (inode && (major || perms[3] != 's'))
		return false;
	if (name && (!strncmp(line + name, "[v", 2)))
		return false;	/* vdso and its like */
	*start = s;
	*end = e;
	return true;
}

static bool page_out(struct pager *p, const struct victim *v)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, v->pid, 0);
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	char path[64];
	u64 at, end;
	bool done = false;

	snprintf(path, sizeof(path), "/proc/%d/maps", v->pid);
	f = pidfd < 0 ? NULL : fopen(path, "re");
	while (!done && f && getline(&line, &room, f) > 0) {
		if (!wanted(line, &at, &end))
			continue;
		while (!done && at < end) {
			size_t len = end - at < CHUNK ? end - at : CHUNK;
			struct iovec iov = { (void *)at, len };

			/* Locked memory is refused, what is gone is gone. */
			if (syscall(SYS_process_madvise, pidfd, &iov, 1, MADV_PAGEOUT, 0) < 0)
				break;
			at += len;
			if (len == CHUNK)
				done = look(p);
		}
	}
	return done || look(p);
}

/* Pages on their way to the disk still fill memory. */
static void wait_written(void)
{
	struct timespec tenth = { 0, 100000000 };
	u64 kb = 0;

	for (int i = 0; i < WRITE_SECONDS * 10; i++) {
		_cleanup_fclose_ FILE *f = fopen("/proc/meminfo", "re");
		char line[128];
		unsigned long long n;

		kb = 0;
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "Writeback: %llu", &n) == 1)
				kb = n;
		if (kb < 4096)
			return;
		nanosleep(&tenth, NULL);
	}
}

int memory_page_out(void (*progress)(void *arg, u64 done, u64 total), void *arg, bool (*stop)(void),
		    struct ohib_err *err)
{
	struct pager p = { .progress = progress, .arg = arg, .stop = stop };
	int r = memory_survey(&p.use, err);

	if (r)
		return r;
	p.total = memory_excess(&p.use);
	if (!p.total || !p.use.swap_free)
		return 0;
	if (progress)
		progress(arg, 0, p.total);
	r = list_victims(&p, err);
	for (size_t i = 0; !r && i < p.victims.n; i++)
		if (page_out(&p, &p.victims.v[i]))
			break;
	if (!r)
		wait_written();
	vec_free(&p.victims);
	return r;
}
