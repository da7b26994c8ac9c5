// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open files. Each is made once, here in the controller, and every descriptor that refers to it is
 * taken from here by the process that is to hold it: so what was shared by dup or fork stays shared.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/securebits.h>
#include <linux/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "engine.h"

/* Hangs on m_file.restore. */
struct open_file {
	int fd;			/* the open file itself; -1: not made yet */
	int map_fd[2];		/* for mapping: O_RDONLY, O_RDWR; -1: not made yet */
};

/* Open in the machine's tree, links and ".." kept inside it. */
int path_open(struct restore *r, const char *path, int flags, u32 mode)
{
	struct open_how how = {
		.flags = (u64)(unsigned int)(flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT,
	};
	int fd = (int)syscall(SYS_openat2, r->root_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static struct open_file *obj(struct restore *r, struct m_file *f)
{
	struct open_file *o = f->restore;

	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o || vec_push(&r->opened, f)) {
			free(o);
			r_fail(r, -ENOMEM, "no memory for open files");
			return NULL;
		}
		o->fd = o->map_fd[0] = o->map_fd[1] = -1;
		f->restore = o;
	}
	return o;
}

/* -ESTALE when the file behind @fd is not the one that the machine had. */
static int same_file(struct restore *r, const struct m_file *f, int fd)
{
	const struct m_file_id *id = &f->id;
	const char *what = NULL;
	struct stat st;

	if (!id->ino || !f->path)
		return 0;
	if (fstat(fd, &st))
		return r_fail(r, -errno, "cannot look at %s", f->path->path);
	if (st.st_ino != id->ino)
		what = "is another file now";
	else if ((st.st_mode & S_IFMT) != (id->mode & S_IFMT))
		what = "is of another type now";
	else if (S_ISREG(st.st_mode) && (u64)st.st_size != id->size)
		what = "has another size now";
	else if (S_ISREG(st.st_mode) &&
		 st.st_mtim.tv_sec * (s64)NSEC_PER_SEC + st.st_mtim.tv_nsec != id->mtime_ns)
		what = "was written to since";
	return what ? r_fail(r, -ESTALE, "%s %s: the file system was used in between",
			     f->path->path, what) : 0;
}

static bool on_disk(const struct m_file *f)
{
	return f->path && f->path->mnt && f->path->mnt->sb->kind == M_FS_BLOCK;
}

/* What is opened for writing is opened behind the commit: nothing is to be in its way then. */
static int can_write(struct restore *r, const struct m_file *f, int fd)
{
	struct statx stx;
	const char *what;

	if (f->kind != M_FILE_REG || (f->flags & O_ACCMODE) == O_RDONLY)
		return 0;
	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0, &stx))
		return r_fail(r, -errno, "cannot look at %s", f->path->path);
	if (stx.stx_attributes & STATX_ATTR_IMMUTABLE)
		what = "immutable (chattr +i)";
	else if (stx.stx_attributes & STATX_ATTR_APPEND && !(f->flags & O_APPEND))
		what = "append-only (chattr +a)";
	else
		return 0;
	return r_fail(r, -EPERM, "%s was open for writing, and is %s now", f->path->path, what);
}

/* The folders that processes stand in, likewise. */
static int folders_check(struct restore *r)
{
	struct m_process *p;

	vec_foreach(p, &r->m->processes) {
		struct m_path *both[] = { p->root, p->cwd };

		for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
			int fd = both[i] && !both[i]->unlinked ?
					 path_open(r, both[i]->path, O_PATH | O_DIRECTORY, 0) : -1;

			if (fd >= 0)
				close(fd);
			else if (both[i] && !both[i]->unlinked)
				return r_fail_pid(r, p->pid, fd, "its folder %s is not there",
						  both[i]->path);
		}
	}
	return 0;
}

int files_check(struct restore *r)
{
	struct m_file *f;

	vec_foreach(f, &r->m->files) {
		int fd, ret;

		if ((f->kind != M_FILE_REG && f->kind != M_FILE_DIR) || !f->path ||
		    f->path->unlinked || !on_disk(f))
			continue;
		fd = path_open(r, f->path->path, O_PATH | O_NOFOLLOW, 0);
		if (fd < 0)
			return r_fail(r, fd, "%s is not there", f->path->path);
		ret = same_file(r, f, fd);
		if (!ret)
			ret = can_write(r, f, fd);
		close(fd);
		if (ret)
			return ret;
	}
	return folders_check(r);
}

