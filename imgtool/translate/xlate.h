/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The translator's context: one kernel's memory, symbols and layouts, and the machine in the making.
 * Reads: the view. Writes: x->m. Never: the kernel that it runs on, nor anything of restore.
 *
 * Reads are sticky: the first one that fails is recorded in x->err with its place, and every later one
 * gives 0. So code reads straight on and asks x_failed() at its loops and before it uses what it got.
 */
#pragma once

#include "machine/machine.h"
#include "typedata/fields.h"
#include "typedata/symbols.h"
#include "util/err.h"
#include "util/map.h"
#include "view/view.h"

/* A list longer than this is a loop or damaged memory. */
#define X_LIST_MAX (1u << 22)

/* The kernel's own clocks (of no time namespace) at the moment of the snapshot. */
struct x_clocks {
	s64 mono, real, boot, tai;	/* ns */
	u32 hz;				/* 0: not known */
};

struct json_object;
struct translate_opts;

struct xlate {
	struct view *v;
	const struct symbols *syms;
	const struct fields *f;
	struct machine *m;
	struct ohib_err err;

	/* by address in the image kernel: each object is translated once */
	struct map mms, fdtables, files, paths, creds, mounts, sbs, shmems, ttys, pipes, socks, inodes, ghosts;
	struct map processes;	/* by pid */
	struct map threads;	/* struct m_thread by task_struct */
	struct map fs_structs;	/* struct m_process by fs_struct */
	struct map sleepers;	/* struct m_sleep by task_struct: threads with a timer that wakes them */

	u64 ghost_bytes;	/* of files on disk that have no name */

	/* who is being translated, for refusals */
	u64 init_task;		/* PID 1's task_struct */
	pid_t pid;
	char comm[16];
	char object[160];
	bool live;		/* a running kernel: registers and contents are not read */
	bool no_pages;		/* leave out the pages (image ps) */
	u32 nesting;		/* of files within files: epoll sets, descriptors in flight */
	struct x_clocks clocks;
	const struct translate_opts *opts;
	u64 regs_pad;		/* bytes above pt_regs on the kernel stack; ~0: not known yet */
};

static inline bool x_failed(const struct xlate *x)
{
	return x->err.code != 0;
}

/* Read @len bytes at @kva; on failure @buf is zeroed and the error recorded with @what. */
void x_read(struct xlate *x, u64 kva, void *buf, size_t len, const char *what);
/* One member of the object at @obj, zero-extended; bit fields are shifted down. At most 8 bytes. */
u64 x_u64(struct xlate *x, u64 obj, enum field f);
s64 x_s64(struct xlate *x, u64 obj, enum field f);	/* sign-extended from its size */
/* A member that is an array or struct, as bytes; copies at most @len, zero-fills the rest. */
void x_bytes(struct xlate *x, u64 obj, enum field f, void *buf, size_t len);
/* Address of a member. */
static inline u64 x_addr(const struct xlate *x, u64 obj, enum field f)
{
	return obj + x->f->loc[f].offset;
}
static inline bool x_has(const struct xlate *x, enum field f)
{
	return x->f->has[f];
}
/* Object that contains member @f at @member: container_of. */
static inline u64 x_container(const struct xlate *x, u64 member, enum field f)
{
	return member - x->f->loc[f].offset;
}
char *x_str(struct xlate *x, u64 kva, size_t max);	/* in the arena; NULL when unreadable */
/* Address of a symbol; missing ones are recorded as an error. */
u64 x_sym(struct xlate *x, const char *name);
/* Zeroed object in the machine's arena; out of memory is recorded as an error. */
void *x_alloc(struct xlate *x, size_t size);
#define x_new(x, type) ((type *)x_alloc((x), sizeof(type)))
/* Append to a vector of the machine; out of memory is recorded. */
#define x_push(x, vec, item)                                                                       \
	do {                                                                                       \
		if (vec_push((vec), (item)))                                                       \
			ohib_err_set(&(x)->err, -ENOMEM, "out of memory");                         \
	} while (0)
/*
 * @len bytes from @offset in struct page @page on, which may go on into the pages after it. 0 or negative
 * errno, then @buf is zeroed from there on; never sets x->err.
 */
int x_page_bytes(struct xlate *x, u64 page, u64 offset, void *buf, size_t len);	/* page.c */

/*
 * Is node number @n of a list, from 1 on, one that was there before? A loop is found before it has been gone through four
 * times (Brent): *@mark, 0 at first, is the node whose number was the last power of two.
 */
