// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long a thread that sleeps in a system call has left.
 * A thread frozen inside a freezable sleep (f5d39b020809, 6.1) still has its timer in its CPU's hrtimer
 * tree. One that was woken to the signal boundary has none: nanosleep, poll and futex keep the end in
 * its restart block, select and its like have written the rest to the caller's memory, and epoll_wait
 * and the System V calls have returned EINTR, as at any suspend.
 * Source: kernel/time/hrtimer.c, kernel/futex/, fs/select.c, include/linux/restart_block.h.
 * Weaker: a receive that sleeps under SO_RCVTIMEO begins its time again.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "translate/xlate.h"

#define ERESTART_RESTARTBLOCK 516
#define MAX_CPUS 8192
#define ALARM_BOOTTIME 1	/* enum alarmtimer_type */

static s32 futex_command(const struct user_regs_struct *r)
{
	return r->rsi & FUTEX_CMD_MASK;
}

static int one_sleeper(struct xlate *x, u64 node, void *arg)
{
	const struct x_clock *c = arg;
	u64 timer = x_container(x, node, F_HRTIMER_NODE), task;
	struct m_sleep *s;

	if (!symbols_is(x->syms, x_u64(x, timer, F_HRTIMER_FUNCTION), "hrtimer_wakeup"))
		return x->err.code;
	task = x_u64(x, x_container(x, timer, F_SLEEPER_TIMER), F_SLEEPER_TASK);
	if (!task)
		return x->err.code;
	s = x_new(x, struct m_sleep);
	if (!s || map_put(&x->sleepers, task, s))
		return ohib_err_set(&x->err, -ENOMEM, "out of memory");
	s->timed = true;
	s->clock = c->id;
	/* the earlier end of the range that timer slack gives: what was asked for */
	s->left_ns = x_left(x_s64(x, timer, F_HRTIMER_SOFT), c->now);
	return x->err.code;
}

static void cpu_sleepers(struct xlate *x, u64 cpu_base)
{
	u64 base = x_addr(x, cpu_base, F_HRTIMER_CPU_BASES);
	u64 end = base + x->f->loc[F_HRTIMER_CPU_BASES].size;
	struct x_clock c;

	for (; base < end && !x_failed(x); base += x->f->size[T_HRTIMER_CLOCK_BASE]) {
		if (!x_clock(x, x_s64(x, base, F_HRTIMER_BASE_CLOCK), &c)) {
			ohib_err_set(&x->err, -EINVAL, "hrtimers of clock %d",
				     (s32)x_s64(x, base, F_HRTIMER_BASE_CLOCK));
			return;
		}
		x_rbtree(x, x_u64(x, base, F_HRTIMER_BASE_ROOT), one_sleeper, &c);
	}
}

void xlate_sleeps(struct xlate *x)
{
	u64 bases = x_sym(x, "hrtimer_bases"), offsets = x_sym(x, "__per_cpu_offset");
	u64 possible = x_sym(x, "__cpu_possible_mask"), nr_cpu_ids = x_sym(x, "nr_cpu_ids"), offset;
	u8 mask[MAX_CPUS / 8] = {};
	u32 cpus, cpu;

	x_read(x, nr_cpu_ids, &cpus, sizeof(cpus), "nr_cpu_ids");
	if (x_failed(x))
		return;
	if (!cpus || cpus > MAX_CPUS) {
		ohib_err_set(&x->err, -EINVAL, "%u CPUs", cpus);
		return;
	}
	x_read(x, possible, mask, (cpus + 7) / 8, "__cpu_possible_mask");
	for (cpu = 0; cpu < cpus && !x_failed(x); cpu++) {
		if (!(mask[cpu / 8] >> (cpu % 8) & 1))
			continue;
		x_read(x, offsets + cpu * sizeof(offset), &offset, sizeof(offset), "__per_cpu_offset");
		cpu_sleepers(x, bases + offset);
	}
}

/* System calls that are known to sleep freezably, and where they are told for how long. */
static const struct sleep_call {
	u32 nr;
	enum { NO_LIMIT, ALWAYS, POINTER } limit;
	size_t reg;	/* POINTER: the register with the timespec's address */
} sleep_calls[] = {
	{ SYS_nanosleep, ALWAYS, 0 },
	{ SYS_clock_nanosleep, ALWAYS, 0 },
	{ SYS_futex, POINTER, offsetof(struct user_regs_struct, r10) },
	{ 449 /* futex_waitv */, POINTER, offsetof(struct user_regs_struct, r10) },
	{ SYS_rt_sigtimedwait, POINTER, offsetof(struct user_regs_struct, rdx) },
	{ SYS_wait4, NO_LIMIT, 0 },
	{ SYS_waitid, NO_LIMIT, 0 },
	/* unix sockets */
	{ SYS_read, NO_LIMIT, 0 },
	{ SYS_readv, NO_LIMIT, 0 },
	{ SYS_recvfrom, NO_LIMIT, 0 },
	{ SYS_recvmsg, NO_LIMIT, 0 },
	{ SYS_recvmmsg, NO_LIMIT, 0 },
};

