// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thread's last state: how it goes on from where it was frozen, its registers, its mask.
 * Context: everything else of its process is done; after thread_go it runs.
 */
#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "engine.h"

#define K_ERESTARTSYS 512
#define K_ERESTARTNOINTR 513
#define K_ERESTARTNOHAND 514
#define K_ERESTART_RESTARTBLOCK 516

/* XSAVE area: legacy region, then the header whose first word says which components are in use. */
#define XSAVE_HDR 512u
#define XSAVE_MIN (512u + 64u)

static int set_xstate(struct restore *r, struct rtask *t)
{
	const struct m_thread *m = t->m;
	struct iovec have = { NULL, 0 }, iov;
	_cleanup_free_ u8 *buf = NULL;
	u64 bv, can;

	if (!m->xsave || m->xsave_len < XSAVE_MIN)
		return 0;
	/* The running kernel takes exactly its own size. */
	have.iov_len = 64u << 10;
	have.iov_base = buf = calloc(1, have.iov_len);
	if (!buf)
		return r_fail_pid(r, t->tid, -ENOMEM, "no memory for its FPU state");
	if (ptrace(PTRACE_GETREGSET, t->tid, NT_X86_XSTATE, &have))
		return r_fail_pid(r, t->tid, -errno, "cannot read its FPU state");
	/* XCR0 stands in the bytes that the CPU leaves to software (since 2.6.35). */
	memcpy(&can, buf + 464, sizeof(can));
	memcpy(&bv, (const u8 *)m->xsave + XSAVE_HDR, sizeof(bv));
	if (bv & ~can)
		return r_fail_pid(r, t->tid, -EOPNOTSUPP,
				  "uses CPU state (XSAVE components %#llx) that is not enabled here",
				  (unsigned long long)(bv & ~can));
	memset(buf, 0, have.iov_len);
	memcpy(buf, m->xsave, m->xsave_len < have.iov_len ? m->xsave_len : have.iov_len);
	memset(buf + XSAVE_HDR + 8, 0, 56); /* standard format, nothing reserved set */
	iov = (struct iovec){ buf, have.iov_len };
	if (ptrace(PTRACE_SETREGSET, t->tid, NT_X86_XSTATE, &iov))
		return r_fail_pid(r, t->tid, -errno, "its FPU state is not accepted");
	return 0;
}

/* XCR0: what the kernel has enabled (Intel SDM, XGETBV); 0: no XSAVE. */
static u64 enabled_components(void)
{
	u32 a, b, c, d;

	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE))
		return 0;
	__asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return a | (u64)d << 32;
}

int thread_check(struct restore *r)
{
	u64 can = enabled_components(), bv;
	struct m_process *p;
	struct m_thread *t;

	vec_foreach(p, &r->m->processes) {
		vec_foreach(t, &p->threads) {
			if (!t->xsave || t->xsave_len < XSAVE_MIN)
				continue;
			memcpy(&bv, (const u8 *)t->xsave + XSAVE_HDR, sizeof(bv));
			if (can && bv & ~can)
				return r_fail_pid(r, t->tid, -EOPNOTSUPP, "uses CPU state (XSAVE components %#llx) that "
						  "this kernel has not enabled", (unsigned long long)(bv & ~can));
		}
	}
	return 0;
}

/* What an interruption without a handler says: the call is issued again unless a handler ran. */
static s64 restart_code(u64 nr)
{
	switch (nr) {
	case SYS_pause:
	case SYS_rt_sigsuspend:
	case SYS_select:
	case SYS_pselect6:
	case SYS_ppoll:
	case SYS_clock_nanosleep:
	case SYS_nanosleep:
	case SYS_poll:
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
	case SYS_rt_sigtimedwait:
	case SYS_semtimedop:
	case SYS_semop:
	case SYS_io_getevents:
	case SYS_msgrcv:
	case SYS_msgsnd:
		return -K_ERESTARTNOHAND;
	}
	return -K_ERESTARTSYS;
}

