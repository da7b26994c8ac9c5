// SPDX-License-Identifier: GPL-2.0-only
/* Descriptor tables and open file descriptions; what is behind them is told by the kinds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "translate/xlate.h"

#define FMODE_PATH 0x4000	/* include/linux/fs.h */
/* f_flags of the kernel's own: O_LARGEFILE (every open on x86-64), __FMODE_EXEC, __FMODE_NONOTIFY */
#define KERNEL_O_FLAGS (0100000 | 0x20 | 0x4000000)
#define NESTING_MAX 64	/* the kernel allows 4 for epoll (EP_MAX_NESTS), unix sockets more */
#define MAX_FDS (1u << 26)

static void owner(struct xlate *x, u64 file, struct m_file *f)
{
	u64 own = x_addr(x, file, F_FILE_OWNER), pid, type;

	if (x->f->loc[F_FILE_OWNER].size == 8) {
		own = x_u64(x, file, F_FILE_OWNER);
		if (!own)
			return;
	}
	pid = x_u64(x, own, F_FOWN_PID);
	f->owner_signo = x_u64(x, own, F_FOWN_SIGNUM);
	type = x_u64(x, own, F_FOWN_TYPE);
	/* its heads are in the order of enum pid_type; with none on it there is nobody: f_getown() */
	if (!pid || !x_u64(x, x_addr(x, pid, F_PID_TASKS) + type * sizeof(u64), F_HLIST_FIRST))
		return;
	f->owner_pid = x_u64(x, pid, F_PID_NR);
	f->owner_type = type == (u64)x->f->value[E_PIDTYPE_PGID] ? F_OWNER_PGRP : F_OWNER_PID;
	if (type == 0)
		f->owner_type = F_OWNER_TID;
	f->owner_uid = x_u64(x, own, F_FOWN_UID);
	f->owner_euid = x_u64(x, own, F_FOWN_EUID);
}

static void identity(struct xlate *x, u64 inode, struct m_file *f)
{
	f->inode_kaddr = inode;
	f->id.ino = x_u64(x, inode, F_INODE_INO);
	f->id.mode = x_u64(x, inode, F_INODE_MODE);
	f->id.size = x_u64(x, inode, F_INODE_SIZE);
	f->id.generation = x_u64(x, inode, F_INODE_GENERATION);
	f->rdev = xlate_dev(x_u64(x, inode, F_INODE_RDEV));
	if (x_has(x, F_INODE_MTIME_SEC)) {
		f->id.mtime_ns = x_ns(x_s64(x, inode, F_INODE_MTIME_SEC), x_s64(x, inode, F_INODE_MTIME_NSEC));
	} else {
		s64 ts[2];

		x_bytes(x, inode, F_INODE_MTIME, ts, sizeof(ts));
		f->id.mtime_ns = x_ns(ts[0], ts[1]);
	}
}

static void find_kind(struct xlate *x, u64 file, struct m_file *f)
{
	const char *fop = symbols_name(x->syms, x_u64(x, file, F_FILE_OP));
	size_t i;

	if (x_u64(x, file, F_FILE_MODE) & FMODE_PATH) {
		f->kind = M_FILE_PATH;
		f->flags |= O_PATH;
		if (f->path && (S_ISREG(f->id.mode) || S_ISDIR(f->id.mode)))
			f->ghost = xlate_ghost(x, f->path, f->inode_kaddr);
		else if (!f->path || f->path->unlinked || !f->path->mnt)
			x_refuse(x, "is an O_PATH descriptor of what has no name any more");
		return;
	}
	for (i = 0; xlate_kinds[i] && !x_failed(x); i++) {
		if (!xlate_kinds[i]->match(x, file, fop ? fop : "", f->id.mode))
			continue;
		f->kind = xlate_kinds[i]->kind;
		xlate_kinds[i]->translate(x, file, f);
		return;
	}
	f->kind = M_FILE_UNKNOWN;
	x_refuse(x, "is open, and files of its kind (%s) cannot be carried yet",
		 fop ? fop : "unknown operations");
}

/* Is it opened by its name again? A pipe that is no FIFO is its own root. */
static bool by_name(const struct m_file *f)
{
	switch (f->kind) {
	case M_FILE_REG:
	case M_FILE_DIR:
	case M_FILE_PROC:
		return true;
	case M_FILE_PATH: /* what else has no mount is refused already */
		return f->path && (f->path->mnt || S_ISREG(f->id.mode) || S_ISDIR(f->id.mode));
	case M_FILE_PIPE:
		return f->path && strcmp(f->path->path, "/");
	default:
		return false;
	}
}

struct m_file *xlate_file(struct xlate *x, u64 file)
{
	struct m_file *f = map_get(&x->files, file);
	u64 path;

