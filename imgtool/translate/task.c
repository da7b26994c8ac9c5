// SPDX-License-Identifier: GPL-2.0-only
/* Processes and their threads: the list of all tasks, and what each is. */
#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "translate/xlate.h"

/* include/linux/sched.h, the same in all supported kernels */
#define PF_EXITING 0x00000004
#define PF_IO_WORKER 0x00000010
#define PF_USER_WORKER 0x00004000	/* 6.4 on: 54e6842d0775; a hole before */
#define PF_KTHREAD 0x00200000
#define EXIT_DEAD 0x10
#define EXIT_ZOMBIE 0x20
#define PFA_NO_NEW_PRIVS 0
#define TIF_NOCPUID 15
#define TIF_NOTSC 16
#define SIGNAL_STOP_STOPPED 0x1

static u32 task_flags(struct xlate *x, u64 task)
{
	return x_u64(x, task, F_TASK_FLAGS);
}

static bool is_kernel_task(struct xlate *x, u64 task)
{
	return task_flags(x, task) & PF_KTHREAD;
}

static void set_who(struct xlate *x, u64 task)
{
	x->pid = x_u64(x, task, F_TASK_TGID);
	x_bytes(x, task, F_TASK_COMM, x->comm, sizeof(x->comm));
	x->comm[sizeof(x->comm) - 1] = '\0';
	x_object(x, "process");
}

/* PID number of signal_struct.pids[@type] in the initial namespace; 0: none. */
static pid_t signal_pid(struct xlate *x, u64 signal, enum field_enum type)
{
	u64 pid, at = x_addr(x, signal, F_SIG_PIDS) + (u64)x->f->value[type] * 8;

	x_read(x, at, &pid, sizeof(pid), "signal_struct.pids");
	return pid ? (pid_t)x_u64(x, pid, F_PID_NR) : 0;
}

/* What the scheduler keeps: policy, priorities, affinity. */
static void scheduling(struct xlate *x, u64 task, struct m_thread *t)
{
	size_t n = x->f->loc[F_TASK_CPUS_MASK].size;

	t->policy = x_u64(x, task, F_TASK_POLICY);
	t->rt_priority = x_u64(x, task, F_TASK_RT_PRIORITY);
	t->reset_on_fork = x_u64(x, task, F_TASK_RESET_ON_FORK);
	t->nice = (s32)(x_u64(x, task, F_TASK_STATIC_PRIO) - 120); /* DEFAULT_PRIO */
	/* they stay when the policy is another one again */
	if (t->policy == SCHED_DEADLINE) {
		t->dl_runtime = x_u64(x, task, F_TASK_DL_RUNTIME);
		t->dl_deadline = x_u64(x, task, F_TASK_DL_DEADLINE);
		t->dl_period = x_u64(x, task, F_TASK_DL_PERIOD);
		t->dl_flags = x_u64(x, task, F_TASK_DL_FLAGS);
	} else if (x_has(x, F_TASK_CUSTOM_SLICE) && x_has(x, F_TASK_SLICE) &&
		   x_u64(x, task, F_TASK_CUSTOM_SLICE)) {
		t->slice_ns = x_u64(x, task, F_TASK_SLICE);
	}
	if (n > sizeof(t->cpus_allowed))
		n = sizeof(t->cpus_allowed);
	x_bytes(x, task, F_TASK_CPUS_MASK, t->cpus_allowed, n);
}

static void refuse_foreign(struct xlate *x, u64 task, struct m_thread *t)
{
	if (x_u64(x, task, F_TASK_PTRACE))
		x_refuse(x, "thread %d is being traced (ptrace): detach the debugger first", t->tid);
	if (x_u64(x, task, F_TASK_SECCOMP_MODE))
		x_refuse(x, "thread %d has a seccomp filter, which cannot be carried yet", t->tid);
	if (x_u64(x, task, F_TASK_IO_URING))
		x_refuse(x, "thread %d uses io_uring, which cannot be carried yet", t->tid);
	if (x_u64(x, task, F_TASK_IO_BITMAP) || x_u64(x, task, F_TASK_IOPL)) {
		t->io_bitmap = true;
		x_refuse(x, "thread %d has I/O port rights (ioperm, iopl)", t->tid);
	}
}

static struct m_thread *xlate_thread(struct xlate *x, u64 task, struct m_process *p)
{
	struct m_thread *t = x_new(x, struct m_thread);
	u64 ioc, ti;