static struct timespec left(const struct restore *r, const struct m_thread *m)
{
	u64 ns = clock_left(r, m->sleep.clock, m->sleep.left_ns);

	return (struct timespec){ (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };
}

static u64 left_ms(const struct restore *r, const struct m_thread *m)
{
	u64 ms = (clock_left(r, m->sleep.clock, m->sleep.left_ns) + 999999) / 1000000;

	return ms > INT32_MAX ? INT32_MAX : ms;
}

/*
 * Sleeps that the kernel goes on with by a restart block of its own: the thread enters the call with
 * the time left in scratch memory and is interrupted in it at once, so that the block is there and
 * its registers can be the old ones. Sets *code to what rax is to be.
 */
static bool enter_sleep(const struct restore *r, struct rtask *t, s64 *code)
{
	const struct user_regs_struct *u = &t->m->regs;
	struct timespec ts = left(r, t->m);
	u64 va = remote_put(t, 0, &ts, sizeof(ts));
	u64 arg[6] = { u->rdi, u->rsi, u->rdx, u->r10, u->r8, u->r9 };

	switch (u->orig_rax) {
	case SYS_nanosleep:
		arg[0] = va;
		break;
	case SYS_clock_nanosleep:
		if (u->rsi & TIMER_ABSTIME)
			return false;
		arg[2] = va;
		break;
	case SYS_poll:
		arg[2] = left_ms(r, t->m);
		break;
	case SYS_futex:
		if ((u->rsi & 0x7f) != 0) /* FUTEX_WAIT; the others take dates */
			return false;
		arg[3] = va;
		break;
	default:
		return false;
	}
	*code = remote_interrupted(t, (long)u->orig_rax, arg);
	return true;
}

/* It goes on with the rest of @left_ns, told in memory at @va, when it is let go: thread_time(). */
static void limit(struct rtask *t, u64 va, s32 clock, u64 left_ns)
{
	t->limit = (struct remote_limit){ .va = va, .left_ns = left_ns, .clock = clock };
	t->limit.is_timeval = t->m->regs.orig_rax == SYS_select;
}

/*
 * Sleeps whose time left must be told anew: in the place that the program gave for it where the
 * kernel itself would write it there when interrupted, else by way of a thunk. Without a thunk the
 * argument itself changes, which the program may see in the register or in its memory.
 */
static void set_time_left(struct restore *r, struct rtask *t, struct user_regs_struct *u)
{
	const struct m_sleep *sleep = &t->m->sleep;
	struct timespec ts = left(r, t->m);
	unsigned long long *arg = &u->r10;
	u64 at;

	switch (u->orig_rax) {
	case SYS_select:
	case SYS_pselect6:
		limit(t, u->r8, sleep->clock, sleep->left_ns);
		return;
	case SYS_ppoll:
		limit(t, u->rdx, sleep->clock, sleep->left_ns);
		return;
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		thunk_make(r, t, u);
		u->r10 = left_ms(r, t->m);
		return;
	case SYS_rt_sigtimedwait:
		arg = &u->rdx;
		break;
	case SYS_io_getevents:
	case SYS_recvmmsg:
		arg = &u->r8;
		break;
	case SYS_semtimedop:
	case SYS_epoll_pwait2:
		break;
	default:
		return;
	}
	at = thunk_make(r, t, u);
	if (at && !remote_poke(t, at, &ts, sizeof(ts)))
		*arg = at;
	limit(t, *arg, sleep->clock, sleep->left_ns);
	t->limit.is_thunk = *arg == at;
}

/*
 * select and its like, interrupted, have told what is left in the program's memory, and are issued again
 * with that. It counts from the freeze, and the machine's clock has gone on since; only a stopped
 * program's does not count.
 */
static void told_left(struct rtask *t, const struct user_regs_struct *u)
{
	bool is_timeval = u->orig_rax == SYS_select;
	u64 va = u->orig_rax == SYS_ppoll ? u->rdx : u->r8;
	struct timespec ts;

	if ((u->orig_rax != SYS_ppoll && u->orig_rax != SYS_pselect6 && !is_timeval) || !va ||
	    t->proc->m->stopped || remote_read(t, va, &ts, sizeof(ts)) || ts.tv_sec < 0 ||
	    (u64)ts.tv_sec > INT64_MAX / NSEC_PER_SEC - 1 || (u64)ts.tv_nsec >= NSEC_PER_SEC)
		return;
	limit(t, va, CLOCK_MONOTONIC,
	      (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec * (is_timeval ? 1000 : 1));
}

void thread_time(const struct restore *r, struct rtask *t)
{
	u64 ns = clock_left(r, t->limit.clock, t->limit.left_ns);
	struct timespec ts = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };

	if (!t->limit.va)
		return;
	if (t->limit.is_timeval)
		ts.tv_nsec /= 1000;
	/* What the program may not write, the kernel would not have written. */
	if (t->limit.is_thunk)
		remote_poke(t, t->limit.va, &ts, sizeof(ts));
	else
		remote_write(t, t->limit.va, &ts, sizeof(ts));
}

/* Decide the registers it goes on with; system calls that this takes are made here. */
int thread_sleep(struct restore *r, struct rtask *t)
{
	struct m_thread *m = t->m;
	struct user_regs_struct *u = &t->last;
	s64 code;

	*u = m->regs;
	switch (m->entry) {
	case M_ENTRY_USER:
		u->orig_rax = ~0ull;
		return 0;
	case M_ENTRY_TOOL:
		u->rax = 0;
		u->orig_rax = ~0ull;
		return 0;
	case M_ENTRY_RESTART:
		code = (s64)u->rax;
		break;
	default:
		code = restart_code(u->orig_rax);
		break;
	}
	if (m->sleep.timed && !m->sleep.absolute &&
	    (m->entry == M_ENTRY_INSIDE || code == -K_ERESTART_RESTARTBLOCK)) {
		if (enter_sleep(r, t, &code)) {
			/* Anything but a restart is the call's own result: it is over. */
			if (code != -K_ERESTART_RESTARTBLOCK && (code > -K_ERESTARTSYS || code < -516))
				u->orig_rax = ~0ull;
		} else {
			set_time_left(r, t, u);
		}
	} else if (code == -K_ERESTARTNOHAND) {
		told_left(t, u);
	} else if (code == -K_ERESTART_RESTARTBLOCK) {
		/* Without a time to wake at nothing was saved that the arguments do not say. */
		code = -K_ERESTARTNOHAND;
	}
	u->rax = (u64)code;
	return 0;
}

int thread_park(struct restore *r, struct rtask *t)
{
	int ret = remote_park(t);

	return ret ? r_fail_pid(r, t->tid, ret, "cannot be stopped for the last time") : 0;
}

u64 thread_last_mask(const struct rtask *t)
{
	return t->m->restore_sigmask ? t->m->saved_sigmask : t->m->sigmask;
}

int thread_mask(struct rtask *t, u64 mask)
{
	return ptrace(PTRACE_SETSIGMASK, t->tid, sizeof(mask), &mask) ? -errno : 0;
}

/* Context: parked. */
int thread_set(struct restore *r, struct rtask *t)
{
	const struct m_thread *m = t->m;
	int ret;

	/* The registration made the kernel forget the critical section it was in: attrs_last(). */
	if (m->rseq && t->rseq_cs)
		remote_write(t, m->rseq + 8, &t->rseq_cs, sizeof(t->rseq_cs));
	ret = set_xstate(r, t);
	if (ret)
		return ret;
	if (ptrace(PTRACE_SETREGS, t->tid, NULL, &t->last))
		return r_fail_pid(r, t->tid, -errno, "its registers are not accepted");
	/* One that is stopped gets it with the stop. */
	ret = t->proc->m->stopped ? 0 : thread_mask(t, thread_last_mask(t));
	return ret ? r_fail_pid(r, t->tid, ret, "its signal mask is not accepted") : 0;
}