	if (f || !file || x_failed(x))
		return f;
	if (x->nesting > NESTING_MAX) {
		ohib_err_pid(&x->err, x->pid, -ELOOP, "%s: files within files have no end", x->object);
		return NULL;
	}
	f = x_new(x, struct m_file);
	/* known before it is complete: an epoll descriptor may watch itself through another */
	if (!f || map_put(&x->files, file, f)) {
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
		return NULL;
	}
	f->kaddr = file;
	f->flags = x_u64(x, file, F_FILE_FLAGS) & ~(u32)(KERNEL_O_FLAGS | O_CLOEXEC);
	f->pos = x_u64(x, file, F_FILE_POS);
	f->cred = xlate_cred(x, x_u64(x, file, F_FILE_CRED));
	path = x_addr(x, file, F_FILE_PATH);
	identity(x, x_u64(x, file, F_FILE_INODE), f);
	f->path = xlate_path(x, x_u64(x, path, F_PATH_MNT), x_u64(x, path, F_PATH_DENTRY));
	if (f->path && f->path->path && strcmp(f->path->path, "/")) {
		size_t at = strlen(x->object);

		if (at + 4 < sizeof(x->object))
			snprintf(x->object + at, sizeof(x->object) - at, " (%s%s)", f->path->path,
				 f->path->unlinked ? ", deleted" : "");
	}
	owner(x, file, f);
	x->nesting++;
	find_kind(x, file, f);
	x->nesting--;
	if (by_name(f))
		xlate_in_reach(x, f->path);
	xlate_locks(x, file, f);
	if (f->kind == M_FILE_DIR)
		xlate_dnotify(x, file);
	x_push(x, &x->m->files, f);
	return x_failed(x) ? NULL : f;
}

struct m_fdtable *xlate_fdtable(struct xlate *x, u64 files)
{
	struct m_fdtable *t = map_get(&x->fdtables, files);
	u64 fdt, max, array, cloexec, *ptrs = NULL;
	u8 *bits = NULL;
	size_t i;

	if (t || !files)
		return t;
	t = x_new(x, struct m_fdtable);
	if (!t)
		return NULL;
	t->kaddr = files;
	fdt = x_u64(x, files, F_FILES_FDT);
	max = x_u64(x, fdt, F_FDT_MAX);
	array = x_u64(x, fdt, F_FDT_FD);
	cloexec = x_u64(x, fdt, F_FDT_CLOEXEC);
	if (max > MAX_FDS) {
		ohib_err_pid(&x->err, x->pid, -EINVAL, "descriptor table of %llu slots",
			     (unsigned long long)max);
		return NULL;
	}
	ptrs = calloc(max + 1, sizeof(*ptrs));
	bits = calloc(max / 8 + 9, 1);
	if (!ptrs || !bits) {
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	} else {
		x_read(x, array, ptrs, max * sizeof(*ptrs), "fdtable.fd");
		x_read(x, cloexec, bits, max / 8, "fdtable.close_on_exec");
	}
	for (i = 0; !x_failed(x) && i < max; i++) {
		struct m_fd fd = { .fd = i, .cloexec = bits[i / 8] >> (i % 8) & 1 };

		if (!ptrs[i])
			continue;
		x_object(x, "fd %zu", i);
		fd.file = xlate_file(x, ptrs[i]);
		if (!fd.file)
			break;
		fd.file->nr_refs++;
		x_push(x, &t->fds, fd);
	}
	free(ptrs);
	free(bits);
	if (map_put(&x->fdtables, files, t))
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	x_push(x, &x->m->fdtables, t);
	return x_failed(x) ? NULL : t;
}

/* What restore sets by a process's descriptor, and no process has one. */
void xlate_unheld_files(struct xlate *x)
{
	struct m_file *f;

	vec_foreach(f, &x->m->files) {
		const struct m_process *p = map_get(&x->processes, f->messenger);

		if (f->nr_refs)
			continue;
		x->pid = f->messenger;
		memcpy(x->comm, p ? p->comm : "", p ? sizeof(x->comm) : 1);
		x_object(x, "open file %s", f->path && f->path->path ? f->path->path : "without a name");
		if (f->messenger && f->kind == M_FILE_EPOLL)
			x_refuse(x, "is an epoll set that only an unread message holds (SCM_RIGHTS)");
		if (f->messenger && f->owner_pid && (f->owner_uid || f->owner_euid))
			x_refuse(x, "has signals sent for user %u, and only an unread message holds it (SCM_RIGHTS)",
				 f->owner_uid);
		if (f->messenger && f->flags & O_ASYNC)
			x_refuse(x, "sends signals (O_ASYNC), and only an unread message holds it (SCM_RIGHTS)");
		if (!f->messenger && f->locks.n)
			x_refuse(x, "is locked, and is mapped only: its descriptor is closed");
	}
	x->pid = 0;
	x->comm[0] = '\0';
}