#define SETFL_FLAGS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

static int set_flags(struct restore *r, struct m_file *f, int fd)
{
	int have = fcntl(fd, F_GETFL), want = (int)(f->flags & SETFL_FLAGS);

	/* the tool's files are /dev/null now, which has no direct I/O */
	if (f->kind == M_FILE_TOOL || have < 0 || have & O_PATH || (have & SETFL_FLAGS) == want)
		return 0;
	if (fcntl(fd, F_SETFL, want))
		return r_fail(r, -errno, "cannot set the flags %#o of %s", want,
			      restore_kinds[f->kind]->name);
	return 0;
}

int file_fd(struct restore *r, struct m_file *f)
{
	struct open_file *o = obj(r, f);
	const struct restore_kind *k;
	int ret, fd = -1;

	if (!o)
		return -ENOMEM;
	if (o->fd >= 0)
		return o->fd;
	k = f->kind < M_FILE_KIND_MAX ? restore_kinds[f->kind] : NULL;
	if (!k)
		return r_fail(r, -EOPNOTSUPP, "open files of kind %d cannot be made", f->kind);
	ret = k->open(r, f, &fd);
	if (ret)
		return r_fail(r, ret, "cannot open %s %s", k->name, f->path ? f->path->path : "");
	ret = set_flags(r, f, fd);
	if (!ret && on_disk(f) && (f->kind == M_FILE_REG || f->kind == M_FILE_DIR) &&
	    !f->path->unlinked && !r->rw)
		ret = same_file(r, f, fd);
	if (ret) {
		close(fd);
		return ret;
	}
	o->fd = fd;
	return fd;
}

/* @fd is the open file itself, made elsewhere. */
int file_preset(struct restore *r, struct m_file *f, int fd)
{
	struct open_file *o = obj(r, f);

	if (!o) {
		close(fd);
		return -ENOMEM;
	}
	o->fd = fd;
	return 0;
}

int file_map_fd(struct restore *r, struct m_file *f, int access, int *fd)
{
	struct open_file *o = obj(r, f);
	int ret, i = access == O_RDWR, got;

	if (!o)
		return -ENOMEM;
	if (o->map_fd[i] < 0) {
		if (f->kind == M_FILE_REG && f->path && !f->path->unlinked) {
			got = path_open(r, f->path->path, access, 0);
		} else if (f->kind == M_FILE_REG) {
			ret = ghost_open(r, f->path, f->ghost, access, &got);
			if (ret)
				return ret;
		} else {
			got = fcntl(file_fd(r, f), F_DUPFD_CLOEXEC, 0);
			got = got < 0 ? -errno : got;
		}
		if (got < 0)
			return r_fail(r, got, "cannot open %s to map it",
				      f->path ? f->path->path : "a file");
		ret = f->path && !f->path->unlinked && on_disk(f) && !r->rw ? same_file(r, f, got) : 0;
		if (ret) {
			close(got);
			return ret;
		}
		o->map_fd[i] = got;
	}
	*fd = o->map_fd[i];
	return 0;
}

s64 file_send(struct restore *r, struct rtask *t, int fd)
{
	return remote_syscall(t, SYS_pidfd_getfd, r->ctl_fd, fd, 0);
}

/* Opening it needs, or does, a write to a file system on disk. */
static bool is_late(const struct restore *r, const struct m_file *f)
{
	if (r->o->keep_mounts)
		return false;
	if (f->kind == M_FILE_SOCKET)
		return f->sock && f->sock->family == AF_UNIX && r->unix_on_disk;
	if (!on_disk(f))
		return false;
	if (f->path->unlinked)
		return true;
	return f->kind == M_FILE_REG && (f->flags & O_ACCMODE) != O_RDONLY;
}

