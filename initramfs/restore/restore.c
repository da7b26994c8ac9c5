// SPDX-License-Identifier: GPL-2.0-only
/*
 * The restore as a whole: what is done in which order, and what is undone.
 * Point of no return: o->commit(). Everything before it can be taken back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine.h"

void r_progress(struct restore *r, const char *stage, u64 done, u64 total)
{
	if (r->o->progress)
		r->o->progress(r->o->arg, stage, done, total);
}

void write_sysctl(const char *path, u64 value)
{
	FILE *f = fopen(path, "we");

	if (f) {
		fprintf(f, "%llu\n", (unsigned long long)value);
		fclose(f);
	}
}

u64 read_sysctl(const char *path)
{
	unsigned long long v = 0;
	FILE *f = fopen(path, "re");

	if (f) {
		if (fscanf(f, "%llu", &v) != 1)
			v = 0;
		fclose(f);
	}
	return v;
}

static int prepare(struct restore *r)
{
	u64 pid_max = read_sysctl("/proc/sys/kernel/pid_max");
	struct rlimit64 lim = { 1 << 20, 1 << 20 };
	struct m_fdtable *ft;
	int max = 255;

	if (r->m->system.pid_max > pid_max) {
		pid_max = r->m->system.pid_max;
		write_sysctl("/proc/sys/kernel/pid_max", pid_max);
	}
	r->next_temp_pid = pid_max ? (pid_t)pid_max : 32768;
	vec_foreach(ft, &r->m->fdtables)
		if (ft->fds.n && ft->fds.v[ft->fds.n - 1].fd > max)
			max = ft->fds.v[ft->fds.n - 1].fd;
	r->ctl_fd = max + 1;
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ lim.rlim_cur, lim.rlim_max });
	prlimit64(1, RLIMIT_NOFILE, NULL, &r->init_nofile);
	if (prlimit64(1, RLIMIT_NOFILE, &lim, NULL)) {
		lim.rlim_cur = lim.rlim_max = r->init_nofile.rlim_max;
		prlimit64(1, RLIMIT_NOFILE, &lim, NULL);
	}
	/* What is pending of all users comes back as root's, before their own limits bind them. */
	prlimit64(1, RLIMIT_SIGPENDING, &(struct rlimit64){ RLIM64_INFINITY, RLIM64_INFINITY }, &r->init_sigpending);
	r->stub = space_find_stub(r);
	return r->stub ? 0 : r_fail(r, -ENOMEM, "no address is free in all processes");
}

/* The controller's pidfd in PID 1: what it makes inherits it, and takes open files by it. */
static int give_ctl(struct restore *r)
{
	struct rtask *t = r_leader(r->init);
	s64 fd, ret;

	fd = remote_syscall(t, SYS_pidfd_open, r->self, 0);
	if (fd < 0)
		return r_fail(r, (int)fd, "PID 1 cannot open the reloader");
	ret = remote_syscall(t, SYS_dup3, fd, r->ctl_fd, 0);
	remote_syscall(t, SYS_close, fd);
	return ret < 0 ? r_fail(r, (int)ret, "PID 1 cannot have a descriptor %d", r->ctl_fd) : 0;
}

#define for_each_machine_proc(p, r)                                                                \
	vec_foreach(p, &(r)->procs)                                                                \
		if ((p)->m && !(p)->m->zombie)

/* PID 1 is ours, and ready to make processes. */
static int take_init(struct restore *r)
{
	int ret;

	ret = fault_point(FAULT_TAKE_INIT, r->e);
	if (!ret)
		ret = prepare(r);
	if (!ret)
		ret = plan_make(r);
	if (!ret)
		ret = vdso_plan(r);
	if (!ret)
		ret = seize_init(r);
	if (!ret)
		ret = give_ctl(r);
	return ret;
}

