// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stopped processes: a group stop as the kernel makes it, entered under the tracer and left in force
 * when it lets go.
 */
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "engine.h"

static int cont(struct rtask *t, int sig)
{
	return ptrace(PTRACE_CONT, t->tid, NULL, (void *)(long)sig) ? -errno : 0;
}

static int next_stop(struct rtask *t, int *status)
{
	return waitpid(t->tid, status, __WALL) == t->tid && WIFSTOPPED(*status) ? 0 : -ESRCH;
}

static int take_part(struct rtask *t)
{
	int status, ret = next_stop(t, &status);

	return ret ? ret : status >> 16 == PTRACE_EVENT_STOP ? 0 : -EPROTO;
}

/* is_current_pgrp_orphaned(): who would be stopped from a terminal then is not. */
static bool orphaned(const struct restore *r, const struct rproc *p)
{
	const struct rproc *q;

	vec_foreach(q, &r->procs)
		if (q->m && !q->m->zombie && q->pgid == p->pgid && q->parent && q->parent->pid != 1 &&
		    q->parent->pgid != q->pgid && q->parent->sid == q->sid)
			return false;
	return true;
}

/* Which stop signal can be given: SIGSTOP when the other would not stop it. */
static int stop_signal(const struct restore *r, const struct rproc *p)
{
	int sig = p->m->stop_signal;

	if ((sig != SIGTSTP && sig != SIGTTIN && sig != SIGTTOU) || p->m->actions[sig - 1].handler || orphaned(r, p))
		return SIGSTOP;
	return sig;
}

/*
 * Context: @p is parked with its last registers, all signals blocked: whatever is pending besides comes after the stop.
 * Its parent is not finished yet.
 */
int stop_process(struct restore *r, struct rproc *p)
{
	struct rtask *leader = r_leader(p), *t;
	int status, ret, sig = stop_signal(r, p);

	if (syscall(SYS_tgkill, p->pid, p->pid, SIGSTOP))
		return r_fail_pid(r, p->pid, -errno, "cannot be stopped");
	ret = cont(leader, 0);
	if (!ret)
		ret = next_stop(leader, &status);
	if (!ret && (WSTOPSIG(status) != SIGSTOP || status >> 16))
		ret = -EPROTO;
	/* Another one that is given instead is not to be blocked. */
	if (!ret && sig != SIGSTOP)
		ret = thread_mask(leader, ~(1ull << (sig - 1)));
	if (!ret)
		ret = cont(leader, sig);
	if (!ret)
		ret = take_part(leader);
	/* The stop is on: the other threads meet it before they do anything else. */
	vec_foreach(t, &p->tasks)
		if (!ret && t != leader)
			ret = cont(t, 0);
	vec_foreach(t, &p->tasks)
		if (!ret && t != leader)
			ret = take_part(t);
	vec_foreach(t, &p->tasks)
		if (!ret)
			ret = thread_mask(t, thread_last_mask(t));
	if (ret)
		return r_fail_pid(r, p->pid, ret, "does not stop");
	/* Its parent has waited for it already: nothing is to be reported again. */
	if (p->m->stop_reported)
		remote_syscall(r_leader(p->parent), SYS_waitid, P_PID, p->pid, 0, WSTOPPED | WNOHANG, 0);
	return 0;
}