int files_open(struct restore *r, bool early)
{
	struct m_file *f;
	struct m_sock *s;
	size_t done = 0;
	int ret;

	/* Unix sockets are made together: all wait for one whose name is on a disk. */
	vec_foreach(s, &r->m->socks)
		r->unix_on_disk |= s->family == AF_UNIX && s->path && s->path->mnt &&
				   s->path->mnt->sb->kind == M_FS_BLOCK;
	vec_foreach(f, &r->m->files) {
		if (early && is_late(r, f))
			continue;
		ret = file_fd(r, f);
		if (ret < 0)
			return ret;
		if (!(++done % 64))
			r_progress(r, "files", done, r->m->files.n);
	}
	return 0;
}

int files_install(struct restore *r, struct rproc *p)
{
	struct m_fdtable *ft = p->m->fdtable;
	struct rtask *t = r_leader(p);
	s64 num, ret;

	if (!ft || ft->restore)
		return 0; /* shared, and done with another process */
	ft->restore = p;
	ret = remote_syscall(t, SYS_close_range, 0, r->ctl_fd - 1, 0);
	if (ret < 0)
		return r_fail_pid(r, p->pid, (int)ret, "cannot close its descriptors");
	for (size_t i = 0; i < ft->fds.n; i++) {
		struct m_fd *d = &ft->fds.v[i];
		int fd = file_fd(r, d->file);

		if (fd < 0)
			return fd;
		num = file_send(r, t, fd);
		if (num < 0)
			return r_fail_pid(r, p->pid, (int)num, "cannot take fd %d", d->fd);
		if (num == d->fd) {
			ret = d->cloexec ? 0 : remote_syscall(t, SYS_fcntl, num, F_SETFD, 0);
		} else {
			ret = remote_syscall(t, SYS_dup3, num, d->fd, d->cloexec ? O_CLOEXEC : 0);
			if (ret >= 0)
				ret = remote_syscall(t, SYS_close, num);
		}
		if (ret < 0)
			return r_fail_pid(r, p->pid, (int)ret, "cannot install fd %d", d->fd);
	}
	return 0;
}

