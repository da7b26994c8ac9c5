// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine's clocks. It lives in a time namespace whose offsets make
 * - CLOCK_MONOTONIC go on from where it was: it does not count the time a system is suspended;
 * - CLOCK_BOOTTIME go on plus the time the machine was off, told by the difference in CLOCK_REALTIME:
 *   it is the monotonic clock "that also includes any time that the system is suspended".
 * The image's clocks are those that its processes saw, with the offsets of an earlier switch in them,
 * so that a second one does not nest.
 * Context: before any process is made, since offsets freeze when the first one enters; and after the
 * wall clock has been set from the image's distance to the hardware's.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static s64 now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * (s64)NSEC_PER_SEC + ts.tv_nsec;
}

static void split(s64 ns, s64 *sec, s64 *nsec)
{
	*sec = ns / (s64)NSEC_PER_SEC;
	*nsec = ns % (s64)NSEC_PER_SEC;
	if (*nsec < 0) {
		*nsec += (s64)NSEC_PER_SEC;
		(*sec)--;
	}
}

/* An open of PID 1's own by way of /proc, as a number in PID 1. */
static s64 join(struct restore *r, int fd)
{
	struct rtask *t = r_leader(r->init);
	s64 num = file_send(r, t, fd), ret;

	if (num < 0)
		return num;
	ret = remote_syscall(t, SYS_setns, num, CLONE_NEWTIME);
	remote_syscall(t, SYS_close, num);
	return ret;
}

int clock_enter(struct restore *r)
{
	const struct m_system *s = &r->m->system;
	s64 mono, boot, off, msec, mnsec, bsec, bnsec, ret;
	_cleanup_close_ int ns = -1, offsets = -1;
	char text[128];
	int n;

	if (!s->monotonic_ns)
		return 0; /* a description without clocks: tests */
	r->old_timens = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	if (r->old_timens < 0)
		return r_fail(r, -errno, "this kernel has no time namespaces (CONFIG_TIME_NS)");
	ret = remote_syscall(r_leader(r->init), SYS_unshare, CLONE_NEWTIME);
	if (ret)
		return r_fail_pid(r, 1, (int)ret, "cannot make a time namespace");
	r->init_timens = true;
	off = now_ns(CLOCK_REALTIME) - (s64)s->realtime_ns;
	if (off < 0)
		off = 0; /* the hardware clock was set back: no time passed, as far as can be told */
	r->off_ns = (u64)off;
	r->clocks_on_ns = now_ns(CLOCK_MONOTONIC);
	mono = (s64)s->monotonic_ns + s->timens_monotonic_ns - now_ns(CLOCK_MONOTONIC);
	boot = (s64)s->boottime_ns + s->timens_boottime_ns + off - now_ns(CLOCK_BOOTTIME);
	split(mono, &msec, &mnsec);
	split(boot, &bsec, &bnsec);
	n = snprintf(text, sizeof(text), "monotonic %lld %lld\nboottime %lld %lld\n",
		     (long long)msec, (long long)mnsec, (long long)bsec, (long long)bnsec);
	offsets = open("/proc/1/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (offsets < 0 || write(offsets, text, (size_t)n) != n)
		return r_fail(r, -errno, "cannot set the offsets of the clocks");
	ns = open("/proc/1/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return r_fail(r, -errno, "cannot open the time namespace");
	ret = join(r, ns);
	if (ret)
		return r_fail_pid(r, 1, (int)ret, "PID 1 cannot enter the time namespace");
	return 0;
}

/* The machine's clocks go on while it is built; what has a time left has less of it by then. */
u64 clock_gone(const struct restore *r, s32 clock)
{
	u64 here = r->clocks_on_ns ? (u64)(now_ns(CLOCK_MONOTONIC) - r->clocks_on_ns) : 0;

	if (clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
		return 0;
	return clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM ? r->off_ns + here : here;
}

u64 clock_left(const struct restore *r, s32 clock, u64 left_ns)
{
	u64 gone = clock_gone(r, clock);

	return left_ns > gone ? left_ns - gone : 1;
}

int clock_undo(struct restore *r)
{
	s64 ret = 0;

	if (r->init_timens)
		ret = join(r, r->old_timens);
	r->init_timens = false;
	if (r->old_timens >= 0)
		close(r->old_timens);
	r->old_timens = -1;
	return (int)ret;
}
