// SPDX-License-Identifier: GPL-2.0-only
/* Terminals: all of the machine's, their sessions and foreground groups. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tty.h"

static struct tty_obj *obj(struct restore *r, struct m_tty *tty)
{
	struct tty_obj *o = tty->restore;

	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o) {
			r_fail(r, -ENOMEM, "no memory");
			return NULL;
		}
		o->fd = o->master = -1;
		tty->restore = o;
	}
	return o;
}

/* All terminals, before the sessions that they control are made. */
int ttys_open(struct restore *r)
{
	struct m_tty *tty;

	vec_foreach(tty, &r->m->ttys) {
		struct tty_obj *o = obj(r, tty);
		int ret;

		if (!o)
			return -ENOMEM;
		if (o->fd >= 0)
			continue;
		ret = tty->kind == M_TTY_PTY ? tty_make_pty(r, tty, o) : tty_make_line(r, tty, o);
		if (ret)
			return ret;
	}
	return 0;
}

void ttys_close(struct restore *r)
{
	struct m_tty *tty;

	vec_foreach(tty, &r->m->ttys) {
		struct tty_obj *o = tty->restore;

		if (!o)
			continue;
		if (r->committed && o->fd >= 0 && tty->exclusive)
			ioctl(o->fd, TIOCEXCL);
		if (r->committed && o->fd >= 0 && tty->kind != M_TTY_PTY)
			tty_finish_line(tty, o);
		if (o->fd >= 0)
			close(o->fd);
		if (o->master >= 0 && !o->given)
			close(o->master);
		free(o);
		tty->restore = NULL;
	}
}

/* Called for a new session leader: only then is a terminal inherited by what it forks. */
int tty_sessions(struct restore *r, struct rproc *p)
{
	struct rtask *t = r_leader(p);
	struct tty_obj *o;
	s64 num, ret;

	if (!p->m->ctty)
		return 0;
	o = p->m->ctty->restore;
	if (!o || o->fd < 0)
		return r_fail_pid(r, p->pid, -ENXIO, "its terminal %s is not there", p->m->ctty->name);
	num = file_send(r, t, o->fd);
	if (num < 0)
		return r_fail_pid(r, p->pid, (int)num, "cannot take its terminal");
	ret = remote_syscall(t, 16 /* ioctl */, num, TIOCSCTTY, 1);
	remote_syscall(t, 3 /* close */, num);
	return ret < 0 ? r_fail_pid(r, p->pid, (int)ret, "cannot have %s as its terminal",
				    p->m->ctty->name) : 0;
}

int tty_foreground(struct restore *r)
{
	struct m_tty *tty;

	vec_foreach(tty, &r->m->ttys) {
		struct rproc *p = tty->session ? plan_find(r, tty->session) : NULL;
		struct tty_obj *o = tty->restore;
		struct rtask *t;
		s64 num, ret;

		if (!p || !tty->foreground || !o)
			continue;
		t = r_leader(p);
		num = file_send(r, t, o->fd);
		if (num < 0)
			return (int)num;
		ret = remote_syscall(t, 16, num, TIOCSPGRP,
				     remote_put(t, 0, &tty->foreground, sizeof(pid_t)));
		remote_syscall(t, 3, num);
		if (ret < 0)
			return r_fail_pid(r, p->pid, (int)ret, "cannot make group %d the foreground of %s",
					  tty->foreground, tty->name);
	}
	return 0;
}

/* /dev/tty is whatever terminal the opener has: opened by one that has the right one. */
static int open_dev_tty(struct restore *r, struct m_file *f, int *fd)
{
	struct rproc *p;

	vec_foreach(p, &r->procs) {
		struct rtask *t = r_leader(p);
		s64 root, num, pidfd;

		if (!p->m || p->m->zombie || p->m->ctty != f->tty || !p->created)
			continue;
		root = file_send(r, t, r->root_fd);
		num = remote_syscall(t, 257 /* openat */, root, remote_put(t, 0, "dev/tty", 8),
				     (int)(f->flags & (O_ACCMODE | O_NONBLOCK | O_APPEND)) | O_CLOEXEC, 0);
		remote_syscall(t, 3, root);
		if (num < 0)
			return r_fail_pid(r, p->pid, (int)num, "cannot open /dev/tty");
		pidfd = syscall(434 /* pidfd_open */, p->pid, 0);
		*fd = (int)syscall(438 /* pidfd_getfd */, pidfd, num, 0);
		close((int)pidfd);
		remote_syscall(t, 3, num);
		return *fd < 0 ? r_fail(r, -errno, "cannot take /dev/tty") : 0;
	}
	return r_fail(r, -ENXIO, "nobody has the terminal that an open /dev/tty stands for");
}

static int open_tty(struct restore *r, struct m_file *f, int *fd)
{
	int flags = (int)(f->flags & (O_ACCMODE | O_APPEND)) | O_NOCTTY | O_NONBLOCK;
	char path[80];

	if (f->path && !strcmp(f->path->path, "/dev/tty") && f->tty)
		return open_dev_tty(r, f, fd);
	if (f->path)
		*fd = path_open(r, f->path->path, flags, 0);
	else {
		snprintf(path, sizeof(path), "/dev/%s", f->tty ? f->tty->name : "null");
		*fd = path_open(r, path, flags, 0);
	}
	return *fd < 0 ? r_fail(r, *fd, "cannot open %s", f->path ? f->path->path : "a terminal") : 0;
}

static int open_ptmx(struct restore *r, struct m_file *f, int *fd)
{
	struct tty_obj *o = f->tty ? f->tty->restore : NULL;

	if (!o || o->master < 0 || o->given)
		return r_fail(r, -EINVAL, "a pty master that is not there");
	o->given = true;
	*fd = o->master;
	return 0;
}

const struct restore_kind kind_tty = { .id = M_FILE_TTY, .name = "terminal", .open = open_tty };
const struct restore_kind kind_ptmx = { .id = M_FILE_PTMX, .name = "pty master", .open = open_ptmx };