bool x_again(u32 n, u64 node, u64 *mark);
/*
 * Walk a struct list_head at @head: calls @fn with the address of each entry's list_head. Stops at its
 * first non-zero result, at a failed read, and with an error on an endless list.
 */
int x_list(struct xlate *x, u64 head, int (*fn)(struct xlate *x, u64 node, void *arg), void *arg);
int x_hlist(struct xlate *x, u64 head, int (*fn)(struct xlate *x, u64 node, void *arg), void *arg);
/* All nodes of a red-black tree, in order; @root is the struct rb_node pointer's value. */
int x_rbtree(struct xlate *x, u64 root, int (*fn)(struct xlate *x, u64 node, void *arg), void *arg);
/* All value and pointer entries of a struct xarray at @xa: index and raw entry. */
int x_xarray(struct xlate *x, u64 xa, int (*fn)(struct xlate *x, u64 index, u64 entry, void *arg),
	     void *arg);
/* Likewise, with the number of indices that the entry stands for: more than 1 for a large folio. */
int x_xarray_ranges(struct xlate *x, u64 xa,
		    int (*fn)(struct xlate *x, u64 index, u64 nr, u64 entry, void *arg), void *arg);
/* The entry at @index; 0: none. */
u64 x_xarray_get(struct xlate *x, u64 xa, u64 index);

/* Whether bit @n is set; the number may be one that BTF tells. */
static inline bool x_bit(u64 word, u64 n)
{
	return n < 64 && word >> n & 1;
}

/* Times that nobody vouches for: a sum stops at the last one there is. */
static inline s64 x_sum(s64 a, s64 b)
{
	s64 sum;

	if (__builtin_add_overflow(a, b, &sum))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}
/* Nanoseconds; past the year 2262 they wrap, as everywhere that compares them. */
static inline s64 x_ns(s64 s, s64 ns)
{
	return (s64)((u64)s * NSEC_PER_SEC + (u64)ns);
}

/* One clock: where it stands, and what is added to it for the carried processes (time namespace). */
struct x_clock {
	s32 id;
	s64 now, user_offset;
};
bool x_clock(struct xlate *x, s32 clock, struct x_clock *out);	/* false: no such clock */
/* Is the timer (a struct hrtimer, a struct alarm) running? @expires is set in any case, as is @c. */
bool x_hrtimer(struct xlate *x, u64 hrtimer, s64 *expires, struct x_clock *c);
bool x_alarm(struct xlate *x, u64 alarm, s64 *expires);
/* Time left of a running timer; at least 1, since 0 would disarm. */
u64 x_left(s64 expires, s64 now);
/* As hrtimer_forward(): moves @expires past @now in whole intervals and gives their number. */
u64 x_forward(s64 *expires, s64 now, s64 interval);

/* The task_struct that a struct pid is the number of; 0: it has ended. */
u64 x_pid_task(struct xlate *x, u64 pid);	/* timer.c */

