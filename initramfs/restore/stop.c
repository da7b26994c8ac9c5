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

/* Which stop signal can be given: SIGSTOP when the program would catch or hold back the other. */
static int stop_signal(const struct m_process *m)
{
	int sig = m->stop_signal;

	if (sig != SIGTSTP && sig != SIGTTIN && sig != SIGTTOU)
		return SIGSTOP;
	if (m->actions[sig - 1].handler || m->threads.v[0]->sigmask >> (sig - 1) & 1)
		return SIGSTOP;
	return sig;
}

/* Context: @p is parked with its last registers; its parent is not finished yet. */
int stop_process(struct restore *r, struct rproc *p)
{
	struct rtask *leader = r_leader(p), *t;
	int status, ret;

	if (syscall(SYS_tgkill, p->pid, p->pid, SIGSTOP))
		return r_fail_pid(r, p->pid, -errno, "cannot be stopped");
	ret = cont(leader, 0);
	if (!ret)
		ret = next_stop(leader, &status);
	if (!ret && WSTOPSIG(status) != SIGSTOP)
		ret = -EPROTO;
	/* All its threads take part; each is seen to stop. */
	if (!ret)
		ret = cont(leader, stop_signal(p->m));
	vec_foreach(t, &p->tasks)
		if (!ret && t != leader)
			ret = cont(t, 0);
	vec_foreach(t, &p->tasks) {
		if (!ret)
			ret = next_stop(t, &status);
		if (!ret && status >> 16 != PTRACE_EVENT_STOP)
			ret = -EPROTO;
	}
	if (ret)
		return r_fail_pid(r, p->pid, ret, "does not stop");
	/* Its parent has waited for it already: nothing is to be reported again. */
	if (p->m->stop_reported)
		remote_syscall(r_leader(p->parent), SYS_waitid, P_PID, p->pid, 0, WSTOPPED | WNOHANG, 0);
	return 0;
}
