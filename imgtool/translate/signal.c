// SPDX-License-Identifier: GPL-2.0-only
/* Signal handlers, pending signals. Source: include/linux/{signal_types,sched/signal}.h. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "translate/xlate.h"

/* include/linux/sched/signal.h, jobctl.h: the same in all supported kernels */
#define SIGNAL_GROUP_EXIT 0x4
#define SIGNAL_CLD_MASK 0x30	/* its parent is to be told of a stop, or that it goes on */
#define JOBCTL_STOP_PENDING (1ull << 17)

struct queue_walk {
	struct m_pending *out;
	u64 seen;	/* signals that have an entry in the queue */
};

static int one_queued(struct xlate *x, u64 node, void *arg)
{
	struct queue_walk *w = arg;
	struct m_siginfo info = {};
	s32 signo;

	/* kernel_siginfo is the first 48 bytes of siginfo_t; the rest of that is zero */
	x_bytes(x, x_container(x, node, F_SIGQUEUE_LIST), F_SIGQUEUE_INFO, info.raw, sizeof(info.raw));
	memcpy(&signo, info.raw, sizeof(signo));
	if (signo < 1 || signo > M_NSIG)
		return ohib_err_pid(&x->err, x->pid, -EINVAL, "pending signal %d", signo);
	w->seen |= 1ull << (signo - 1);
	x_push(x, &w->out->queue, info);
	return x->err.code;
}

/* A signal can be pending without a queue entry, when there was no memory for one or for SIGKILL. */
void xlate_pending(struct xlate *x, u64 sigpending, struct m_pending *out)
{
	struct queue_walk w = { .out = out };
	u64 set = x_u64(x, sigpending, F_SIGPENDING_SIGNAL);
	s32 signo;

	x_list(x, x_addr(x, sigpending, F_SIGPENDING_LIST), one_queued, &w);
	for (signo = 1; signo <= M_NSIG && !x_failed(x); signo++) {
		struct m_siginfo info = { .bare = true };

		if (!(set & ~w.seen & 1ull << (signo - 1)))
			continue;
		memcpy(info.raw, &signo, sizeof(signo));
		x_push(x, &out->queue, info);
	}
}

static bool is_pending(const struct m_pending *pending, s32 wanted)
{
	s32 signo;

	for (size_t i = 0; i < pending->queue.n; i++) {
		memcpy(&signo, pending->queue.v[i].raw, sizeof(signo));
		if (signo == wanted)
			return true;
	}
	return false;
}

/*
 * Frozen between a signal and what it does (get_signal() freezes before it dequeues one). Of a process that is
 * stopped a further SIGSTOP waits for good, and goes when it is continued.
 */
static bool in_between(struct xlate *x, u64 signal, const struct m_process *p)
{
	bool between = x_u64(x, signal, F_SIG_FLAGS) & (SIGNAL_GROUP_EXIT | SIGNAL_CLD_MASK) ||
		       is_pending(&p->pending, SIGKILL) || (!p->stopped && is_pending(&p->pending, SIGSTOP));
	struct m_thread *t;

	vec_foreach(t, &p->threads)
		between |= x_u64(x, t->kaddr, F_TASK_JOBCTL) & JOBCTL_STOP_PENDING ||
			   is_pending(&t->pending, SIGKILL) ||
			   (!p->stopped && is_pending(&t->pending, SIGSTOP));
	return between;
}

void xlate_signals(struct xlate *x, u64 task, struct m_process *p)
{
	u64 sighand = x_u64(x, task, F_TASK_SIGHAND), signal = x_u64(x, task, F_TASK_SIGNAL), at;
	size_t i;

	if (x_u64(x, sighand, F_SIGHAND_COUNT) > p->threads.n && !x->live) {
		p->shares_sighand = true;
		x_object(x, "process");
		x_refuse(x, "shares its signal handlers with another process (CLONE_SIGHAND)");
	}
	at = x_addr(x, sighand, F_SIGHAND_ACTION);
	for (i = 0; i < M_NSIG; i++) {
		u64 raw[4];

		/* struct sigaction: handler, flags, restorer, mask */
		x_read(x, at + i * x->f->size[T_K_SIGACTION], raw, sizeof(raw), "k_sigaction");
		p->actions[i] = (struct m_sigaction){ raw[0], raw[1], raw[2], raw[3] };
	}
	xlate_pending(x, x_addr(x, signal, F_SIG_SHARED_PENDING), &p->pending);
	if (!x->live && in_between(x, signal, p)) {
		x_object(x, "process");
		x_refuse(x, "is being ended, stopped or continued: try again");
	}
	xlate_timers(x, task, p);
}
