// SPDX-License-Identifier: GPL-2.0-only
/* Remote control of a thread by ptrace: system calls, memory, stops. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote.h"

#define TRACE_OPTS                                                                                 \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)
#define SYSCALL_STOP (SIGTRAP | 0x80)

struct remote_pulse remote_pulse_unseen, *remote_pulse = &remote_pulse_unseen;

static void pulse(pid_t tid, long nr)
{
	remote_pulse->beats++;
	remote_pulse->tid = tid;
	remote_pulse->nr = (s32)nr;
}

static int pt(int req, struct rtask *t, u64 addr, u64 data)
{
	return ptrace(req, t->tid, (void *)addr, (void *)data) < 0 ? -errno : 0;
}

/* Next stop of the thread: its wait status, -ESRCH when it has died. */
static int wait_stop(struct rtask *t)
{
	int status;
	pid_t got;

	do
		got = waitpid(t->tid, &status, __WALL);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (!WIFSTOPPED(status)) {
		t->dead = true;
		return -ESRCH;
	}
	return status;
}

static int block_signals(struct rtask *t)
{
	u64 all = ~0ull;

	return pt(PTRACE_SETSIGMASK, t, sizeof(all), (u64)&all);
}

int remote_seize(struct rtask *t, struct ohib_err *e)
{
	int ret, status;

	ret = pt(PTRACE_SEIZE, t, 0, TRACE_OPTS);
	if (ret)
		return ohib_err_pid(e, t->tid, ret, "cannot trace it");
	ret = pt(PTRACE_INTERRUPT, t, 0, 0);
	if (ret)
		return ohib_err_pid(e, t->tid, ret, "cannot interrupt it");
	for (;;) {
		status = wait_stop(t);
		if (status < 0)
			return ohib_err_pid(e, t->tid, status, "went away when interrupted");
		if (status >> 16 == PTRACE_EVENT_STOP)
			break;
		/* A signal came first: let it be delivered. */
		ret = pt(PTRACE_CONT, t, 0, WSTOPSIG(status));
		if (ret)
			return ohib_err_pid(e, t->tid, ret, "cannot continue it");
	}
	ret = pt(PTRACE_GETREGS, t, 0, (u64)&t->regs);
	return ret ? ohib_err_pid(e, t->tid, ret, "cannot read its registers") : 0;
}

int remote_adopt(struct rtask *t, struct ohib_err *e)
{
	int ret, status = wait_stop(t);

	if (status < 0)
		return ohib_err_pid(e, t->tid, status, "went away at birth");
	ret = pt(PTRACE_SETOPTIONS, t, 0, TRACE_OPTS | PTRACE_O_EXITKILL);
	if (!ret)
		ret = block_signals(t);
	if (!ret)
		ret = pt(PTRACE_GETREGS, t, 0, (u64)&t->regs);
	return ret ? ohib_err_pid(e, t->tid, ret, "cannot take hold of it") : 0;
}

/* From the current stop to the entry of system call @nr. */
static int enter(struct rtask *t, long nr, const u64 arg[6])
{
	struct user_regs_struct regs = t->regs;
	int ret, status;

	regs.rip = t->insn;
	regs.rax = (u64)nr;
	regs.orig_rax = ~0ull;
	regs.rdi = arg[0];
	regs.rsi = arg[1];
	regs.rdx = arg[2];
	regs.r10 = arg[3];
	regs.r8 = arg[4];
	regs.r9 = arg[5];
	ret = pt(PTRACE_SETREGS, t, 0, (u64)&regs);
	while (!ret) {
		ret = pt(PTRACE_SYSCALL, t, 0, 0);
		if (ret)
			break;
		status = wait_stop(t);
		if (status < 0)
			return status;
		if (WSTOPSIG(status) == SYSCALL_STOP)
			return 0;
		/* A trap left from an earlier interruption passes; a real signal is a fault. */
		if (status >> 16 != PTRACE_EVENT_STOP)
			return -EFAULT;
	}
	return ret;
}

