/* SPDX-License-Identifier: GPL-2.0-only */
/* Signal handlers, pending signals and timers. */
#pragma once

#include "util/types.h"
#include "util/vec.h"

#define M_NSIG 64

/* struct sigaction as rt_sigaction takes it (the kernel's layout on x86-64). */
struct m_sigaction {
	u64 handler, flags, restorer, mask;
};

struct m_siginfo {
	u8 raw[128];		/* siginfo_t as user space sees it */
	bool bare;		/* pending bit without a queue entry: si_signo only */
};

struct m_pending {
	VEC(struct m_siginfo) queue; /* in order of delivery */
};

struct m_itimer {
	u64 value_ns;		/* time left; 0: disarmed */
	u64 interval_ns;
};

/* POSIX timer (timer_create). */
/* Before 6.16 numbers are only ever counted up, so one is reached by making those before it. */
#define M_TIMER_ID_MAX 100000

struct m_posix_timer {
	s32 id;
	s32 clock;		/* of one thread's or another process's CPU time: with its PID in it */
	s32 notify;		/* SIGEV_* */
	s32 signo;
	u64 sigval;
	pid_t notify_tid;	/* SIGEV_THREAD_ID */
	u64 value_ns;		/* time left; 0: disarmed */
	u64 interval_ns;
	bool absolute;		/* armed for a date of its clock, which says it all */
	u64 abs_ns;		/* when absolute: that date */
	s32 overrun;
};
