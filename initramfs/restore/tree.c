// SPDX-License-Identifier: GPL-2.0-only
/*
 * The processes: made by remote clone3 in their creators, memory filled before they make others,
 * sessions and groups as planned, and everything compared with the machine in the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"

struct clone3_args { /* of 5.5: with set_tid */
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
		set_tid_size;
};

#define F_CLEAR_SIGHAND 0x100000000ull

static const char *taken_by(pid_t pid, char buf[32])
{
	char path[40];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, 31);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return "?";
	buf[n - 1] = '\0';
	return buf;
}

/* Remote clone3 of @tid in @by; what that returns. */
static s64 clone_call(struct rtask *by, pid_t tid, u64 flags, u32 exit_signal)
{
	struct clone3_args a = { .flags = flags, .exit_signal = exit_signal, .set_tid_size = 1 };
	u64 va;

	a.set_tid = remote_put(by, 256, &tid, sizeof(tid));
	va = remote_put(by, 0, &a, sizeof(a));
	return a.set_tid && va ? remote_syscall(by, SYS_clone3, va, sizeof(a)) : -EFAULT;
}

static int clone_as(struct restore *r, struct rtask *by, pid_t tid, u64 flags, u32 exit_signal)
{
	s64 ret = clone_call(by, tid, flags, exit_signal);
	char comm[32];

	if (ret == -EEXIST)
		return r_fail_pid(r, tid, -EEXIST, "its number is taken by \"%s\" under this kernel",
				  taken_by(tid, comm));
	if (ret < 0)
		return r_fail_pid(r, tid, (int)ret, "cannot be made by process %d", by->tid);
	if (ret != tid)
		return r_fail_pid(r, tid, -ECHILD, "came out as %lld", (long long)ret);
	return 0;
}

static int adopt(struct restore *r, struct rtask *t, const struct rtask *by)
{
	int ret = remote_adopt(t, r->e);

	t->insn = by->insn;
	t->scratch = by->scratch;
	return ret;
}

bool tree_pid_used(struct restore *r, pid_t pid)
{
	struct rproc *p;

	vec_foreach(p, &r->procs) {
		if (p->pid == pid)
			return true;
		for (size_t i = 0; p->m && i < p->m->threads.n; i++)
			if (p->m->threads.v[i]->tid == pid)
				return true;
	}
	return false;
}

/* A number that neither the machine nor this kernel uses, for a process of a moment. */
static pid_t temp_pid(struct restore *r)
{
	do
		r->next_temp_pid--;
	while (tree_pid_used(r, r->next_temp_pid) || !kill(r->next_temp_pid, 0) || errno == EPERM);
	return r->next_temp_pid;
}

/* Let @parent see its child @pid gone. */
int tree_reap(struct restore *r, struct rproc *parent, pid_t pid)
{
	s64 ret = remote_syscall(r_leader(parent), SYS_wait4, pid, 0, __WALL, 0);

	(void)r;
	return ret < 0 ? (int)ret : 0;
}

static int subreaper(struct rproc *q, int on)
{
	return (int)remote_syscall(r_leader(q), SYS_prctl, PR_SET_CHILD_SUBREAPER, on);
}

/* @p by a helper of its creator's that exits, so that the kernel gives @p to p->parent. */
static int birth_by_helper(struct restore *r, struct rproc *p)
{
	struct rtask h = { .tid = temp_pid(r) }, *c = r_leader(p->creator);
	int ret;

	ret = clone_as(r, c, h.tid, F_CLEAR_SIGHAND, SIGCHLD);
	if (!ret)
		ret = adopt(r, &h, c);
	if (ret)
		return ret;
	ret = clone_as(r, &h, p->pid, F_CLEAR_SIGHAND, p->m ? p->m->exit_signal : SIGCHLD);
	if (!ret)
		ret = adopt(r, r_leader(p), &h);
	if (!ret && p->parent != r->init)
		ret = subreaper(p->parent, 1);
	remote_exit(&h, 0, 0);
	tree_reap(r, p->creator, h.tid);
	if (!ret && p->parent != r->init)
		ret = subreaper(p->parent, 0);
	return ret;
}

int tree_moment(struct restore *r, pid_t pid, struct rtask *h)
{
	struct rtask *init = r_leader(r->init);
	int ret = 0;

	*h = (struct rtask){ .tid = pid };
	if (pid <= 0 || clone_call(init, pid, F_CLEAR_SIGHAND, SIGCHLD) != pid) {
		h->tid = temp_pid(r);
		ret = clone_as(r, init, h->tid, F_CLEAR_SIGHAND, SIGCHLD);
	}
	return ret ? ret : adopt(r, h, init);
}

