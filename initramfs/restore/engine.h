/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of restore/ share: the state of one restore, and the stages in order. */
#pragma once

#include <sys/resource.h>

#include "remote.h"
#include "restore.h"
#include "util/fault.h"
#include "util/cleanup.h"
#include "util/vec.h"

struct vdso_plan;
struct ghost_list;
struct mount_tree;

/* How a process comes to be. */
enum r_birth {
	R_BY_PARENT,	/* forked by its parent */
	R_BY_SIBLING,	/* forked by a sibling with CLONE_PARENT */
	R_BY_HELPER,	/* forked by a helper that exits: reparented to init or a subreaper */
};

/* A process under construction: one of the machine's, or a stand-in for a dead leader. */
struct rproc {
	pid_t pid, pgid, sid;
	pid_t birth_sid;		/* session it is to be born in */
	struct m_process *m;		/* NULL: stand-in, goes away once the groups are made */
	struct rproc *parent, *creator;
	enum r_birth birth;
	bool before_setsid;		/* to be born before its creator's setsid */
	u32 early_children;		/* not born yet, and to be so before its own setsid */
	bool created, session_done, gone;
	VEC(struct rtask *) tasks;	/* leader first */
	struct m_mm *mm;		/* what its memory holds; NULL: nothing of the machine */
	int mem_fd;			/* /proc/PID/mem */
	u64 thunks;			/* its page of thunk.c; 0: none yet */
};

struct restore {
	struct machine *m;
	const struct restore_opts *o;
	struct ohib_err *e;
	u64 stub;			/* address of the stub pages in every process */
	int ctl_fd;			/* number of the controller's pidfd in every process */
	pid_t self;
	VEC(struct rproc *) procs;
	struct rproc *init;
	struct user_regs_struct init_regs; /* of the shell, to be put back on failure */
	u64 init_sigmask;
	u64 init_insn;
	bool init_seized, init_timens;
	int old_timens;			/* the time namespace of before */
	u64 off_ns;			/* how long the machine was off, by CLOCK_REALTIME */
	s64 clocks_on_ns;		/* CLOCK_MONOTONIC of this kernel when the machine's went on */
	int root_fd;			/* O_PATH, the machine's root directory */
	bool committed, rw;
	pid_t next_temp_pid;
	struct rlimit64 init_nofile, init_sigpending;
	struct vdso_plan *vdso;
	VEC(struct m_file *) opened;	/* with an object of files.c */
	struct ghost_list *ghosts;
	struct mount_tree *mounts;
	bool rehearsal;			/* see restore.c */
	VEC(char *) orphan_nodes;	/* devices of file systems that make one necessary */
	u64 pages_later;		/* that a rehearsal did not write */
	VEC(struct m_pipe *) pipes;
	VEC(struct m_sock *) socks;
	VEC(struct sock_said *) socks_said;
	bool unix_on_disk, unix_done, unix_unlink_later;
};

static inline struct rtask *r_leader(struct rproc *p)
{
	return p->tasks.v[0];
}

#define r_fail(r, code, ...) ohib_err_set((r)->e, code, __VA_ARGS__)
#define r_fail_pid(r, pid, code, ...) ohib_err_pid((r)->e, pid, code, __VA_ARGS__)

void r_progress(struct restore *r, const char *stage, u64 done, u64 total);
/* A numbered point at which a test makes the restore fail. */

/* seize.c: PID 1 */
int seize_init(struct restore *r);
int seize_undo(struct restore *r);
int seize_chain(struct restore *r);	/* kill what stands between PID 1 and the controller */

/* clock.c */
int clock_enter(struct restore *r);
int clock_undo(struct restore *r);
/* How far @clock has gone on since the snapshot, and what that leaves of a time left; at least 1. */
u64 clock_gone(const struct restore *r, s32 clock);
u64 clock_left(const struct restore *r, s32 clock, u64 left_ns);