/* Everything that needs no writable file system on disk. */
static int build(struct restore *r)
{
	int ret = 0;

	if (!r->o->keep_mounts) {
		r_progress(r, "mounts", 0, 0);
		ret = fault_point(FAULT_MOUNTS, r->e);
		if (!ret)
			ret = mounts_build(r);
		if (!ret)
			ret = fault_point(FAULT_ORPHANS, r->e);
		if (!ret && !r->rw)
			ret = orphans_find(r);
	}
	if (!ret)
		ret = fault_point(FAULT_PREPARE, r->e);
	if (!ret && r->o->prepare)
		ret = r->o->prepare(r->o->arg, r->o->keep_mounts ? "/" : MOUNTS_ROOT, r->e);
	if (!ret) /* by the wall clock, which is right now */
		ret = clock_enter(r);
	if (!ret)
		ret = fault_point(FAULT_FILES_CHECK, r->e);
	if (!ret && !r->rw)
		ret = files_check(r);
	if (!ret && !r->rw)
		ret = prctl_check(r);
	if (!ret && !r->rw)
		ret = thread_check(r);
	if (!ret)
		ret = fault_point(FAULT_TTYS, r->e);
	if (!ret)
		ret = ttys_open(r);
	if (!ret)
		ret = tree_build(r);
	if (!ret)
		ret = fault_point(FAULT_GROUPS, r->e);
	if (!ret)
		ret = tree_groups(r);
	if (!ret)
		ret = tree_check(r);
	if (!ret)
		ret = r->rw ? 0 : attrs_deadline(r);
	if (!ret)
		ret = shmem_sysv_all(r);
	if (!ret) {
		r_progress(r, "files", 0, r->m->files.n);
		ret = fault_point(FAULT_FILES, r->e);
		if (!ret)
			ret = files_open(r, true);
	}
	return ret ? ret : space_files(r, r->init);
}

static void tear_down(struct restore *r)
{
	files_close(r);
	ttys_close(r);
	if (r->init_seized)
		tree_kill(r);
	shmem_close(r);
	if (!r->o->keep_mounts)
		mounts_undo(r);
}

static void undo(struct restore *r)
{
	tear_down(r);
	if (!r->init_seized)
		return;
	clock_undo(r);
	remote_syscall(r_leader(r->init), SYS_close, r->ctl_fd);
	seize_undo(r);
	prlimit64(1, RLIMIT_NOFILE, &r->init_nofile, NULL);
	prlimit64(1, RLIMIT_SIGPENDING, &r->init_sigpending, NULL);
}

/*
 * A file system that cannot go from read-only to writable is unmounted and mounted again after the
 * commit. What was built before was a rehearsal then (without the contents of pages): it is taken
 * down, still before the commit, and built again on the writable file systems.
 */
static int end_rehearsal(struct restore *r)
{
	int ret;

	r_progress(r, "rehearsed", 0, 0);
	ret = pages_room(r);
	if (ret)
		return ret;
	tear_down(r);
	/* Whoever has one in use now would have it in use behind the commit as well. */
	return orphans_unused(r);
}

static int build_again(struct restore *r)
{
	struct rtask init = *r_leader(r->init);
	struct rtask *t;
	int ret;

	plan_free(r);
	r->init = NULL;
	ret = plan_make(r);
	if (ret)
		return ret;
	t = r_leader(r->init);
	init.proc = t->proc;
	init.m = t->m;
	*t = init;
	r->rehearsal = false;
	r->rw = true;
	return build(r);
}

static int become_init(struct restore *r)
{
	struct rproc *p = r->init;
	int ret;

	ret = space_build(r, p, NULL);
	if (!ret)
		p->mm = p->m->mm;
	return ret ? ret : tree_threads(r, p);
}

/* struct ohib_woken: what the hibernating tool finds when its call returns. */
static int tell_tool(struct restore *r, struct rproc *p)
{
	struct {
		char kernel[65];
		int mode;
	} woken = { .mode = 2 };
	FILE *f;

	if (!p->m->is_tool || !r->m->system.tool_woken_va)
		return 0;
	f = fopen("/proc/sys/kernel/osrelease", "re");
	if (f) {
		if (fgets(woken.kernel, sizeof(woken.kernel), f))
			woken.kernel[strcspn(woken.kernel, "\n")] = '\0';
		fclose(f);
	}
	if (remote_write(r_leader(p), r->m->system.tool_woken_va, &woken, sizeof(woken)))
		return r_fail_pid(r, p->pid, -EFAULT, "the tool cannot be told that it woke");
	return 0;
}

