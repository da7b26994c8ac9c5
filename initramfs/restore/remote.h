/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Remote control of a thread: make it issue system calls, read and write its memory.
 * Context: the caller is the thread's tracer (PTRACE_SEIZE), the thread is stopped, and all its
 * signals are blocked. One thread at a time: the scratch page is shared by all threads of an mm.
 */
#pragma once

#include <sys/user.h>

#include "util/err.h"
#include "util/types.h"

/* One page of code, then pages for arguments; at the same address in every process. */
#define REMOTE_SCRATCH_PAGES 16u
#define REMOTE_STUB_LEN ((u64)(1 + REMOTE_SCRATCH_PAGES) * OHIB_PAGE_SIZE)
#define REMOTE_SCRATCH_LEN ((u64)REMOTE_SCRATCH_PAGES * OHIB_PAGE_SIZE)

struct rproc;
struct m_thread;

struct rtask {
	pid_t tid;
	struct rproc *proc;
	struct m_thread *m;		/* NULL: helper or stand-in */
	struct user_regs_struct regs;	/* base for remote calls */
	u64 insn;			/* a syscall instruction in its memory */
	u64 scratch;			/* REMOTE_SCRATCH_LEN writable bytes */
	pid_t new_pid;			/* what the last clone made */
	bool dead;
	struct user_regs_struct last;	/* what it is to go on with */
	u64 rseq_cs;
	struct remote_limit {		/* what a system call is told of the time it has left; va 0: nothing */
		u64 va, left_ns;
		s32 clock;
		bool is_timeval, is_thunk;
	} limit;
};

/* What a watchdog, in another process, can see. Never NULL. */
struct remote_pulse {
	volatile u64 beats;		/* moves on with all that is done */
	volatile pid_t tid;		/* who is doing a call, 0: nobody */
	volatile s32 nr;
};
extern struct remote_pulse *remote_pulse, remote_pulse_unseen;

/* Take hold of a thread that runs. */
int remote_seize(struct rtask *t, struct ohib_err *e);
/* Wait for the first stop of a thread that a traced thread has just made. */
int remote_adopt(struct rtask *t, struct ohib_err *e);

/* The system call's result as the kernel returned it: negative errno on failure. */
s64 remote_call(struct rtask *t, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
#define remote_syscall(t, nr, ...) REMOTE_CALL_(t, nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define REMOTE_CALL_(t, nr, a, b, c, d, e, f, ...)                                                 \
	remote_call(t, nr, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))

/*
 * Begin a call with an interruption waiting: a call that would sleep returns -ERESTART* at once and
 * leaves the kernel's restart block as it is wanted. Returns what rax is.
 */
s64 remote_interrupted(struct rtask *t, long nr, const u64 arg[6]);

/* Memory by address; @len at most REMOTE_SCRATCH_LEN for put. Return 0 or negative errno. */
int remote_read(struct rtask *t, u64 va, void *buf, size_t len);
int remote_write(struct rtask *t, u64 va, const void *buf, size_t len);
/* Write through mappings that the thread itself may not write (code, PROT_NONE). */
int remote_poke(struct rtask *t, u64 va, const void *buf, size_t len);
/* Copy @buf to scratch at @off; returns the address there, 0 on failure. */
u64 remote_put(struct rtask *t, size_t off, const void *buf, size_t len);

/* Let it exit with @code or die by @sig (0: exit), and wait for that. */
int remote_exit(struct rtask *t, int code, int sig);
/*
 * Bring the thread to a stop inside the kernel's signal code without running a user instruction:
 * registers set there are restarted by the kernel itself where they say -ERESTART*.
 */
int remote_park(struct rtask *t);
int remote_detach(struct rtask *t);