void tree_moment_end(struct restore *r, struct rtask *h)
{
	remote_exit(h, 0, 0);
	tree_reap(r, r->init, h->tid);
}

static int birth(struct restore *r, struct rproc *p)
{
	struct rtask *by = r_leader(p->creator);
	u64 flags = F_CLEAR_SIGHAND;
	u32 sig = p->m ? p->m->exit_signal : SIGCHLD;
	int ret;

	if (p->birth == R_BY_HELPER)
		return birth_by_helper(r, p);
	if (p->birth == R_BY_SIBLING) {
		flags |= CLONE_PARENT;
		sig = 0; /* the sibling's own */
	}
	if (p->m && p->creator->m && p->m->fdtable && p->m->fdtable == p->creator->m->fdtable)
		flags |= CLONE_FILES;
	ret = clone_as(r, by, p->pid, flags, sig);
	return ret ? ret : adopt(r, r_leader(p), by);
}

/* The session of its own, once those who belong to the older one are born. */
static int make_session(struct restore *r, struct rproc *p)
{
	s64 ret = 0;

	if (p->sid == p->pid && getsid(p->pid) != p->pid)
		ret = remote_syscall(r_leader(p), SYS_setsid, 0);
	if (ret < 0)
		return r_fail_pid(r, p->pid, (int)ret, "cannot become a session leader");
	p->session_done = true;
	return p->sid == p->pid && p->m && !p->m->zombie ? tty_sessions(r, p) : 0;
}

static int build_one(struct restore *r, struct rproc *p)
{
	struct m_mm *from = p->creator->mm;
	int ret;

	ret = birth(r, p);
	if (ret)
		return ret;
	p->created = true;
	p->mm = from;
	if (p->m && p->m->mm && !p->m->zombie) {
		ret = space_build(r, p, from);
		if (ret)
			return ret;
		p->mm = p->m->mm;
	}
	return p->early_children ? 0 : make_session(r, p);
}

static bool can_build(const struct rproc *p)
{
	const struct rproc *c = p->creator;

	return c->created && c->session_done != p->before_setsid;
}

int tree_build(struct restore *r)
{
	size_t left = r->procs.n - 1, done = 0, total = left;
	bool progress = true;
	int ret;

	r->init->created = true;
	ret = r->init->early_children ? 0 : make_session(r, r->init);
	if (ret)
		return ret;
	while (left && progress) {
		progress = false;
		for (size_t i = 0; i < r->procs.n; i++) {
			struct rproc *p = r->procs.v[i];

			if (p->created || !can_build(p))
				continue;
			ret = fault_point(FAULT_PROCESS, r->e);
			if (!ret)
				ret = build_one(r, p);
			if (!ret && p->before_setsid && !--p->creator->early_children)
				ret = make_session(r, p->creator);
			if (ret)
				return ret;
			r_progress(r, "processes", ++done, total);
			left--;
			progress = true;
		}
	}
	for (size_t i = 0; left && i < r->procs.n; i++)
		if (!r->procs.v[i]->created)
			return r_fail_pid(r, r->procs.v[i]->pid, -EDEADLK,
					  "no order of making the processes fits its session");
	for (size_t i = 0; i < r->procs.n; i++) {
		struct rproc *p = r->procs.v[i];

		if (p != r->init && p->m && !p->m->zombie && (ret = tree_threads(r, p)))
			return ret;
	}
	return 0;
}

#define THREAD_FLAGS                                                                               \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

int tree_threads(struct restore *r, struct rproc *p)
{
	int ret;

	for (size_t i = 1; i < p->m->threads.n; i++) {
		struct rtask *t = calloc(1, sizeof(*t));

		if (!t || vec_push(&p->tasks, t)) {
			free(t);
			return r_fail_pid(r, p->pid, -ENOMEM, "no memory for its threads");
		}
		t->tid = p->m->threads.v[i]->tid;
		t->m = p->m->threads.v[i];
		t->proc = p;
		t->dead = true;
		ret = clone_as(r, r_leader(p), t->tid, THREAD_FLAGS, 0);
		if (ret)
			return ret;
		t->dead = false;
		ret = adopt(r, t, r_leader(p));
		if (ret)
			return ret;
	}
	return 0;
}

static int set_group(struct restore *r, struct rproc *p)
{
	s64 ret;

	if (p->sid == p->pid || getpgid(p->pid) == p->pgid)
		return 0;
	ret = remote_syscall(r_leader(p), SYS_setpgid, 0, p->pgid);
	return ret < 0 ? r_fail_pid(r, p->pid, (int)ret, "cannot join process group %d", p->pgid) : 0;
}

