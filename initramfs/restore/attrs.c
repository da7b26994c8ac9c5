// SPDX-License-Identifier: GPL-2.0-only
/* What a process and its threads say of themselves: names, limits, scheduling, folders. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

#include "engine.h"

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif
#ifndef RSEQ_FLAG_UNREGISTER
#define RSEQ_FLAG_UNREGISTER 1
#endif

struct rseq_conf {
	u64 addr;
	u32 size, signature, flags, pad;
};

/*
 * The rseq area that the thread inherited from the shell. Kernels before 5.13 do not tell it: then
 * it is where our own libc has it, relative to the thread pointer, or nowhere.
 */
int attrs_drop_rseq(struct restore *r, struct rtask *t)
{
	struct rseq_conf c = { 0 };
	s64 ret;

	(void)r;
	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, t->tid, sizeof(c), &c) > 0) {
		if (!c.addr)
			return 0;
	} else {
		c.addr = t->regs.fs_base + (u64)__rseq_offset;
		c.size = 32;
		c.signature = RSEQ_SIG;
	}
	ret = remote_syscall(t, SYS_rseq, c.addr, c.size, RSEQ_FLAG_UNREGISTER, c.signature);
	return ret && ret != -EINVAL && ret != -EPERM ? (int)ret : 0;
}

/* Root and working folder by descriptors, so that no name is looked up in the old root. */
static int set_folders(struct restore *r, struct rproc *p)
{
	struct rtask *t = r_leader(p);
	const char *what = "root folder";
	s64 num, ret = 0;
	int fd;

	fd = p->m->root && strcmp(p->m->root->path, "/") ?
		     path_open(r, p->m->root->path, O_PATH | O_DIRECTORY, 0) :
		     fcntl(r->root_fd, F_DUPFD_CLOEXEC, 0);
	num = fd < 0 ? fd : file_send(r, t, fd);
	if (num >= 0)
		ret = remote_syscall(t, SYS_fchdir, num);
	if (num >= 0 && !ret) {
		ret = remote_syscall(t, SYS_chroot, remote_put(t, 0, ".", 2));
		remote_syscall(t, SYS_close, num);
	}
	if (fd >= 0)
		close(fd);
	if (num < 0)
		ret = num;
	if (!ret && p->m->cwd) {
		what = "working folder";
		if (!p->m->cwd->unlinked)
			fd = path_open(r, p->m->cwd->path, O_PATH | O_DIRECTORY, 0);
		else if (ghost_open(r, p->m->cwd, p->m->cwd->ghost, O_PATH, &fd))
			fd = -ENOENT;
		num = fd < 0 ? fd : file_send(r, t, fd);
		ret = num < 0 ? num : remote_syscall(t, SYS_fchdir, num);
		if (num >= 0)
			remote_syscall(t, SYS_close, num);
		if (fd >= 0)
			close(fd);
	}
	return ret < 0 ? r_fail_pid(r, p->pid, (int)ret, "cannot set its %s %s", what,
				    p->m->cwd ? p->m->cwd->path : "/") : 0;
}

int attrs_process(struct restore *r, struct rproc *p)
{
	struct rtask *t = r_leader(p);
	struct m_process *m = p->m;
	int ret;

	ret = set_folders(r, p);
	if (ret)
		return ret;
	remote_syscall(t, SYS_umask, m->umask);
	ret = prctl_process(r, p);
	if (ret)
		return ret;
	if (m->child_subreaper && (ret = (int)remote_syscall(t, SYS_prctl, PR_SET_CHILD_SUBREAPER, 1)))
		return r_fail_pid(r, p->pid, ret, "cannot be made a subreaper");
	return 0;
}

#define NR_OPEN "/proc/sys/fs/nr_open"

/* A limit may be above what was allowed later: the sysctl goes up for as long as it is set. */
static int set_limit(pid_t pid, int which, const struct rlimit64 *l)
{
	u64 usual = which == RLIMIT_NOFILE ? read_sysctl(NR_OPEN) : 0;
	int ret;

	if (usual && l->rlim_max > usual)
		write_sysctl(NR_OPEN, l->rlim_max);
	ret = prlimit64(pid, (enum __rlimit_resource)which, l, NULL) ? -errno : 0;
	if (usual && l->rlim_max > usual)
		write_sysctl(NR_OPEN, usual);
	return ret;
}

/* The limits come late: they bind the restore itself. */
int attrs_limits(struct restore *r, struct rproc *p)
{
	int ret;

	for (int i = 0; i < (int)ARRAY_SIZE(p->m->rlimits); i++) {
		struct rlimit64 l = { p->m->rlimits[i].cur, p->m->rlimits[i].max }, now;

		if (prlimit64(p->pid, (enum __rlimit_resource)i, NULL, &now))
			continue;
		if (now.rlim_cur == l.rlim_cur && now.rlim_max == l.rlim_max)
			continue;
		ret = set_limit(p->pid, i, &l);
		if (ret)
			return r_fail_pid(r, p->pid, ret, "cannot set limit %d", i);
	}
	return 0;
}

struct sched_attr_v0 {
	u32 size, policy;
	u64 flags;
	s32 nice;
	u32 priority;
	u64 runtime, deadline, period;
};

static struct sched_attr_v0 sched_of(const struct m_thread *m)
{
	return (struct sched_attr_v0){
		.size = sizeof(struct sched_attr_v0), .policy = m->policy, .flags = m->reset_on_fork | m->dl_flags,
		.nice = m->nice, .priority = m->rt_priority, .runtime = m->dl_runtime,
		.deadline = m->dl_deadline, .period = m->dl_period,
	};
}

/*
 * Another kernel may keep more of the processors' time for itself (from 6.12 on for its fair server): all have
 * theirs at once, and give it back.
 */