#define SUID_DUMPABLE "/proc/sys/fs/suid_dumpable"

/*
 * A change of credentials makes the memory as dumpable as this sysctl says (commit_creds), for all threads; it
 * is the only way to 2, which prctl does not give.
 */
static int set_creds(struct restore *r, struct rproc *p)
{
	bool root_only = p->m->mm && p->m->mm->dumpable == 2;
	u64 usual = read_sysctl(SUID_DUMPABLE);
	struct rtask *t;
	int ret = 0;

	if (root_only)
		write_sysctl(SUID_DUMPABLE, 2);
	vec_foreach(t, &p->tasks)
		if (!ret)
			ret = cred_thread(r, t);
	if (root_only)
		write_sysctl(SUID_DUMPABLE, usual);
	vec_foreach(t, &p->tasks)
		if (!ret)
			ret = attrs_last(r, t);
	return ret;
}

/* The last remote calls of a process, and what it goes on with. It is parked then. */
static int finish_process(struct restore *r, struct rproc *p)
{
	struct rtask *t, *leader = r_leader(p);
	int ret;

	ret = fault_point(FAULT_FINISH, r->e);
	if (!ret)
		ret = signals_drain(r, p);
	if (!ret)
		ret = signals_pending(r, p);
	if (!ret)
		ret = timers_set(r, p);
	if (!ret)
		ret = tell_tool(r, p);
	remote_syscall(leader, SYS_close, r->ctl_fd);
	if (!ret)
		ret = set_creds(r, p);
	if (!ret)
		ret = attrs_limits(r, p);
	for (size_t i = p->tasks.n; !ret && i-- > 0;)
		ret = thread_sleep(r, p->tasks.v[i]);
	if (!ret)
		ret = prctl_last(r, p);
	if (!ret)
		ret = (int)remote_syscall(leader, SYS_munmap, r->stub, REMOTE_STUB_LEN);
	vec_foreach(t, &p->tasks)
		if (!ret)
			ret = thread_park(r, t);
	vec_foreach(t, &p->tasks)
		if (!ret)
			ret = thread_set(r, t);
	return ret ? r_fail_pid(r, p->pid, ret, "cannot be finished") : 0;
}

static int detach(struct restore *r, struct rproc *p)
{
	struct rtask *t;
	int ret;

	vec_foreach(t, &p->tasks) {
		thread_time(r, t);
		ret = remote_detach(t);
		if (ret)
			return r_fail_pid(r, t->tid, ret, "cannot be let go");
	}
	p->gone = true;
	return 0;
}

static u32 depth(const struct rproc *p)
{
	u32 n = 0;

	for (; p->parent; p = p->parent)
		n++;
	return n;
}

/*
 * Stopped processes are finished first, children before parents: a stop tells the parent, who is
 * to be still under control then, and whose signals are drained after.
 */