static bool limited(const struct sleep_call *c, const struct user_regs_struct *r)
{
	u64 at;

	if (c->limit != POINTER)
		return c->limit == ALWAYS;
	memcpy(&at, (const u8 *)r + c->reg, sizeof(at));
	if (c->nr == SYS_futex)
		switch (futex_command(r)) {
		case FUTEX_WAIT:
		case FUTEX_WAIT_BITSET:
		case FUTEX_LOCK_PI:
		case FUTEX_LOCK_PI2:
		case FUTEX_WAIT_REQUEUE_PI:
			return at;
		default:
			return false;
		}
	return at;
}

/* Is the system call's own argument a date, which it can be issued again with? */
static bool takes_date(const struct user_regs_struct *r)
{
	switch (r->orig_rax) {
	case SYS_clock_nanosleep:
		return r->rsi & TIMER_ABSTIME;
	case SYS_futex:
		return futex_command(r) != FUTEX_WAIT;
	case 449: /* futex_waitv */
		return true;
	}
	return false;
}

/*
 * Of these the kernel has done a part that is not to be done twice, and how much cannot be told. wait_for_vfork_done()
 * has the child already, which is to exec or end; unix_stream_read_generic() and do_recvmmsg() have what they took off
 * the queue in the program's memory, and count it on their stack.
 */
static const char *half_done(const struct user_regs_struct *r)
{
	u64 flags = 0;

	switch (r->orig_rax) {
	case SYS_vfork:
	case SYS_clone:
	case 435: /* clone3 */
		return "is starting a program (vfork)";
	case SYS_recvfrom:
		flags = r->r10;
		break;
	case SYS_recvmsg:
		flags = r->rdx;
		break;
	case SYS_recvmmsg:
		flags = r->r10;
		if (r->rdx > 1 && !(flags & MSG_WAITFORONE))
			return "waits for several messages (recvmmsg), of which it may have some";
		break;
	}
	return flags & MSG_WAITALL ? "waits for all bytes of a message (MSG_WAITALL), of which it may have some" : NULL;
}

static void inside(struct xlate *x, u64 task, struct m_thread *t)
{
	const struct m_sleep *timer = map_get(&x->sleepers, task);
	const char *half = half_done(&t->regs);
	size_t i;

	if (half) {
		x_refuse(x, "thread %d %s: try again", t->tid, half);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(sleep_calls); i++)
		if (sleep_calls[i].nr == t->regs.orig_rax)
			break;
	if (i == ARRAY_SIZE(sleep_calls) || (timer && sleep_calls[i].limit == NO_LIMIT)) {
		x_refuse(x, "thread %d was frozen inside system call %llu, which is not known to sleep%s",
			 t->tid, (unsigned long long)t->regs.orig_rax, timer ? " for a time" : "");
		return;
	}
	if (!limited(&sleep_calls[i], &t->regs))
		return;
	/* without a timer: it has gone off, and the thread was frozen before it could run */
	t->sleep = timer ? *timer : (struct m_sleep){ true, 1, CLOCK_MONOTONIC, false };
	t->sleep.absolute = takes_date(&t->regs);
	if ((s32)t->regs.rdi < 0 && t->regs.orig_rax == SYS_clock_nanosleep)
		x_refuse(x, "thread %d sleeps by a CPU clock, which cannot be carried yet", t->tid);
}

/* A restart block with an end: on clock @clock at @end. */
static void ends(struct xlate *x, struct m_thread *t, s32 clock, s64 end)
{
	struct x_clock c;

	if (!x_clock(x, clock, &c)) {
		x_refuse(x, "thread %d sleeps by clock %d, which is not known", t->tid, clock);
		return;
	}
	t->sleep = (struct m_sleep){ true, x_left(end, c.now), clock, takes_date(&t->regs) };
}

/*
 * A call that was restarted before (after a stop, say) has become restart_syscall: its restart block
 * tells which one it is, and its arguments are still in the registers.
 */
static void name_restarted(struct m_thread *t, u64 nr)
{
	if (t->regs.orig_rax == SYS_restart_syscall)
		t->regs.orig_rax = nr;
}

