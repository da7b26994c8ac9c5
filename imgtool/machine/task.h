/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes and threads. */
#pragma once

#include <sys/user.h>

#include "machine/cred.h"
#include "machine/signal.h"
#include "util/types.h"
#include "util/vec.h"

struct m_file;
struct m_fdtable;
struct m_mm;
struct m_path;
struct m_tty;

/* How a thread stood when it was frozen, and how it is to go on. */
enum m_entry {
	M_ENTRY_USER,		/* in user code: registers as they are */
	M_ENTRY_RESTART,	/* at the signal boundary: ax is -ERESTART*; the syscall is issued again */
	M_ENTRY_INSIDE,		/* inside a freezable sleep (ax = -ENOSYS): the syscall is issued again */
	M_ENTRY_TOOL,		/* the hibernating tool, inside its ioctl: made to return 0 */
};

struct m_sleep {
	bool timed;		/* there is a time to wake at */
	u64 left_ns;		/* from the moment of the snapshot, on the sleep's own clock */
	s32 clock;		/* CLOCK_* of it */
	bool absolute;		/* the syscall's own argument is absolute: re-issue as it is */
};

struct m_thread {
	u64 kaddr;
	pid_t tid;
	char comm[16];
	enum m_entry entry;
	/* Registers at the user boundary. orig_rax: syscall number or -1; fs_base, gs_base are filled in. */
	struct user_regs_struct regs;
	struct m_sleep sleep;	/* for M_ENTRY_RESTART and M_ENTRY_INSIDE */
	u64 restart_fn_arg;	/* unused by restore; kept for dumps */
	void *xsave;		/* FPU state in XSAVE standard format, as NT_X86_XSTATE takes it */
	size_t xsave_len;
	u64 sigmask;		/* blocked */
	u64 saved_sigmask;	/* what sigsuspend/ppoll/pselect/epoll_pwait put back */
	bool restore_sigmask;	/* TIF_RESTORE_SIGMASK: saved_sigmask is to be put back on return */
	struct m_pending pending;
	u64 altstack_sp, altstack_size;
	u32 altstack_flags;
	u64 robust_list;
	u64 clear_child_tid;
	u64 rseq, rseq_len;	/* user address; 0: none */
	u32 rseq_sig;
	u64 pdeathsig;
	u64 syscall_user_dispatch_selector; /* always 0: refused otherwise */
	u32 personality;
	u64 cpus_allowed[16];	/* affinity, 1024 CPUs */
	u32 policy, rt_priority;
	bool reset_on_fork;
	s32 nice;
	u64 dl_runtime, dl_deadline, dl_period;	/* SCHED_DEADLINE */
	u32 dl_flags;		/* SCHED_FLAG_RECLAIM, SCHED_FLAG_DL_OVERRUN */
	u64 slice_ns;		/* sched_setattr(2)'s runtime of other policies; 0: the kernel's default */
	u32 ioprio;
	u64 timer_slack_ns;
	bool no_new_privs;
	bool keep_caps;
	struct m_cred *cred;
	bool io_bitmap;		/* iopl/ioperm: refused */
	u32 io_flags;		/* PR_SET_IO_FLUSHER */
	bool has_loginuid;
	u32 loginuid;		/* for audit */
	u32 mce_kill;		/* PR_SET_MCE_KILL: 0, or 1 + PR_MCE_KILL_LATE, _EARLY */
	u32 spec_store, spec_branch, spec_l1d;	/* PR_SET_SPECULATION_CTRL; 0: as by default */
	bool tsc_disabled, cpuid_fault;	/* prctl(PR_SET_TSC), arch_prctl(ARCH_CPUID) */
	u64 user_cpu_ns, sys_cpu_ns;	/* consumed; not restorable without the module */
};

struct m_rlimit {
	u64 cur, max;
};

struct m_process {
	u64 kaddr;		/* group leader's task_struct */
	pid_t pid, ppid, pgid, sid;
	struct m_process *parent;	/* NULL for PID 1 */
	bool zombie;
	s32 exit_code;		/* as wait status, zombies */
	struct m_cred *cred;	/* zombies: whose it is, for waitid() and kill() */
	u32 exit_signal;	/* what the parent gets, normally SIGCHLD */
	char comm[16];
	VEC(struct m_thread *) threads;	/* the leader first */
	struct m_mm *mm;
	struct m_fdtable *fdtable;
	bool shares_fs;		/* CLONE_FS with another process: refused */
	struct m_path *root, *cwd;
	u32 umask;
	struct m_tty *ctty;	/* controlling terminal */
	bool session_leader;
	struct m_sigaction actions[M_NSIG];	/* [signo - 1] */
	bool shares_sighand;	/* CLONE_SIGHAND with another process: refused */
	struct m_pending pending;	/* process-wide */
	struct m_rlimit rlimits[16];
	bool stopped;		/* group stop (SIGSTOP, SIGTSTP …) */
	s32 stop_signal;
	bool stop_reported;	/* the parent has already waited for it */
	s32 oom_score_adj, oom_score_adj_min;
	bool child_subreaper;
	pid_t ptracer;		/* PR_SET_PTRACER; -1: anyone, 0: none */
	s32 autogroup_nice;
	struct m_itimer itimers[3];	/* ITIMER_REAL, VIRTUAL, PROF */
	VEC(struct m_posix_timer) timers;
	u64 start_boottime_ns;
	bool is_tool;		/* the overlayctl that hibernated this machine */
	bool dead_leader;	/* leader thread has exited while others run: refused */
	void *restore;		/* restore's own */
};
