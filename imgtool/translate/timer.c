// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interval timers and POSIX timers of a process.
 * Source: kernel/time/{itimer,posix-timers,posix-cpu-timers,alarmtimer}.c, include/linux/posix-timers.h.
 * An interval timer whose signal has not been taken yet stands still until it is; its periods are
 * counted then. Here it goes on from the next of them.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "translate/xlate.h"

/* clock ids of CPU time: include/linux/posix-timers_types.h (6.1: posix-timers.h) */
#define CPUCLOCK_PERTHREAD 4
#define CPUCLOCK_WHICH 3
enum { CPUCLOCK_PROF, CPUCLOCK_VIRT, CPUCLOCK_SCHED };

struct cpu_time {
	u64 user, system, run;	/* as struct task_cputime_atomic has them */
};

u64 x_pid_task(struct xlate *x, u64 pid)
{
	/* PIDTYPE_PID is 0: the first of both arrays */
	u64 node = x_u64(x, x_addr(x, pid, F_PID_TASKS), F_HLIST_FIRST);

	return node ? x_container(x, node, F_TASK_PID_LINKS) : 0;
}

static void add_task(struct xlate *x, u64 task, struct cpu_time *t)
{
	t->user += x_u64(x, task, F_TASK_UTIME);
	t->system += x_u64(x, task, F_TASK_STIME);
	t->run += x_u64(x, task, F_TASK_RUNTIME);
}

static int add_thread(struct xlate *x, u64 node, void *arg)
{
	add_task(x, x_container(x, node, F_TASK_THREAD_NODE), arg);
	return x->err.code;
}

/* What the process's CPU timers go by: thread_group_sample_cputime() while any of them is armed. */
static struct cpu_time process_time(struct xlate *x, u64 signal)
{
	struct cpu_time t = {};

	if (x_u64(x, signal, F_SIG_CPUTIMER_ACTIVE)) {
		x_bytes(x, signal, F_SIG_CPUTIMER, &t, sizeof(t));
		return t;
	}
	t.user = x_u64(x, signal, F_SIG_UTIME);
	t.system = x_u64(x, signal, F_SIG_STIME);
	t.run = x_u64(x, signal, F_SIG_RUNTIME);
	x_list(x, x_addr(x, signal, F_SIG_THREAD_HEAD), add_thread, &t);
	return t;
}

static u64 cpu_sample(const struct cpu_time *t, s32 which)
{
	switch (which) {
	case CPUCLOCK_PROF:
		return t->user + t->system;
	case CPUCLOCK_VIRT:
		return t->user;
	}
	return t->run;
}

static void real_itimer(struct xlate *x, u64 signal, struct m_itimer *it)
{
	struct x_clock c;
	s64 expires, interval = x_s64(x, signal, F_SIG_IT_REAL_INCR);
	bool active = x_hrtimer(x, x_addr(x, signal, F_SIG_REAL_TIMER), &expires, &c);

	if (!active && interval <= 0)
		return;
	if (!active)
		x_forward(&expires, c.now, interval);
	it->value_ns = x_left(expires, c.now);
	it->interval_ns = interval > 0 ? interval : 0;
}

/* signal_struct.it[]: struct cpu_itimer { expires, incr } by CPUCLOCK_PROF and CPUCLOCK_VIRT */
static void cpu_itimers(struct xlate *x, u64 signal, struct m_process *p)
{
	static const int slot[] = { [CPUCLOCK_PROF] = ITIMER_PROF, [CPUCLOCK_VIRT] = ITIMER_VIRTUAL };
	u64 it[2][2];
	struct cpu_time now;
	size_t i;

	x_bytes(x, signal, F_SIG_IT, it, sizeof(it));
	if (!it[0][0] && !it[1][0])
		return;
	now = process_time(x, signal);
	for (i = 0; i < ARRAY_SIZE(it); i++) {
		if (!it[i][0])
			continue;
		p->itimers[slot[i]].value_ns = x_left(it[i][0], cpu_sample(&now, i));
		p->itimers[slot[i]].interval_ns = it[i][1];
	}
}

static void cpu_timer(struct xlate *x, u64 kit, struct m_posix_timer *t)
{
	u64 expires = x_u64(x, kit, F_KIT_CPU_EXPIRES), pid = x_u64(x, kit, F_KIT_CPU_PID), task;
	struct cpu_time now = {};

	task = pid ? x_pid_task(x, pid) : 0;
	if (!task)
		return; /* what it measured has ended: it never fires */
	if (t->clock & CPUCLOCK_PERTHREAD)
		add_task(x, task, &now);
	else
		now = process_time(x, x_u64(x, task, F_TASK_SIGNAL));
	/* "of myself" is said without a PID, and restore's caller need not be that thread */
	if (t->clock & CPUCLOCK_PERTHREAD || (s32)x_u64(x, pid, F_PID_NR) != x->pid)
		t->clock = (s32)(~(u32)x_u64(x, pid, F_PID_NR) << 3 | (t->clock & 7));
	if (expires)
		t->value_ns = x_left(expires, cpu_sample(&now, t->clock & CPUCLOCK_WHICH));
}