	if (!t)
		return NULL;
	t->kaddr = task;
	t->tid = x_u64(x, task, F_TASK_PID);
	x_bytes(x, task, F_TASK_COMM, t->comm, sizeof(t->comm));
	/* in sigtimedwait the signals waited for are let through, and the mask is kept aside */
	t->sigmask = x_u64(x, task, F_TASK_REAL_BLOCKED);
	if (!t->sigmask)
		t->sigmask = x_u64(x, task, F_TASK_BLOCKED);
	t->saved_sigmask = x_u64(x, task, F_TASK_SAVED_SIGMASK);
	if (x_has(x, F_TASK_RESTORE_SIGMASK))
		t->restore_sigmask = x_u64(x, task, F_TASK_RESTORE_SIGMASK);
	xlate_pending(x, x_addr(x, task, F_TASK_PENDING), &t->pending);
	t->altstack_sp = x_u64(x, task, F_TASK_SAS_SP);
	t->altstack_size = x_u64(x, task, F_TASK_SAS_SIZE);
	t->altstack_flags = x_u64(x, task, F_TASK_SAS_FLAGS);
	t->robust_list = x_u64(x, task, F_TASK_ROBUST_LIST);
	t->clear_child_tid = x_u64(x, task, F_TASK_CLEAR_CHILD_TID);
	t->rseq = x_u64(x, task, F_TASK_RSEQ);
	t->rseq_sig = x_u64(x, task, F_TASK_RSEQ_SIG);
	t->rseq_len = x_has(x, F_TASK_RSEQ_LEN) ? x_u64(x, task, F_TASK_RSEQ_LEN) : 32;
	t->pdeathsig = x_u64(x, task, F_TASK_PDEATHSIG);
	t->personality = x_u64(x, task, F_TASK_PERSONALITY);
	scheduling(x, task, t);
	ioc = x_u64(x, task, F_TASK_IO_CONTEXT);
	t->ioprio = ioc ? x_u64(x, ioc, F_IOC_IOPRIO) : 0;
	t->timer_slack_ns = x_u64(x, task, F_TASK_TIMER_SLACK);
	t->no_new_privs = x_u64(x, task, F_TASK_ATOMIC_FLAGS) & 1ull << PFA_NO_NEW_PRIVS;
	t->cred = xlate_cred(x, x_u64(x, task, F_TASK_CRED));
	t->user_cpu_ns = x_u64(x, task, F_TASK_UTIME);
	t->sys_cpu_ns = x_u64(x, task, F_TASK_STIME);
	ti = x_u64(x, task, F_TASK_TI_FLAGS);
	t->tsc_disabled = ti & 1ull << TIF_NOTSC;
	t->cpuid_fault = ti & 1ull << TIF_NOCPUID;
	refuse_foreign(x, task, t);
	xlate_thread_attrs(x, task, t);
	if (p->is_tool && t->tid == p->pid)
		t->entry = M_ENTRY_TOOL;
	if (!x->live && !p->zombie) {
		xlate_thread_regs(x, task, t);
		xlate_sleep(x, task, t);
	}
	if (map_put(&x->threads, task, t))
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	return t;
}

struct thread_list {
	struct m_process *p;
	u64 leader;
};

/* A thread may have left what it shared with its process: unshare(CLONE_FILES), unshare(CLONE_FS). */
static void shares(struct xlate *x, u64 task, u64 leader, enum field f, const char *what)
{
	u64 own = x_u64(x, task, f), its = x_u64(x, leader, f);

	if (own && its && own != its)
		x_refuse(x, "thread %d has %s of its own (unshare), which cannot be carried yet",
			 (int)x_u64(x, task, F_TASK_PID), what);
}

static void namespaces(struct xlate *x, u64 task);

static int one_thread(struct xlate *x, u64 node, void *arg)
{
	struct thread_list *l = arg;
	u64 task = x_container(x, node, F_TASK_THREAD_NODE);
	u32 flags = task_flags(x, task);
	struct m_thread *t;

	if (task == l->leader)
		return 0;
	if (x_u64(x, task, F_TASK_EXIT_STATE))
		return 0; /* about to be reaped; its parent never waits for it */
	if (flags & (PF_IO_WORKER | PF_USER_WORKER)) {
		x_refuse(x, "has a kernel worker thread (io_uring, vhost), which cannot be carried yet");
		return 0;
	}
	t = xlate_thread(x, task, l->p);
	if (t)
		x_push(x, &l->p->threads, t);
	shares(x, task, l->leader, F_TASK_FILES, "descriptors");
	shares(x, task, l->leader, F_TASK_FS, "a working directory");
	if (x_u64(x, task, F_TASK_NSPROXY) != x_u64(x, l->leader, F_TASK_NSPROXY))
		namespaces(x, task);
	return x->err.code;
}

