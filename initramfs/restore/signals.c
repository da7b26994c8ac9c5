// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signal handlers and pending signals. The making of a machine raises signals of its own (SIGCHLD of
 * helpers, stand-ins, zombies and stops): they are drained before the machine's are queued.
 * Context: everything blocked in every thread.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "engine.h"

int signals_drain(struct restore *r, struct rproc *p)
{
	struct timespec zero = { 0 };
	u64 all = ~0ull;
	struct rtask *t;

	(void)r;
	vec_foreach(t, &p->tasks) {
		u64 set = remote_put(t, 0, &all, sizeof(all));
		u64 ts = remote_put(t, 64, &zero, sizeof(zero));

		while (remote_syscall(t, SYS_rt_sigtimedwait, set, 0, ts, sizeof(all)) > 0)
			;
	}
	return 0;
}

/* Signals that the process ignores; all when that cannot be told. */
static u64 ignored(pid_t pid)
{
	char path[40], line[256];
	u64 set = ~0ull;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SigIgn: %lx", &set) == 1)
			break;
	if (f)
		fclose(f);
	return set;
}

int signals_handlers(struct restore *r, struct rproc *p)
{
	struct rtask *t = r_leader(p);
	u64 set = ignored(p->pid);

	for (int sig = 1; sig <= M_NSIG; sig++) {
		struct m_sigaction *a = &p->m->actions[sig - 1];
		s64 ret;

		if (sig == SIGKILL || sig == SIGSTOP)
			continue;
		/* Made without handlers, but what PID 1 ignores is ignored (CLONE_CLEAR_SIGHAND). */
		if (p->pid != 1 && !a->handler && !a->flags && !a->mask && !a->restorer &&
		    !(set >> (sig - 1) & 1))
			continue;
		ret = remote_syscall(t, SYS_rt_sigaction, sig, remote_put(t, 0, a, sizeof(*a)), 0, 8);
		if (ret < 0)
			return r_fail_pid(r, p->pid, (int)ret, "cannot set the handler of signal %d", sig);
	}
	return 0;
}

static int queue(struct restore *r, struct rproc *p, struct rtask *t, bool shared,
		 const struct m_pending *pending)
{
	for (size_t i = 0; i < pending->queue.n; i++) {
		const struct m_siginfo *si = &pending->queue.v[i];
		siginfo_t info;
		u64 va;
		s64 ret;

		memcpy(&info, si->raw, sizeof(info));
		/* Refused, but for a SIGSTOP of who has stopped already: it would be gone when it goes on. */
		if (info.si_signo == SIGKILL || info.si_signo == SIGSTOP)
			continue;
		va = remote_put(t, 0, &info, sizeof(info));
		if (shared)
			ret = remote_syscall(t, SYS_rt_sigqueueinfo, p->pid, info.si_signo, va);
		else
			ret = remote_syscall(t, SYS_rt_tgsigqueueinfo, p->pid, t->tid, info.si_signo, va);
		if (ret < 0)
			return r_fail_pid(r, t->tid, (int)ret, "cannot queue signal %d", info.si_signo);
	}
	return 0;
}

int signals_pending(struct restore *r, struct rproc *p)
{
	struct rtask *t;
	int ret;

	ret = queue(r, p, r_leader(p), true, &p->m->pending);
	vec_foreach(t, &p->tasks)
		if (!ret && t->m)
			ret = queue(r, p, t, false, &t->m->pending);
	return ret;
}