static void nanosleep_ends(struct xlate *x, u64 task, struct m_thread *t, bool alarm)
{
	s32 clock = x_s64(x, task, F_TASK_RB_SLEEP_CLOCK);

	if (alarm)
		clock = clock == ALARM_BOOTTIME ? CLOCK_BOOTTIME_ALARM : CLOCK_REALTIME_ALARM;
	/* the first argument of one is an address, of the other a clock's number */
	name_restarted(t, alarm || t->regs.rdi < 16 ? SYS_clock_nanosleep : SYS_nanosleep);
	ends(x, t, clock, x_s64(x, task, F_TASK_RB_SLEEP_EXPIRES));
}

static void poll_ends(struct xlate *x, u64 task, struct m_thread *t)
{
	name_restarted(t, SYS_poll);
	if (x_u64(x, task, F_TASK_RB_POLL_HAS))
		ends(x, t, CLOCK_MONOTONIC, x_ns(x_s64(x, task, F_TASK_RB_POLL_SEC),
						 x_s64(x, task, F_TASK_RB_POLL_NSEC)));
}

static void restart_block(struct xlate *x, u64 task, struct m_thread *t)
{
	u64 fn = x_u64(x, task, F_TASK_RESTART_FN);

	if (symbols_is(x->syms, fn, "hrtimer_nanosleep_restart")) {
		nanosleep_ends(x, task, t, false);
	} else if (symbols_is(x->syms, fn, "alarm_timer_nsleep_restart")) {
		nanosleep_ends(x, task, t, true);
	} else if (symbols_is(x->syms, fn, "do_restart_poll")) {
		poll_ends(x, task, t);
	} else if (symbols_is(x->syms, fn, "futex_wait_restart")) {
		name_restarted(t, SYS_futex);
		ends(x, t, CLOCK_MONOTONIC, x_s64(x, task, F_TASK_RB_FUTEX_TIME));
	} else if (symbols_is(x->syms, fn, "posix_cpu_nsleep_restart")) {
		x_refuse(x, "thread %d sleeps by a CPU clock, which cannot be carried yet", t->tid);
	} else {
		const char *name = symbols_name(x->syms, fn);

		x_refuse(x, "thread %d waits to restart system call %llu by %s, which is not known",
			 t->tid, (unsigned long long)t->regs.orig_rax, name ? name : "nothing");
	}
}

/* Inside restart_syscall: nanosleep and futex sleep freezably; futex has taken its name away. */
static void inside_restart(struct xlate *x, u64 task, struct m_thread *t)
{
	u64 fn = x_u64(x, task, F_TASK_RESTART_FN);

	if (symbols_is(x->syms, fn, "do_no_restart_syscall") &&
	    x_u64(x, task, F_TASK_RB_FUTEX_UADDR) == t->regs.rdi)
		name_restarted(t, SYS_futex);
	else if (symbols_is(x->syms, fn, "hrtimer_nanosleep_restart"))
		nanosleep_ends(x, task, t, false);
}

void xlate_sleep(struct xlate *x, u64 task, struct m_thread *t)
{
	if (t->entry == M_ENTRY_INSIDE) {
		if (t->regs.orig_rax == SYS_restart_syscall)
			inside_restart(x, task, t);
		inside(x, task, t);
	} else if (t->entry == M_ENTRY_RESTART && (s64)t->regs.rax == -ERESTART_RESTARTBLOCK) {
		restart_block(x, task, t);
	}
}

static const struct m_sock *socket_at(const struct m_process *p, s32 number)
{
	struct m_fd *fd;

	if (!p->fdtable)
		return NULL;
	for (size_t i = 0; i < p->fdtable->fds.n; i++) {
		fd = &p->fdtable->fds.v[i];
		if (fd->fd == number)
			return fd->file->kind == M_FILE_SOCKET ? fd->file->sock : NULL;
	}
	return NULL;
}

/* With SO_RCVLOWAT a part of what is waited for is taken off the queue as it comes, as with MSG_WAITALL. */
static void low_mark(struct xlate *x, const struct m_process *p, const struct m_thread *t)
{
	const struct m_sock *s;

	switch (t->regs.orig_rax) {
	case SYS_read:
	case SYS_readv:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
		s = socket_at(p, (s32)t->regs.rdi);
		if (s && s->rcvlowat > 1)
			x_refuse(x, "thread %d waits for %d bytes (SO_RCVLOWAT), of which it may have some: try again",
				 t->tid, s->rcvlowat);
	}
}

void xlate_receives(struct xlate *x)
{
	struct m_process *p;
	struct m_thread *t;

	vec_foreach(p, &x->m->processes) {
		x->pid = p->pid;
		memcpy(x->comm, p->comm, sizeof(x->comm));
		x_object(x, "process");
		vec_foreach(t, &p->threads)
			if (t->entry == M_ENTRY_INSIDE)
				low_mark(x, p, t);
	}
	x->pid = 0;
	x->comm[0] = '\0';
}
