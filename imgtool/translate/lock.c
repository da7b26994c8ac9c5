// SPDX-License-Identifier: GPL-2.0-only
/* Locks of open files. Source: fs/locks.c, include/linux/filelock.h (6.1: include/linux/fs.h). */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "translate/xlate.h"

/* FL_*, the same in all supported kernels */
#define FL_POSIX 0x1
#define FL_FLOCK 0x2
#define FL_SLEEP 0x80		/* it was waited for */
#define FL_OFDLCK 0x400
#define FL_KNOWN (FL_POSIX | FL_FLOCK | FL_SLEEP | FL_OFDLCK)

struct lock_walk {
	struct m_file *f;
	u64 file;
	enum field list;	/* of the entry's type */
	enum field of_file;
};

/*
 * The lists are the inode's, with the locks of all who have it open. A flock and an OFD lock belong to
 * the open file itself, a POSIX lock to a process: it stands with the file that it was set through.
 */
static int one_lock(struct xlate *x, u64 node, void *arg)
{
	struct lock_walk *w = arg;
	u64 lock = x_container(x, node, w->list);
	u32 flags = x_u64(x, lock, F_LOCK_FLAGS);
	u32 type = x_u64(x, lock, F_LOCK_TYPE);
	struct m_lock l = {
		.start = x_u64(x, lock, F_LOCK_START),
		.end = x_u64(x, lock, F_LOCK_END),
	};

	if (x_u64(x, lock, F_LOCK_FILE) != w->file)
		return x->err.code;
	if (flags & ~(u32)FL_KNOWN || x_u64(x, lock, F_LOCK_LMOPS)) {
		x_refuse(x, "has a lock with flags %#x, which are not known", flags);
		return x->err.code;
	}
	if (type != F_RDLCK && type != F_WRLCK)
		return ohib_err_pid(&x->err, x->pid, -EINVAL, "%s: a lock of type %u", x->object, type);
	if (flags & FL_FLOCK) {
		l.kind = M_LOCK_FLOCK;
		l.type = type == F_RDLCK ? LOCK_SH : LOCK_EX;
	} else {
		l.kind = flags & FL_OFDLCK ? M_LOCK_OFD : M_LOCK_POSIX;
		l.type = type;
	}
	if (l.kind == M_LOCK_POSIX)
		l.owner_kaddr = x_u64(x, lock, F_LOCK_OWNER);
	x_push(x, &w->f->locks, l);
	return x->err.code;
}

static int one_lease(struct xlate *x, u64 node, void *arg)
{
	struct lock_walk *w = arg;

	if (x_u64(x, x_container(x, node, w->list), w->of_file) == w->file)
		x_refuse(x, "has a lease (F_SETLEASE), which cannot be carried yet");
	return x->err.code;
}

void xlate_locks(struct xlate *x, u64 file, struct m_file *f)
{
	struct lock_walk w = { f, file, F_LOCK_LIST, F_LOCK_FILE };
	u64 ctx = f->inode_kaddr ? x_u64(x, f->inode_kaddr, F_INODE_FLCTX) : 0;

	if (!ctx || f->kind == M_FILE_PATH || f->kind == M_FILE_TOOL)
		return;
	x_list(x, x_addr(x, ctx, F_FLCTX_FLOCK), one_lock, &w);
	x_list(x, x_addr(x, ctx, F_FLCTX_POSIX), one_lock, &w);
	if (x_has(x, F_LEASE_LIST)) {
		w.list = F_LEASE_LIST;
		w.of_file = F_LEASE_FILE;
	}
	x_list(x, x_addr(x, ctx, F_FLCTX_LEASE), one_lease, &w);
}

void xlate_lock_owners(struct xlate *x)
{
	struct m_file *f;
	size_t i;

	vec_foreach(f, &x->m->files) {
		for (i = 0; i < f->locks.n; i++) {
			struct m_lock *l = &f->locks.v[i];

			if (l->kind != M_LOCK_POSIX)
				continue;
			l->owner = map_get(&x->fdtables, l->owner_kaddr);
			if (l->owner)
				continue;
			x_object(x, "lock on %s", f->path && f->path->path ? f->path->path : "a file");
			x_refuse(x, "belongs to none of the processes");
		}
	}
}