/* From the entry of a system call to its exit; the result. */
static s64 leave(struct rtask *t)
{
	unsigned long msg;
	int ret = 0, status;
	long rax;

	while (!ret) {
		ret = pt(PTRACE_SYSCALL, t, 0, 0);
		if (ret)
			break;
		status = wait_stop(t);
		if (status < 0)
			return status;
		if (WSTOPSIG(status) == SYSCALL_STOP) {
			errno = 0;
			rax = ptrace(PTRACE_PEEKUSER, t->tid,
				     (void *)offsetof(struct user_regs_struct, rax), NULL);
			return errno ? -errno : rax;
		}
		switch (status >> 16) {
		case PTRACE_EVENT_FORK:
		case PTRACE_EVENT_VFORK:
		case PTRACE_EVENT_CLONE:
			ret = pt(PTRACE_GETEVENTMSG, t, 0, (u64)&msg);
			t->new_pid = (pid_t)msg;
			break;
		case PTRACE_EVENT_STOP:
			break;
		default:
			return -EFAULT;
		}
	}
	return ret;
}

s64 remote_call(struct rtask *t, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	u64 arg[6] = { a, b, c, d, e, f };
	s64 ret;

	if (t->dead)
		return -ESRCH;
	pulse(t->tid, nr);
	ret = enter(t, nr, arg);
	if (!ret)
		ret = leave(t);
	pulse(0, 0);
	return ret;
}

s64 remote_interrupted(struct rtask *t, long nr, const u64 arg[6])
{
	int ret = enter(t, nr, arg);

	if (!ret)
		ret = pt(PTRACE_INTERRUPT, t, 0, 0);
	return ret ? ret : leave(t);
}
int remote_read(struct rtask *t, u64 va, void *buf, size_t len)
{
	struct iovec local = { buf, len }, remote = { (void *)va, len };
	ssize_t n = process_vm_readv(t->tid, &local, 1, &remote, 1, 0);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EFAULT;
}

int remote_write(struct rtask *t, u64 va, const void *buf, size_t len)
{
	struct iovec local = { (void *)buf, len }, remote = { (void *)va, len };
	ssize_t n = process_vm_writev(t->tid, &local, 1, &remote, 1, 0);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EFAULT;
}

int remote_poke(struct rtask *t, u64 va, const void *buf, size_t len)
{
	char path[40];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", t->tid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pwrite(fd, buf, len, (off_t)va);
	n = n < 0 ? -errno : (size_t)n == len ? 0 : -EFAULT;
	close(fd);
	return (int)n;
}

u64 remote_put(struct rtask *t, size_t off, const void *buf, size_t len)
{
	if (off + len > REMOTE_SCRATCH_LEN || remote_write(t, t->scratch + off, buf, len))
		return 0;
	return t->scratch + off;
}

int remote_exit(struct rtask *t, int code, int sig)
{
	u64 arg[6] = { (u64)code }, none = 0;
	int ret, status;

	if (t->dead)
		return 0;
	if (sig) {
		/* Blocked until it is queued; then it is the only one that can be delivered. */
		ret = (int)remote_syscall(t, SYS_tkill, t->tid, sig);
		if (t->dead)
			return 0; /* SIGKILL waits for nothing */
		if (!ret)
			ret = pt(PTRACE_SETSIGMASK, t, sizeof(none), (u64)&none);
	} else {
		ret = enter(t, SYS_exit_group, arg);
	}
	if (!ret)
		ret = pt(PTRACE_CONT, t, 0, 0);
	while (!ret) {
		status = wait_stop(t);
		if (status == -ESRCH && t->dead)
			return 0;
		if (status < 0)
			return status;
		ret = pt(PTRACE_CONT, t, 0,
			 status >> 16 || WSTOPSIG(status) == SYSCALL_STOP ? 0 : WSTOPSIG(status));
	}
	return ret;
}

int remote_park(struct rtask *t)
{
	int ret, status;

	ret = pt(PTRACE_INTERRUPT, t, 0, 0);
	while (!ret) {
		ret = pt(PTRACE_CONT, t, 0, 0);
		if (ret)
			break;
		status = wait_stop(t);
		if (status < 0)
			return status;
		if (status >> 16 == PTRACE_EVENT_STOP)
			return 0;
		return -EFAULT;
	}
	return ret;
}

int remote_detach(struct rtask *t)
{
	return pt(PTRACE_DETACH, t, 0, 0);
}