static void clock_timer(struct xlate *x, u64 kit, struct m_posix_timer *t)
{
	bool alarm = t->clock == CLOCK_REALTIME_ALARM || t->clock == CLOCK_BOOTTIME_ALARM;
	struct x_clock c;
	s64 expires;
	bool active;

	if (!x_clock(x, t->clock, &c)) {
		x_refuse(x, "is a timer of clock %d, which is not known", t->clock);
		return;
	}
	if (alarm)
		active = x_alarm(x, x_addr(x, kit, F_KIT_ALARM), &expires);
	else
		active = x_hrtimer(x, x_addr(x, kit, F_KIT_HRTIMER), &expires, &c);
	/* one without a notification is never queued: common_timer_get() */
	if (t->interval_ns && !active && expires)
		x_forward(&expires, c.now, t->interval_ns);
	else if (!active && (t->notify != SIGEV_NONE || expires <= c.now))
		return;
	t->value_ns = x_left(expires, c.now);
	/* a relative one of CLOCK_REALTIME is armed by CLOCK_MONOTONIC */
	t->absolute = c.id == t->clock;
	t->abs_ns = x_sum(expires, c.user_offset);
}

/* signo and sigval are in the prepared signal: kernel_siginfo with the layout of siginfo_t. */
static void notification(struct xlate *x, u64 kit, struct m_posix_timer *t)
{
	u64 sigq = x_addr(x, kit, F_KIT_SIGQ), pid = x_u64(x, kit, F_KIT_PID);
	siginfo_t info;

	t->notify = x_s64(x, kit, F_KIT_NOTIFY);
	if (x->f->loc[F_KIT_SIGQ].size == 8)
		sigq = x_u64(x, kit, F_KIT_SIGQ);
	x_bytes(x, sigq, F_SIGQUEUE_INFO, &info, sizeof(info));
	t->signo = info.si_signo;
	t->sigval = (u64)info.si_value.sival_ptr;
	if (t->notify == SIGEV_THREAD_ID) {
		t->notify_tid = pid ? (pid_t)x_u64(x, pid, F_PID_NR) : 0;
		if (!pid || !x_pid_task(x, pid))
			x_refuse(x, "signals thread %d, which has ended", t->notify_tid);
	}
	if (t->notify != SIGEV_SIGNAL && t->notify != SIGEV_NONE && t->notify != SIGEV_THREAD_ID &&
	    t->notify != SIGEV_THREAD)
		x_refuse(x, "has notification %d, which is not known", t->notify);
}

static int one_timer(struct xlate *x, u64 node, void *arg)
{
	struct m_process *p = arg;
	u64 kit = x_container(x, node, F_KIT_LIST);
	s64 interval = x_s64(x, kit, F_KIT_INTERVAL);
	struct m_posix_timer t = {
		.id = x_s64(x, kit, F_KIT_ID),
		.clock = x_s64(x, kit, F_KIT_CLOCK),
		.interval_ns = interval > 0 ? interval : 0,
		.overrun = x_s64(x, kit, F_KIT_OVERRUN) > INT32_MAX ? INT32_MAX :
								      x_s64(x, kit, F_KIT_OVERRUN),
	};

	x_object(x, "POSIX timer %d", t.id);
	if (t.id < 0 || t.id >= M_TIMER_ID_MAX)
		x_refuse(x, "has a number that can be given again up to %d only", M_TIMER_ID_MAX - 1);
	notification(x, kit, &t);
	if (t.clock < 0 || t.clock == CLOCK_PROCESS_CPUTIME_ID || t.clock == CLOCK_THREAD_CPUTIME_ID)
		cpu_timer(x, kit, &t);
	else
		clock_timer(x, kit, &t);
	x_push(x, &p->timers, t);
	return x->err.code;
}

static int by_id(const void *a, const void *b)
{
	const struct m_posix_timer *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

void xlate_timers(struct xlate *x, u64 task, struct m_process *p)
{
	u64 signal = x_u64(x, task, F_TASK_SIGNAL);

	real_itimer(x, signal, &p->itimers[ITIMER_REAL]);
	cpu_itimers(x, signal, p);
	/* a list until 6.11, a hash list since (pointer-sized) */
	if (x->f->loc[F_SIG_POSIX_TIMERS].size == 8)
		x_hlist(x, x_addr(x, signal, F_SIG_POSIX_TIMERS), one_timer, p);
	else
		x_list(x, x_addr(x, signal, F_SIG_POSIX_TIMERS), one_timer, p);
	/* numbers rise with each creation: rising is the order to make them again */
	if (p->timers.n)
		qsort(p->timers.v, p->timers.n, sizeof(*p->timers.v), by_id);
	x_object(x, "process");
}