/* A page's contents, of OHIB_PAGE_SIZE bytes. */
static inline int r_read_page(struct restore *r, const struct m_page_src *src, void *buf)
{
	remote_pulse->beats++;
	return r->m->read_page(r->m->read_page_arg, src, buf);
}

/* room.c */
int room_check(struct restore *r);		/* before anything is made: is there memory for it? */
int room_check_alive(struct restore *r);	/* has nobody died on the way? */

/* plan.c: who is made by whom */
int plan_make(struct restore *r);
void plan_free(struct restore *r);
struct rproc *plan_find(struct restore *r, pid_t pid);

/* tree.c: the processes */
int tree_build(struct restore *r);
int tree_groups(struct restore *r);	/* process groups; stand-ins go away */
int tree_check(struct restore *r);
int tree_threads(struct restore *r, struct rproc *p);
int tree_zombies(struct restore *r);
void tree_kill(struct restore *r);
int tree_reap(struct restore *r, struct rproc *parent, pid_t pid);
/* A process for the moment, a child of PID 1's: number @pid if that can be had, else any that is free. */
int tree_moment(struct restore *r, pid_t pid, struct rtask *h);
void tree_moment_end(struct restore *r, struct rtask *h);
bool tree_pid_used(struct restore *r, pid_t pid);

/* space.c, pages.c, mminfo.c, vdso.c: address spaces */
#define USER_END 0x7ffffffff000ull
u64 space_find_stub(struct restore *r);
int space_build(struct restore *r, struct rproc *p, struct m_mm *from);
int space_files(struct restore *r, struct rproc *p);	/* open what it maps, and its program */
int space_sysv(struct restore *r, struct rproc *p, const struct m_vma *v);	/* space_sysv.c */
int space_late(struct restore *r, struct rproc *p);	/* shared writable file mappings */
int space_map_flags(struct restore *r, struct rproc *p, struct m_vma *v);
bool space_is_private(const struct m_vma *v);
/* Up to where a child of @from has @v already, from its start on; 0: nothing of it. */
u64 space_kept(const struct m_vma *v, const struct m_mm *from);
/* @kept[i]: space_kept() of the process's mapping i. */
int pages_fill(struct restore *r, struct rproc *p, struct m_mm *from, const u64 *kept);
/* After a rehearsal: is there memory for what it did not write? */
int pages_room(struct restore *r);
int mminfo_set(struct restore *r, struct rproc *p);
int vdso_plan(struct restore *r);
int vdso_map(struct restore *r, struct rproc *p);
void vdso_plan_free(struct restore *r);

/* shmem.c */
int shmem_open(struct restore *r, struct m_shmem *s, int *fd); /* the descriptor stays shmem's */
/* For mapping: O_RDWR, or O_RDONLY for what can never become writable. */
int shmem_map_fd(struct restore *r, struct m_shmem *s, int access, int *fd);
int shmem_fill(struct restore *r, struct m_shmem *s, int fd);
int shmem_seal(struct restore *r, struct m_shmem *s);
void shmem_close(struct restore *r);
int shmem_sysv_all(struct restore *r);	/* those that nobody has attached as well */
int shmem_sysv_finish(struct restore *r); /* once all is attached that was */

/* files.c, kinds.c */
struct restore_kind {
	enum m_file_kind id;
	const char *name;
	/* Make the open file in the controller; *fd is the caller's. */
	int (*open)(struct restore *r, struct m_file *f, int *fd);
	/*
	 * Once every descriptor is installed; @t has it as @num. Called once per file. May be NULL. But for an
	 * epoll @t is NULL when no process has it, only a message in flight or a mapping.
	 */
	int (*finish)(struct restore *r, struct m_file *f, struct rtask *t, int num);
};
extern const struct restore_kind *const restore_kinds[M_FILE_KIND_MAX];