static void namespaces(struct xlate *x, u64 task)
{
	static const struct {
		enum field field;
		const char *name;
	} ns[] = {
		{ F_NS_UTS, "UTS" }, { F_NS_IPC, "IPC" }, { F_NS_MNT, "mount" },
		{ F_NS_PID_CHILDREN, "PID" }, { F_NS_NET, "network" }, { F_NS_TIME, "time" },
		{ F_NS_CGROUP, "cgroup" }, { F_NS_TIME_CHILDREN, "time (for children)" },
	};
	u64 mine = x_u64(x, task, F_TASK_NSPROXY);
	u64 init = x_u64(x, x->init_task, F_TASK_NSPROXY);
	size_t i;

	if (mine == init || x_failed(x))
		return;
	for (i = 0; i < ARRAY_SIZE(ns); i++)
		if (x_u64(x, mine, ns[i].field) != x_u64(x, init, ns[i].field))
			x_refuse(x, "is in a %s namespace of its own, which cannot be carried yet",
				 ns[i].name);
}

static void rlimits(struct xlate *x, u64 signal, struct m_process *p)
{
	u8 raw[sizeof(p->rlimits)];

	x_bytes(x, signal, F_SIG_RLIM, raw, sizeof(raw));
	memcpy(p->rlimits, raw, sizeof(raw));
}

static void fs_struct(struct xlate *x, u64 task, struct m_process *p)
{
	u64 fs = x_u64(x, task, F_TASK_FS), root, pwd;

	root = x_addr(x, fs, F_FS_ROOT);
	pwd = x_addr(x, fs, F_FS_PWD);
	p->umask = x_u64(x, fs, F_FS_UMASK);
	p->root = xlate_path(x, x_u64(x, root, F_PATH_MNT), x_u64(x, root, F_PATH_DENTRY));
	p->cwd = xlate_path(x, x_u64(x, pwd, F_PATH_MNT), x_u64(x, pwd, F_PATH_DENTRY));
	if (p->cwd) {
		x_object(x, "working directory %s", p->cwd->path);
		xlate_in_reach(x, p->cwd);
	}
	if (p->cwd && p->cwd->unlinked) {
		p->cwd->ghost = xlate_ghost(x, p->cwd, x_u64(x, x_u64(x, pwd, F_PATH_DENTRY),
							     F_DENTRY_INODE));
	}
	if (p->root) {
		x_object(x, "root directory %s", p->root->path);
		if (p->root->unlinked)
			x_refuse(x, "has been removed");
		else
			xlate_in_reach(x, p->root);
	}
	/* fs_struct.users does not tell: PID 1 shares its own with the kernel threads */
	if (map_get(&x->fs_structs, fs)) {
		p->shares_fs = true;
		x_object(x, "process");
		x_refuse(x, "shares its working directory with another process (CLONE_FS)");
	}
	if (map_put(&x->fs_structs, fs, p))
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
}

/* The parts that a zombie has no more. */
static void living_parts(struct xlate *x, u64 task, struct m_process *p)
{
	struct thread_list l = { p, task };
	u64 signal = x_u64(x, task, F_TASK_SIGNAL);
	struct m_thread *t;

	t = xlate_thread(x, task, p);
	if (t)
		x_push(x, &p->threads, t);
	x_list(x, x_addr(x, signal, F_SIG_THREAD_HEAD), one_thread, &l);
	namespaces(x, task);
	fs_struct(x, task, p);
	x_object(x, "process");
	p->mm = xlate_mm(x, x_u64(x, task, F_TASK_MM));
	if (p->mm && ++p->mm->nr_users > 1)
		x_refuse(x, "shares its memory with another process (vfork, CLONE_VM)");
	x_object(x, "process");
	p->fdtable = xlate_fdtable(x, x_u64(x, task, F_TASK_FILES));
	if (p->fdtable)
		p->fdtable->nr_users++;
	rlimits(x, signal, p);
	xlate_signals(x, task, p);
}

static int one_other(struct xlate *x, u64 node, void *arg)
{
	u64 task = x_container(x, node, F_TASK_THREAD_NODE);

	/* x_list stops at a non-zero result */
	return task != *(u64 *)arg && !x_u64(x, task, F_TASK_EXIT_STATE);
}

/* Is another thread of the process alive? Its leader is then not reaped: delay_group_leader(). */
static bool others_live(struct xlate *x, u64 signal, u64 leader)
{
	return x_list(x, x_addr(x, signal, F_SIG_THREAD_HEAD), one_other, &leader) && !x_failed(x);
}

