// SPDX-License-Identifier: GPL-2.0-only
/*
 * The watchdog of a restore: a process, so that it runs whatever the reloader waits for in the kernel.
 * Context: forked before the reloader has grown; ends with it, or when it is told to.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "remote.h"
#include "watchdog.h"

#define LOOK_MS 100u

static struct shared {
	_Atomic int armed;
	_Atomic bool work;
	char stage[32];
	struct remote_pulse pulse;
} *shared;
static pid_t watcher;

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

/* Clock ticks that all threads of @pid took (proc_pid_stat(5), utime and stime); 0: not known. */
static u64 work_of(pid_t pid)
{
	unsigned long long user = 0, kernel = 0;
	char path[32], text[512], *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	p = f ? fgets(text, sizeof(text), f) : NULL;
	if (f)
		fclose(f);
	p = p ? strrchr(text, ')') : NULL;
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &kernel) != 2)
		return 0;
	return user + kernel;
}

static void watch(const struct watchdog_opts *o)
{
	u64 work, worked = 0;
	u64 beats = 0, since = now_ms(), told = 0, quiet;
	struct watchdog_seen seen;
	char stage[32];

	for (;;) {
		usleep(LOOK_MS * 1000);
		work = shared->work ? work_of(getppid()) : 0;
		if (!shared->armed || shared->pulse.beats != beats || work != worked) {
			beats = shared->pulse.beats;
			worked = work;
			since = now_ms();
			told = 0;
			continue;
		}
		quiet = now_ms() - since;
		if (quiet >= o->give_up_ms) {
			o->give_up(shared->armed);
			_exit(1);
		}
		if (quiet - told < o->tell_ms)
			continue;
		told = quiet;
		memcpy(stage, shared->stage, sizeof(stage));
		stage[sizeof(stage) - 1] = '\0';
		seen = (struct watchdog_seen){ stage, (u32)(quiet / 1000), shared->pulse.tid,
					       shared->pulse.nr };
		o->tell(&seen);
	}
}

int watchdog_start(const struct watchdog_opts *o)
{
	pid_t self = getpid();

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		shared = NULL;
		return -1;
	}
	watcher = fork();
	if (watcher < 0) {
		munmap(shared, sizeof(*shared));
		shared = NULL;
		return -1;
	}
	if (!watcher) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != self)
			_exit(0);
		watch(o);
	}
	remote_pulse = &shared->pulse;
	return 0;
}

void watchdog_arm(int what)
{
	watchdog_beat();
	if (shared)
		shared->armed = what;
}

void watchdog_beat(void)
{
	remote_pulse->beats++;
}

void watchdog_work(bool counts)
{
	if (shared)
		shared->work = counts;
}

void watchdog_stage(const char *name)
{
	watchdog_beat();
	if (shared)
		snprintf(shared->stage, sizeof(shared->stage), "%s", name);
}

void watchdog_stop(void)
{
	if (!shared)
		return;
	kill(watcher, SIGKILL);
	while (waitpid(watcher, NULL, 0) < 0 && errno == EINTR)
		;
	remote_pulse = &remote_pulse_unseen;
	munmap(shared, sizeof(*shared));
	shared = NULL;
}