/* The kernel notes who asks for signals, and lets the file send none but that one could: sigio_perm(). */
static s64 set_owner_as(struct rtask *t, u32 uid, u32 euid, int num, const struct f_owner_ex *owner)
{
	bool other = uid || euid;
	s64 ret = 0, back = 0;

	if (other) {
		ret = remote_syscall(t, SYS_prctl, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
		if (!ret)
			ret = remote_syscall(t, SYS_setresuid, uid, euid, 0);
	}
	if (!ret)
		ret = remote_syscall(t, SYS_fcntl, num, F_SETOWN_EX, remote_put(t, 0, owner, sizeof(*owner)));
	if (other) {
		back = remote_syscall(t, SYS_setresuid, 0, 0, 0);
		if (!back)
			back = remote_syscall(t, SYS_prctl, PR_SET_SECUREBITS, 0);
		/* a change of ids takes it away */
		if (!back)
			back = remote_syscall(t, SYS_prctl, PR_SET_DUMPABLE, 1);
	}
	return ret ? ret : back;
}

static int set_owner(struct restore *r, struct m_file *f, struct rtask *t, int num)
{
	struct f_owner_ex owner = { f->owner_type, f->owner_pid };
	s64 ret = 0;

	if (f->owner_pid)
		ret = set_owner_as(t, f->owner_uid, f->owner_euid, num, &owner);
	if (!ret && f->owner_signo)
		ret = remote_syscall(t, SYS_fcntl, num, F_SETSIG, f->owner_signo);
	if (!ret && f->flags & O_ASYNC)
		ret = remote_syscall(t, SYS_fcntl, num, F_SETFL,
				     (f->flags & SETFL_FLAGS) | O_ASYNC);
	/* a terminal makes somebody its owner then: __tty_fasync() */
	if (!ret && f->flags & O_ASYNC && !f->owner_pid)
		ret = set_owner_as(t, 0, 0, num, &owner);
	return ret < 0 ? r_fail_pid(r, t->tid, (int)ret, "cannot set the owner of fd %d", num) : 0;
}

static int set_locks(struct restore *r, struct m_file *f, struct m_fdtable *ft, struct rtask *t, int num)
{
	for (size_t i = 0; i < f->locks.n; i++) {
		const struct m_lock *l = &f->locks.v[i];
		struct flock fl = { .l_type = l->type, .l_whence = SEEK_SET, .l_start = (off_t)l->start };
		s64 ret;

		if (l->kind == M_LOCK_POSIX && l->owner != ft)
			continue;
		if (l->kind != M_LOCK_POSIX && f->restore && ((struct open_file *)f->restore)->fd < 0)
			continue;
		fl.l_len = l->end >= ~0ull >> 1 ? 0 : (off_t)(l->end - l->start + 1);
		if (l->kind == M_LOCK_FLOCK)
			ret = flock(file_fd(r, f), l->type | LOCK_NB) ? -errno : 0;
		else if (l->kind == M_LOCK_OFD)
			ret = fcntl(file_fd(r, f), F_OFD_SETLK, &fl) ? -errno : 0;
		else
			ret = remote_syscall(t, SYS_fcntl, num, F_SETLK,
					     remote_put(t, 0, &fl, sizeof(fl)));
		if (ret < 0)
			return r_fail_pid(r, t ? t->tid : 0, (int)ret, "cannot lock fd %d (%s) again", num,
					  f->path ? f->path->path : "");
	}
	return 0;
}

/*
 * Those that no process has a number for: only a message in flight does (an epoll set and O_ASYNC are refused
 * then), or they are mapped.
 */
static int finish_unheld(struct restore *r)
{
	struct m_file *f;
	int ret = 0;

	vec_foreach(f, &r->opened) {
		const struct restore_kind *k = restore_kinds[f->kind];
		struct f_owner_ex owner = { f->owner_type, f->owner_pid };
		int fd;

		if (f->restored || f->kind == M_FILE_EPOLL)
			continue;
		f->restored = true;
		fd = file_fd(r, f);
		if (fd < 0)
			return fd;
		ret = set_locks(r, f, NULL, NULL, -1);
		if (!ret && f->messenger && ((f->owner_pid && fcntl(fd, F_SETOWN_EX, &owner)) ||
					      (f->owner_signo && fcntl(fd, F_SETSIG, f->owner_signo))))
			ret = r_fail(r, -errno, "cannot set the owner of a file in a message");
		if (!ret && k->finish)
			ret = k->finish(r, f, NULL, -1);
		if (ret)
			return ret;
	}
	return 0;
}

/* What needs a holder: owners, locks, and whatever the kinds bind to a process. */
int files_finish(struct restore *r)
{
	struct m_fdtable *ft;
	int ret = 0;

	for (int pass = 0; pass < 2; pass++) {
		if (pass && (ret = finish_unheld(r)))
			return ret;
		vec_foreach(ft, &r->m->fdtables) {
			struct rproc *p = ft->restore;

			for (size_t i = 0; p && !ret && i < ft->fds.n; i++) {
				struct m_file *f = ft->fds.v[i].file;
				const struct restore_kind *k = restore_kinds[f->kind];
				struct rtask *t = r_leader(p);
				int num = ft->fds.v[i].fd;

				/* All pipes and the like are whole before an epoll looks at them. */
				if (pass != (f->kind == M_FILE_EPOLL))
					continue;
				ret = set_locks(r, f, ft, t, num);
				if (!ret && !f->restored) {
					f->restored = true;
					ret = set_owner(r, f, t, num);
					if (!ret && k->finish)
						ret = k->finish(r, f, t, num);
				}
			}
			if (ret)
				return ret;
		}
	}
	return 0;
}

void files_close(struct restore *r)
{
	struct m_fdtable *ft;
	struct m_file *f;

	vec_foreach(f, &r->opened) {
		struct open_file *o = f->restore;

		if (o->fd >= 0)
			close(o->fd);
		for (int i = 0; i < 2; i++)
			if (o->map_fd[i] >= 0)
				close(o->map_fd[i]);
		free(o);
		f->restore = NULL;
	}
	vec_free(&r->opened);
	vec_foreach(ft, &r->m->fdtables)
		ft->restore = NULL;
	vec_foreach(f, &r->m->files)
		f->restored = false;
	pipes_close(r);
	socks_close(r);
	ghosts_close(r);
}