static struct m_process *xlate_process(struct xlate *x, u64 task)
{
	u64 signal = x_u64(x, task, F_TASK_SIGNAL), tty, group;
	struct m_process *p = x_new(x, struct m_process);
	u32 exit_state = x_u64(x, task, F_TASK_EXIT_STATE);

	if (!p)
		return NULL;
	p->kaddr = task;
	p->pid = x->pid;
	memcpy(p->comm, x->comm, sizeof(p->comm));
	p->ppid = x_u64(x, x_u64(x, task, F_TASK_REAL_PARENT), F_TASK_TGID);
	p->pgid = signal_pid(x, signal, E_PIDTYPE_PGID);
	p->sid = signal_pid(x, signal, E_PIDTYPE_SID);
	p->exit_signal = x_u64(x, task, F_TASK_EXIT_SIGNAL);
	p->session_leader = x_u64(x, signal, F_SIG_LEADER);
	p->oom_score_adj = x_s64(x, signal, F_SIG_OOM_ADJ);
	p->oom_score_adj_min = x_s64(x, signal, F_SIG_OOM_ADJ_MIN);
	p->child_subreaper = x_u64(x, signal, F_SIG_SUBREAPER);
	p->start_boottime_ns = x_u64(x, task, F_TASK_START_BOOTTIME);
	p->is_tool = p->pid == x->m->system.tool_pid;
	if (x_has(x, F_SIG_AUTOGROUP) && (group = x_u64(x, signal, F_SIG_AUTOGROUP)))
		p->autogroup_nice = (s32)x_u64(x, group, F_AUTOGROUP_NICE);
	if (x_has(x, F_SIG_AUDIT_TTY) && x_u64(x, signal, F_SIG_AUDIT_TTY))
		x_refuse(x, "has its terminal input audited (pam_tty_audit), which cannot be carried yet");
	if (exit_state && others_live(x, signal, task)) {
		p->dead_leader = true;
		x_refuse(x, "has threads that outlived its first one (pthread_exit in main), which "
			 "cannot be carried yet");
	}
	if (exit_state) {
		p->zombie = true;
		p->exit_code = x_u64(x, task, F_TASK_EXIT_CODE);
		/* of a running kernel it may be reaped at any moment */
		p->cred = x->live ? NULL : xlate_cred(x, x_u64(x, task, F_TASK_CRED));
		if (x_u64(x, signal, F_SIG_FLAGS) & 0x4 && x_u64(x, signal, F_SIG_GROUP_EXIT_CODE))
			p->exit_code = x_u64(x, signal, F_SIG_GROUP_EXIT_CODE);
	} else {
		tty = x_u64(x, signal, F_SIG_TTY);
		if (tty)
			p->ctty = xlate_tty(x, tty);
		if (x_u64(x, signal, F_SIG_FLAGS) & SIGNAL_STOP_STOPPED) {
			p->stopped = true;
			p->stop_signal = x_u64(x, signal, F_SIG_GROUP_EXIT_CODE);
			p->stop_reported = !p->stop_signal;
		}
		living_parts(x, task, p);
	}
	return p;
}

static int one_task(struct xlate *x, u64 node, void *arg)
{
	u64 task = x_container(x, node, F_TASK_TASKS);
	struct m_process *p;

	(void)arg;
	if (x_failed(x))
		return x->err.code;
	if (is_kernel_task(x, task)) {
		x->m->system.nr_kernel_tasks++;
		return 0;
	}
	/* What was read for the last process is old by now: with it and what is read next a list may have no end. */
	if (x->live)
		view_forget(x->v);
	if (x_u64(x, task, F_TASK_EXIT_STATE) == EXIT_DEAD)
		return 0;
	set_who(x, task);
	p = xlate_process(x, task);
	if (!p)
		return x->err.code;
	if (p->pid == 1)
		x->m->init = p;
	x_push(x, &x->m->processes, p);
	if (map_put(&x->processes, p->pid, p))
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	return x->err.code;
}

/* All user processes, PID 1 first (the list is in order of creation). */
void xlate_tasks(struct xlate *x)
{
	u64 init_task = x_sym(x, "init_task");
	struct m_process *p;

	if (x_failed(x))
		return;
	x_list(x, x_addr(x, init_task, F_TASK_TASKS), one_task, NULL);
	if (x_failed(x))
		return;
	if (!x->m->init) {
		ohib_err_set(&x->err, -ENOENT, "no process with PID 1 in this memory");
		return;
	}
	vec_foreach(p, &x->m->processes)
		p->parent = p->pid == 1 ? NULL : map_get(&x->processes, p->ppid);
	x->pid = 0;
	x->comm[0] = '\0';
}