/* Say that the thing being translated cannot be carried (x->pid, x->comm, x->object). */
void x_refuse(struct xlate *x, const char *reason_fmt, ...) __attribute__((format(printf, 2, 3)));
void x_object(struct xlate *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One file per noun; each is idempotent by address where it returns an object. NULL: failed or refused. */
void xlate_tasks(struct xlate *x);				/* task.c */
void xlate_thread_regs(struct xlate *x, u64 task, struct m_thread *t);	/* regs.c */
struct m_cred *xlate_cred(struct xlate *x, u64 cred);		/* cred.c */
struct m_mm *xlate_mm(struct xlate *x, u64 mm);			/* mm.c */
bool xlate_page_src(struct xlate *x, u64 pte, struct m_page_src *src);
void xlate_vdso(struct xlate *x);				/* vdso.c */
struct m_fdtable *xlate_fdtable(struct xlate *x, u64 files);	/* file.c */
struct m_file *xlate_file(struct xlate *x, u64 file);		/* file.c */
void xlate_unheld_files(struct xlate *x);	/* file.c: when all descriptors are known */
void xlate_mounts(struct xlate *x, u64 mnt_ns);			/* mount.c */
struct m_superblock *xlate_sb(struct xlate *x, u64 sb);		/* mount.c */
struct m_path *xlate_path(struct xlate *x, u64 vfsmount, u64 dentry);	/* path.c */
/* A path to @inode; one that has gone only when there is no other. NULL: no name of it is in memory. */
struct m_path *xlate_inode_path(struct xlate *x, u64 inode);	/* alias.c */
/* Refuse when a look-up of @p's name does not lead there: restore opens by name. */
void xlate_in_reach(struct xlate *x, const struct m_path *p);	/* alias.c */
struct m_mount *xlate_mount_at(struct xlate *x, const char *path);	/* alias.c: where its look-up ends */
void xlate_clocks(struct xlate *x);				/* clock.c: fills x->clocks */
void xlate_signals(struct xlate *x, u64 task, struct m_process *p);	/* signal.c */
void xlate_pending(struct xlate *x, u64 sigpending, struct m_pending *out);
void xlate_system(struct xlate *x);				/* system.c */
struct m_shmem *xlate_shmem(struct xlate *x, u64 inode);	/* shmem.c */
bool xlate_is_shm_mnt(struct xlate *x, u64 sb);	/* the kernel's own tmpfs: memfd, SysV, /dev/zero */
void xlate_cache_pages(struct xlate *x, u64 inode, struct m_shmem *s);	/* of a file that has no disk */
struct m_inode *xlate_inode(struct xlate *x, u64 inode);	/* inode.c: of tmpfs, ramfs, devtmpfs */
void xlate_sysvipc(struct xlate *x);	/* sysvshm.c; also refuses what of IPC is not carried */
void xlate_sb_options(struct xlate *x, u64 ksb, struct m_superblock *sb);	/* sbopts.c */
void xlate_mountinfo(struct xlate *x, const char *mountinfo);	/* order, options on disk */
void xlate_kernel_fs(struct xlate *x);	/* kernelfs.c: refuses what user space keeps in them */
void xlate_fs_identities(struct xlate *x, struct json_object *list);	/* fsident.c */
void xlate_swaps(struct xlate *x);	/* swap.c */
/* Where the page is that swap slot @offset of area @type stands for. */
void xlate_swap_page(struct xlate *x, u32 type, u64 offset, struct m_page_src *src);
struct m_tty *xlate_tty(struct xlate *x, u64 tty);		/* tty.c */
void xlate_tty_data(struct xlate *x, u64 tty, struct m_tty *t);	/* tty_data.c: unread, unsent */
void xlate_vc(struct xlate *x, u64 tty, struct m_tty *t);	/* vc.c */
void xlate_sock_links(struct xlate *x);	/* unix.c: peers and senders, when all sockets are known */
void xlate_thread_attrs(struct xlate *x, u64 task, struct m_thread *t);	/* attrs.c */
void xlate_mm_attrs(struct xlate *x, u64 kmm, struct m_mm *mm);		/* attrs.c */
void xlate_ptracers(struct xlate *x);	/* ptracer.c: when all processes are known */
void xlate_keys(struct xlate *x);	/* keys.c: refuses what key rings hold */
void xlate_cred_security(struct xlate *x, u64 cred);	/* security.c: labels of security modules */
void xlate_security(struct xlate *x);	/* security.c: their policies */
void xlate_timers(struct xlate *x, u64 task, struct m_process *p);	/* timer.c */
void xlate_memory_fs(struct xlate *x);	/* tmpfs.c: contents of every mounted tmpfs and ramfs */
void xlate_locks(struct xlate *x, u64 file, struct m_file *f);	/* lock.c */
void xlate_dnotify(struct xlate *x, u64 file);	/* dnotify.c */
void xlate_lock_owners(struct xlate *x);	/* lock.c: when all descriptor tables are known */
void xlate_sleeps(struct xlate *x);				/* sleep.c: fills x->sleepers */
void xlate_sleep(struct xlate *x, u64 task, struct m_thread *t);
void xlate_receives(struct xlate *x);	/* sleep.c: when all sockets are known */
/* ghost.c: the file or folder @inode, whose name is @p; NULL when that is not gone, or not in the mount tree. */
struct m_ghost *xlate_ghost(struct xlate *x, const struct m_path *p, u64 inode);
char *xlate_dentry_path(struct xlate *x, u64 dentry);		/* path.c: within its super block */
u64 xlate_dev(u64 kernel_dev);	/* kernel dev_t → makedev encoding */

/*
 * A kind of open file. To add one: a file of its own in translate/, a slot in translate/kinds.c and
 * one in restore's registry.
 */
struct xlate_kind {
	enum m_file_kind kind;
	const char *name;
	/* Is @file of this kind? @fop: name of its file_operations' symbol, or "". */
	bool (*match)(struct xlate *x, u64 file, const char *fop, u32 mode);
	/* Fill in f's kind-specific part; generic fields are there already. */
	void (*translate)(struct xlate *x, u64 file, struct m_file *f);
};
extern const struct xlate_kind *const xlate_kinds[];	/* ended by NULL; first match wins */