int attrs_deadline(struct restore *r)
{
	struct sched_attr_v0 a, usual = { .size = sizeof(usual), .policy = SCHED_OTHER };
	struct rproc *p;
	struct rtask *t;
	int ret = 0;

	vec_foreach(p, &r->procs) {
		for (size_t i = 0; p->m && !p->m->zombie && !ret && i < p->tasks.n; i++) {
			t = p->tasks.v[i];
			if (!t->m || t->m->policy != SCHED_DEADLINE)
				continue;
			a = sched_of(t->m);
			if (syscall(SYS_sched_setattr, t->tid, &a, 0))
				ret = r_fail_pid(r, t->tid, -errno, "has no room for its share of processor time "
						 "(SCHED_DEADLINE) under this kernel");
		}
	}
	vec_foreach(p, &r->procs)
		for (size_t i = 0; p->m && !p->m->zombie && i < p->tasks.n; i++)
			if (p->tasks.v[i]->m && p->tasks.v[i]->m->policy == SCHED_DEADLINE)
				syscall(SYS_sched_setattr, p->tasks.v[i]->tid, &usual, 0);
	return ret;
}

static int set_sched(struct restore *r, struct rtask *t)
{
	const struct m_thread *m = t->m;
	struct sched_attr_v0 a = sched_of(m);
	cpu_set_t have;
	int ret;

	if (m->policy == SCHED_FIFO || m->policy == SCHED_RR)
		a.nice = 0;
	else if (m->slice_ns)	/* kernels before 6.12 have none and do not look */
		a.runtime = m->slice_ns;
	/* What attrs_deadline() gave back is free again at the end of a period: 4 s at most. */
	for (int tries = 0; (ret = syscall(SYS_sched_setattr, t->tid, &a, 0) ? -errno : 0) == -EBUSY && tries < 100; tries++)
		usleep(50000);
	if (ret)
		return r_fail_pid(r, t->tid, ret, "cannot set scheduling policy %u", m->policy);
	if (a.nice != m->nice && setpriority(PRIO_PROCESS, (id_t)t->tid, m->nice))
		return r_fail_pid(r, t->tid, -errno, "cannot set nice %d", m->nice);
	if (m->ioprio && syscall(SYS_ioprio_set, 1, t->tid, m->ioprio))
		return r_fail_pid(r, t->tid, -errno, "cannot set I/O priority %#x", m->ioprio);
	/* An empty set, or one of CPUs that are all gone, is the kernel's default. */
	memset(&have, 0, sizeof(have));
	memcpy(&have, m->cpus_allowed, sizeof(have) < sizeof(m->cpus_allowed) ?
					       sizeof(have) : sizeof(m->cpus_allowed));
	if (CPU_COUNT(&have) && sched_setaffinity(t->tid, sizeof(have), &have) && errno != EINVAL)
		return r_fail_pid(r, t->tid, -errno, "cannot set its CPUs");
	return 0;
}

int attrs_thread(struct restore *r, struct rtask *t)
{
	const struct m_thread *m = t->m;
	struct {
		u64 sp;
		s32 flags, pad;
		u64 size;
	} ss = { m->altstack_sp, (s32)(m->altstack_flags & 0x80000000u), 0, m->altstack_size };
	const char *what = "name";
	int ret;
	s64 got;

	got = remote_syscall(t, SYS_prctl, PR_SET_NAME, remote_put(t, 0, m->comm, sizeof(m->comm)));
	/* Always: the shell's, if it had one, came along. */
	if (!ss.size)
		ss.flags = SS_DISABLE;
	if (!got) {
		what = "signal stack";
		got = remote_syscall(t, SYS_sigaltstack, remote_put(t, 0, &ss, sizeof(ss)), 0);
	}
	if (!got) {
		what = "robust list";
		got = remote_syscall(t, SYS_set_robust_list, m->robust_list, 24);
	}
	if (!got) /* returns the tid */
		remote_syscall(t, SYS_set_tid_address, m->clear_child_tid);
	if (!got)
		got = remote_syscall(t, SYS_personality, m->personality) < 0;
	if (!got && m->timer_slack_ns)
		remote_syscall(t, SYS_prctl, PR_SET_TIMERSLACK, m->timer_slack_ns);
	if (!got && m->tsc_disabled)
		got = remote_syscall(t, SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV);
	if (got)
		return r_fail_pid(r, t->tid, (int)got, "cannot set its %s", what);
	ret = prctl_thread(r, t);
	return ret ? ret : set_sched(r, t);
}

/* After the credentials, which reset both. */
int attrs_last(struct restore *r, struct rtask *t)
{
	const struct m_thread *m = t->m;
	struct rproc *p = t->proc;
	s64 ret = 0;

	/* 2, for root only, has come with the credentials. */
	if (t == r_leader(p) && p->m->mm && p->m->mm->dumpable != 2)
		ret = remote_syscall(t, SYS_prctl, PR_SET_DUMPABLE, p->m->mm->dumpable);
	if (!ret && m->pdeathsig)
		ret = remote_syscall(t, SYS_prctl, PR_SET_PDEATHSIG, m->pdeathsig);
	if (!ret && m->rseq) {
		/* It clears the descriptor of a critical section. */
		remote_read(t, m->rseq + 8, &t->rseq_cs, sizeof(t->rseq_cs));
		ret = remote_syscall(t, SYS_rseq, m->rseq, m->rseq_len ? m->rseq_len : 32, 0, m->rseq_sig);
		if (ret)
			return r_fail_pid(r, t->tid, (int)ret, "cannot register its rseq area");
	}
	return ret ? r_fail_pid(r, t->tid, (int)ret, "cannot set its last attributes") : 0;
}