int files_check(struct restore *r);		/* identities of all paths; nothing is kept open */
/* Every open file, in the controller; @early: those that need no writable file system on disk. */
int files_open(struct restore *r, bool early);
int files_install(struct restore *r, struct rproc *p);
int files_finish(struct restore *r);
/* kind_inotify.c: what the restore itself did is not to be read by the watchers. */
int inotify_settle(struct restore *r);
void files_close(struct restore *r);
int file_preset(struct restore *r, struct m_file *f, int fd);
int file_fd(struct restore *r, struct m_file *f); /* controller's descriptor or negative errno */
/* For mapping: @access is O_RDONLY or O_RDWR; the descriptor stays the file's. */
int file_map_fd(struct restore *r, struct m_file *f, int access, int *fd);
/* Bring one of the controller's descriptors into @t: its number there, or negative errno. */
s64 file_send(struct restore *r, struct rtask *t, int fd);
void pipes_close(struct restore *r);
void socks_close(struct restore *r);
int path_open(struct restore *r, const char *path, int flags, u32 mode);

/* attrs.c, cred.c, signals.c, timers.c, thread.c, tty.c */
int attrs_process(struct restore *r, struct rproc *p);
int attrs_thread(struct restore *r, struct rtask *t);
int attrs_limits(struct restore *r, struct rproc *p);
int attrs_last(struct restore *r, struct rtask *t);
int attrs_drop_rseq(struct restore *r, struct rtask *t);
int prctl_check(struct restore *r);	/* prctl.c: before the commit */
int prctl_process(struct restore *r, struct rproc *p);
int prctl_thread(struct restore *r, struct rtask *t);
int prctl_last(struct restore *r, struct rproc *p);
int cred_thread(struct restore *r, struct rtask *t);
int signals_drain(struct restore *r, struct rproc *p);
int signals_handlers(struct restore *r, struct rproc *p);
int signals_pending(struct restore *r, struct rproc *p);
int timers_set(struct restore *r, struct rproc *p);
int tty_sessions(struct restore *r, struct rproc *p);	/* controlling terminal of a new session */
int ttys_open(struct restore *r);
void ttys_close(struct restore *r);
int tty_foreground(struct restore *r);
int attrs_deadline(struct restore *r);			/* before the commit: is the processor time there? */
u64 read_sysctl(const char *path);			/* 0: not to be read */
void write_sysctl(const char *path, u64 value);
int stop_process(struct restore *r, struct rproc *p);
int thread_park(struct restore *r, struct rtask *t);
int thread_sleep(struct restore *r, struct rtask *t);
int thread_set(struct restore *r, struct rtask *t);
u64 thread_last_mask(const struct rtask *t);		/* the signals that it blocks when it goes on */
int thread_mask(struct rtask *t, u64 mask);		/* while it is stopped for its tracer */
int thread_check(struct restore *r);			/* before the commit: CPU state that is not enabled here */
void thread_time(const struct restore *r, struct rtask *t);	/* the last thing before it is let go */
u64 thunk_make(struct restore *r, struct rtask *t, struct user_regs_struct *u);

/* orphans.c: which of what is mounted makes a rehearsal necessary. */
int orphans_find(struct restore *r);
int orphans_unused(struct restore *r);	/* -EBUSY: one is still mounted */
void orphans_free(struct restore *r);

/* ghost.c */
/* A file or folder without a name, which had @p's. The descriptor (O_PATH) stays the list's. */
int ghost_fd(struct restore *r, const struct m_path *p, const struct m_ghost *g, int *fd);
/* The same with an open file of its own; @flags as open's. */
int ghost_open(struct restore *r, const struct m_path *p, const struct m_ghost *g, int flags, int *fd);
void ghosts_close(struct restore *r);
/* Open by number (a file handle); @flags as open's. Descriptor or negative errno. */
int open_by_number(struct restore *r, const struct m_mount *mnt, u64 ino, u32 generation, int flags);

/* mounts.c, tmpfs.c */
#define MOUNTS_ROOT "/run/overlay-root/root"	/* where the tree is built */
int mounts_build(struct restore *r);
int mounts_writable(struct restore *r);
int mounts_switch(struct restore *r);
int mounts_finish(struct restore *r);	/* once every socket has its name */
void mounts_undo(struct restore *r);
void mounts_free(struct restore *r);