static int finish_stopped(struct restore *r)
{
	struct rproc *p;
	u32 deepest = 0;
	int ret;

	for_each_machine_proc(p, r)
		if (p->m->stopped && depth(p) > deepest)
			deepest = depth(p);
	for (u32 d = deepest + 1; d-- > 0;) {
		for_each_machine_proc(p, r) {
			if (!p->m->stopped || depth(p) != d)
				continue;
			ret = finish_process(r, p);
			if (!ret)
				ret = stop_process(r, p);
			if (!ret)
				ret = detach(r, p);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int after_commit(struct restore *r)
{
	struct rproc *p;
	struct rtask *t;
	int ret;

	ret = fault_point(FAULT_COMMITTED, r->e);
	if (!ret)
		ret = seize_chain(r);
	if (!ret)
		ret = fault_point(FAULT_WRITABLE, r->e);
	if (!ret && r->rehearsal)
		ret = build_again(r);
	else if (!ret && !r->o->keep_mounts)
		ret = mounts_writable(r);
	if (!ret)
		ret = fault_point(FAULT_ROOT, r->e);
	if (!ret && !r->o->keep_mounts)
		ret = mounts_switch(r);
	r->rw = true;
	if (!ret)
		ret = fault_point(FAULT_CONFIGURE, r->e);
	if (!ret && r->o->configure)
		ret = r->o->configure(r->o->arg, r->e);
	if (!ret)
		ret = fault_point(FAULT_INIT, r->e);
	if (!ret)
		ret = become_init(r);
	for_each_machine_proc(p, r) {
		if (!ret)
			ret = fault_point(FAULT_LATE, r->e);
		if (!ret)
			ret = space_late(r, p);
	}
	if (!ret)
		ret = shmem_sysv_finish(r);
	r_progress(r, "descriptors", 0, 0);
	if (!ret)
		ret = files_open(r, false);
	for_each_machine_proc(p, r) {
		if (!ret)
			ret = fault_point(FAULT_DESCRIPTORS, r->e);
		if (!ret)
			ret = files_install(r, p);
		if (!ret)
			ret = attrs_process(r, p);
		if (!ret)
			ret = signals_handlers(r, p);
		for (size_t i = 0; !ret && i < p->tasks.n; i++) {
			t = p->tasks.v[i];
			ret = attrs_thread(r, t);
		}
	}
	if (!ret)
		ret = files_finish(r);
	if (!ret && !r->o->keep_mounts)
		ret = mounts_finish(r);
	if (!ret)
		ret = tree_zombies(r);
	if (!ret)
		ret = inotify_settle(r);
	/* From here on only time and registers are left. */
	r_progress(r, "resume", 0, 0);
	if (!ret)
		ret = finish_stopped(r);
	for_each_machine_proc(p, r)
		if (!ret && !p->gone && p != r->init)
			ret = finish_process(r, p);
	if (!ret)
		ret = finish_process(r, r->init);
	files_close(r);
	ttys_close(r);
	shmem_close(r);
	mounts_free(r);
	if (!ret)
		ret = fault_point(FAULT_SETTLE, r->e);
	if (!ret && r->o->settle)
		ret = r->o->settle(r->o->arg, r->e);
	for_each_machine_proc(p, r) {
		if (!ret)
			ret = fault_point(FAULT_LET_GO, r->e);
		if (!ret && !p->gone && p != r->init)
			ret = detach(r, p);
	}
	/* The numbers of processes to come go on where they were, not where the reloader was put. */
	if (!ret && r->m->system.pid_max)
		write_sysctl("/proc/sys/kernel/pid_max", r->m->system.pid_max);
	if (!ret && r->m->system.last_pid)
		write_sysctl("/proc/sys/kernel/ns_last_pid", r->m->system.last_pid);
	if (!ret)
		ret = fault_point(FAULT_LET_GO_INIT, r->e);
	if (!ret)
		ret = detach(r, r->init);
	return ret;
}

int restore_machine(struct machine *m, const struct restore_opts *o, struct ohib_err *e)
{
	struct restore r = { .m = m, .o = o, .e = e, .self = getpid(), .old_timens = -1 };
	int ret;

	r.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r.root_fd < 0)
		return ohib_err_set(e, -errno, "cannot open the root folder");
	ret = room_check(&r);
	if (!ret)
		ret = take_init(&r);
	if (!ret)
		ret = build(&r);
	if (!ret)
		ret = room_check_alive(&r);
	if (!ret && r.rehearsal)
		ret = end_rehearsal(&r);
	if (!ret)
		ret = fault_point(FAULT_COMMIT, e);
	if (!ret && o->commit)
		ret = o->commit(o->arg, e);
	if (ret) {
		undo(&r);
	} else {
		r.committed = true;
		ret = after_commit(&r) ? -EUCLEAN : 0;
	}
	plan_free(&r);
	vdso_plan_free(&r);
	orphans_free(&r);
	if (r.root_fd >= 0)
		close(r.root_fd);
	return ret;
}
