/* SPDX-License-Identifier: GPL-2.0-only */
/* Open file descriptions, descriptor tables, and the objects behind them. */
#pragma once

#include "machine/cred.h"
#include "machine/fs.h"
#include "machine/signal.h"
#include "util/types.h"
#include "util/vec.h"

struct m_file;
struct m_tty;
struct m_sock;

/* One slot in both registries (translate/kinds.c, restore/kinds.c) for each. */
enum m_file_kind {
	M_FILE_UNKNOWN = 0,	/* refused */
	M_FILE_REG,		/* regular file, linked or not, on disk or tmpfs */
	M_FILE_DIR,
	M_FILE_PATH,		/* O_PATH, whatever it points to */
	M_FILE_CHRDEV,		/* /dev/null, zero, full, random, urandom, kmsg … */
	M_FILE_TTY,		/* terminal: console, serial, vc, pty slave, /dev/tty */
	M_FILE_PTMX,		/* pty master */
	M_FILE_PIPE,		/* pipe or FIFO end */
	M_FILE_EVENTFD,
	M_FILE_EPOLL,
	M_FILE_SIGNALFD,
	M_FILE_TIMERFD,
	M_FILE_INOTIFY,
	M_FILE_SHMEM,		/* memfd, shared anonymous memory seen through map_files */
	M_FILE_SOCKET,
	M_FILE_PROC,		/* file of proc, sysfs or another kernel file system */
	M_FILE_PIDFD,
	M_FILE_TOOL,		/* /dev/snapshot, overlay device … of the tool itself */
	M_FILE_KIND_MAX,
};

enum m_lock_kind { M_LOCK_FLOCK, M_LOCK_POSIX, M_LOCK_OFD };

struct m_lock {
	enum m_lock_kind kind;
	s16 type;		/* F_RDLCK, F_WRLCK; for flock LOCK_SH, LOCK_EX */
	u64 start, end;		/* inclusive bytes; end ~0ull >> 1: to the end of the file */
	struct m_fdtable *owner; /* POSIX: the descriptor table (process) that owns it */
	u64 owner_kaddr;
};

struct m_pipe_buf {
	u8 *data;
	u32 len;
	bool packet;		/* O_DIRECT packet boundary */
};

struct m_pipe {
	u64 kaddr;		/* pipe_inode_info */
	u64 capacity;		/* bytes, F_SETPIPE_SZ */
	VEC(struct m_pipe_buf) bufs; /* in reading order */
	bool fifo;		/* has a path */
	u32 uid, gid, mode;	/* a FIFO with a name has them on its file system */
	u32 ino;
	void *restore;		/* restore's own: both ends come from one pipe */
};

struct m_eventfd {
	u64 count;
	bool semaphore;
};

struct m_epoll_item {
	struct m_file *target;
	s32 fd;			/* number it was added under */
	u32 events;
	u64 data;
};

struct m_epoll {
	VEC(struct m_epoll_item) items;
};

struct m_signalfd {
	u64 mask;
};

struct m_timerfd {
	s32 clock;
	u64 ticks;		/* expirations not read yet */
	u64 value_ns;		/* time left (relative); 0: disarmed */
	u64 interval_ns;
	bool absolute;		/* TFD_TIMER_ABSTIME */
	u64 abs_ns;		/* when absolute: the expiry on @clock */
	bool cancel_on_set;
};

struct m_inotify_watch {
	s32 wd;
	u32 mask;
	struct m_path *path;	/* NULL: its name is not in memory; to be opened by file handle */
	u64 ino;
	/* without a path: FILEID_INO32_GEN {ino, generation} of the file system that @mnt shows */
	u32 generation;
	struct m_mount *mnt;
};

struct m_inotify {
	VEC(struct m_inotify_watch) watches;
	/* struct inotify_event records not read yet; no call can queue them again: IN_Q_OVERFLOW is */
	VEC(struct m_pipe_buf) events;
	s32 next_wd;
};

/*
 * A regular file or folder that is in use under a name that is gone. One for each inode: descriptions
 * of the same file have the same m_ghost. Its contents are in one of three places.
 */
struct m_ghost {
	u64 ghost_id;		/* on disk, no name at all: entry in OHIB_SEC_GHOSTS; 0: not there */
	struct m_inode *inode;	/* tmpfs, ramfs: contents in memory; may be in the tree by another name */
	bool linked;		/* on disk under another name: opened by m_file.id, as a file handle */
	u64 ino;
	u32 generation, mode;
	u64 size;
	bool linkable;		/* O_TMPFILE without O_EXCL: linkat() may give it a name yet */
	void *restore;		/* restore's own */
};

struct m_file {
	u64 kaddr;
	enum m_file_kind kind;
	u32 flags;		/* O_* as F_GETFL shows, access mode included; no O_CLOEXEC */
	u64 pos;
	struct m_path *path;	/* NULL for anonymous kinds */
	struct m_cred *cred;	/* opener's */
	u64 inode_kaddr;
	struct m_file_id id;	/* regular files and directories on disk */
	u64 rdev;		/* devices, makedev encoding */
	/* F_SETOWN, F_SETSIG */
	s32 owner_type;		/* F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP */
	pid_t owner_pid;	/* 0: none */
	u32 owner_uid, owner_euid;
	s32 owner_signo;
	VEC(struct m_lock) locks;
	u32 nr_refs;		/* descriptors that refer to it */
	pid_t messenger;	/* 0, or a message in flight to this process has it too (SCM_RIGHTS) */
	bool hung_up;		/* M_FILE_TTY: vhangup() cut it off; reads end, writes fail */
	union {
		struct m_ghost *ghost;		/* M_FILE_REG, _DIR, _PATH: unlinked; NULL: linked */
		struct m_pipe *pipe;
		struct m_eventfd *eventfd;
		struct m_epoll *epoll;
		struct m_signalfd *signalfd;
		struct m_timerfd *timerfd;
		struct m_inotify *inotify;
		struct m_shmem *shmem;
		struct m_tty *tty;		/* M_FILE_TTY, M_FILE_PTMX */
		struct m_sock *sock;
		pid_t pid;			/* M_FILE_PIDFD */
	};
	void *restore;		/* restore's own, as is the next */
	bool restored;
};

struct m_fd {
	s32 fd;
	bool cloexec;
	struct m_file *file;
};

/* A files_struct: shared by all threads, and by processes made with CLONE_FILES. */
struct m_fdtable {
	u64 kaddr;
	VEC(struct m_fd) fds;	/* rising */
	u32 nr_users;		/* processes */
	void *restore;		/* restore's own */
};