/* A stand-in or a zombie: its end, seen by the tracer; what the parent sees is not touched. */
static int end_process(struct rproc *p, int status)
{
	int sig = status & 0x7f, ret;

	/* The handler of core dumps has seen it end once. */
	if (sig)
		remote_syscall(r_leader(p), SYS_prctl, PR_SET_DUMPABLE, 0);
	ret = remote_exit(r_leader(p), status >> 8 & 0xff, sig);
	p->gone = !ret;
	return ret;
}

int tree_groups(struct restore *r)
{
	struct rproc *p;
	int ret;

	/* Leaders first: a group must be there before it can be joined. */
	vec_foreach(p, &r->procs)
		if (p->pgid == p->pid && (ret = set_group(r, p)))
			return ret;
	vec_foreach(p, &r->procs)
		if (p->pgid != p->pid && (ret = set_group(r, p)))
			return ret;
	ret = tty_foreground(r);
	if (ret)
		return ret;
	/* Youngest first: a stand-in may have made another. */
	for (size_t i = r->procs.n; i-- > 0;) {
		p = r->procs.v[i];
		if (p->m || p->gone)
			continue;
		ret = end_process(p, 0);
		if (!ret)
			ret = tree_reap(r, p->parent, p->pid);
		if (ret)
			return r_fail_pid(r, p->pid, ret, "the stand-in for a dead leader stays");
	}
	return 0;
}

int tree_check(struct restore *r)
{
	struct rproc *p;

	vec_foreach(p, &r->procs) {
		char path[40], buf[512], *s;
		int fd, ppid, pgid, sid;
		ssize_t n;

		if (!p->m)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", p->pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
		if (fd >= 0)
			close(fd);
		if (n <= 0)
			return r_fail_pid(r, p->pid, -ESRCH, "is not there after it was made");
		buf[n] = '\0';
		s = strrchr(buf, ')');
		if (!s || sscanf(s + 1, " %*c %d %d %d", &ppid, &pgid, &sid) != 3)
			return r_fail_pid(r, p->pid, -EIO, "%s does not parse", path);
		if (p != r->init && ppid != p->parent->pid)
			return r_fail_pid(r, p->pid, -ECHILD, "its parent is %d and not %d", ppid,
					  p->parent->pid);
		if (pgid != p->pgid || sid != p->sid)
			return r_fail_pid(r, p->pid, -ECHILD,
					  "is in group %d, session %d and not in %d, %d", pgid, sid,
					  p->pgid, p->sid);
	}
	return 0;
}

int tree_zombies(struct restore *r)
{
	struct m_thread as = { 0 };	/* its own are gone */
	struct rproc *p;
	struct rtask *t;
	int ret;

	vec_foreach(p, &r->procs) {
		if (!p->m || !p->m->zombie || p->gone)
			continue;
		t = r_leader(p);
		remote_syscall(t, SYS_close, r->ctl_fd);
		remote_syscall(t, SYS_prctl, PR_SET_NAME,
			       remote_put(t, 0, p->m->comm, sizeof(p->m->comm)));
		as.cred = p->m->cred;
		t->m = &as;
		ret = cred_thread(r, t);
		t->m = NULL;
		if (!ret)
			ret = end_process(p, p->m->exit_code);
		if (ret)
			return r_fail_pid(r, p->pid, ret, "cannot be made a zombie");
	}
	return 0;
}

void tree_kill(struct restore *r)
{
	struct rproc *p;
	int status;

	for (size_t i = 0; i < r->procs.n; i++) {
		p = r->procs.v[i];
		if (p != r->init && p->created && !p->gone)
			kill(p->pid, SIGKILL);
	}
	for (size_t i = 0; i < r->procs.n; i++) {
		p = r->procs.v[i];
		if (p == r->init || !p->created || p->gone)
			continue;
		/* The leader last: it can be waited for when its threads are gone. */
		for (size_t k = p->tasks.n; k-- > 0;) {
			struct rtask *t = p->tasks.v[k];

			while (!t->dead && waitpid(t->tid, &status, __WALL) == t->tid)
				if (WIFEXITED(status) || WIFSIGNALED(status))
					break;
			t->dead = true;
		}
		p->gone = true;
	}
	for (size_t i = 0; i < r->procs.n; i++) {
		p = r->procs.v[i];
		if (p != r->init && p->created)
			tree_reap(r, r->init, p->pid);
	}
}
