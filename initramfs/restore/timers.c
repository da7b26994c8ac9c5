// SPDX-License-Identifier: GPL-2.0-only
/* Interval timers and POSIX timers, with their numbers; armed with the time they had left. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "engine.h"

#ifndef PR_TIMER_CREATE_RESTORE_IDS
#define PR_TIMER_CREATE_RESTORE_IDS 77 /* 6.16 */
#endif

static int set_itimers(struct restore *r, struct rproc *p)
{
	struct rtask *t = r_leader(p);

	for (int i = 0; i < 3; i++) {
		const struct m_itimer *it = &p->m->itimers[i];
		u64 left = i == ITIMER_REAL && it->value_ns ?
				   clock_left(r, CLOCK_MONOTONIC, it->value_ns) : it->value_ns;
		struct itimerval v = {
			.it_interval = { (time_t)(it->interval_ns / NSEC_PER_SEC),
					 (suseconds_t)(it->interval_ns % NSEC_PER_SEC / 1000) },
			.it_value = { (time_t)(left / NSEC_PER_SEC),
				      (suseconds_t)(left % NSEC_PER_SEC / 1000) },
		};
		s64 ret;

		if (!it->value_ns && !it->interval_ns)
			continue;
		if (it->value_ns && !v.it_value.tv_sec && !v.it_value.tv_usec)
			v.it_value.tv_usec = 1;
		ret = remote_syscall(t, SYS_setitimer, i, remote_put(t, 0, &v, sizeof(v)), 0);
		if (ret)
			return r_fail_pid(r, p->pid, (int)ret, "cannot set its interval timer %d", i);
	}
	return 0;
}

struct sigev {
	u64 value;
	s32 signo, notify;
	s32 tid;
	s32 pad[11];
};

/*
 * With restore mode the number is given; otherwise numbers rise by one with each creation, and
 * the ones in between are made and deleted.
 */
static int create(struct restore *r, struct rproc *p, const struct m_posix_timer *pt, bool exact)
{
	struct rtask *t = r_leader(p);
	struct sigev ev = { pt->sigval, pt->signo, pt->notify, pt->notify_tid, { 0 } };
	u64 va, idp;
	s32 id = exact ? pt->id : -1;
	s64 ret;

	for (int i = 0; i < M_TIMER_ID_MAX; i++) {
		va = remote_put(t, 64, &ev, sizeof(ev));
		idp = remote_put(t, 0, &id, sizeof(id));
		ret = remote_syscall(t, SYS_timer_create, pt->clock, va, idp);
		if (!ret)
			ret = remote_read(t, idp, &id, sizeof(id));
		if (ret)
			return r_fail_pid(r, p->pid, (int)ret, "cannot make its timer %d", pt->id);
		if (id == pt->id)
			return 0;
		remote_syscall(t, SYS_timer_delete, id);
		if (exact || id > pt->id)
			break;
	}
	return r_fail_pid(r, p->pid, -ERANGE, "its timer %d came out as %d", pt->id, id);
}

int timers_set(struct restore *r, struct rproc *p)
{
	struct rtask *t = r_leader(p);
	bool exact = false;
	int ret;

	ret = set_itimers(r, p);
	if (ret || !p->m->timers.n)
		return ret;
	exact = !remote_syscall(t, SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, 1, 0, 0, 0);
	for (size_t done = 0; !ret && done < p->m->timers.n; done++) {
		const struct m_posix_timer *pt = &p->m->timers.v[done];
		struct itimerspec its;
		u64 value;
		s64 got;

		ret = create(r, p, pt, exact);
		if (ret || !pt->value_ns)
			continue;
		its.it_interval.tv_sec = (time_t)(pt->interval_ns / NSEC_PER_SEC);
		its.it_interval.tv_nsec = (long)(pt->interval_ns % NSEC_PER_SEC);
		value = pt->absolute ? pt->abs_ns : clock_left(r, pt->clock, pt->value_ns);
		its.it_value.tv_sec = (time_t)(value / NSEC_PER_SEC);
		its.it_value.tv_nsec = (long)(value % NSEC_PER_SEC);
		got = remote_syscall(t, SYS_timer_settime, pt->id, pt->absolute ? TIMER_ABSTIME : 0,
				     remote_put(t, 0, &its, sizeof(its)), 0);
		if (got)
			ret = r_fail_pid(r, p->pid, (int)got, "cannot arm its timer %d", pt->id);
	}
	if (exact)
		remote_syscall(t, SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, 0, 0, 0, 0);
	return ret;
}
