// SPDX-License-Identifier: GPL-2.0-only
/* Terminals: ptys under their numbers, settings, what was not read yet, sessions, foreground groups. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kd.h>
#include <linux/vt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kinds.h"

/* The kernel's struct termios2, which libc's headers cannot be mixed with. */
struct termios2 {
	u32 c_iflag, c_oflag, c_cflag, c_lflag;
	u8 c_line;
	u8 c_cc[19];
	u32 c_ispeed, c_ospeed;
};
#undef TCGETS2
#undef TCSETS2
#define TCGETS2 _IOR('T', 0x2a, struct termios2)
#define TCSETS2 _IOW('T', 0x2b, struct termios2)

struct tty_winsize {
	u16 rows, cols, xpixel, ypixel;
};

/* Hangs on m_tty.restore. */
struct tty_obj {
	int fd;		/* the terminal, or a pty's slave */
	int master;	/* pty */
	bool given;	/* the master is an open file of the machine's already */
};

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

static int set_termios(struct restore *r, struct m_tty *tty, int fd)
{
	struct termios2 t = { 0 };
	struct tty_winsize ws = { tty->rows, tty->cols, tty->xpixel, tty->ypixel };
	int line = tty->c_line;

	t.c_iflag = tty->c_iflag;
	t.c_oflag = tty->c_oflag;
	t.c_cflag = tty->c_cflag;
	t.c_lflag = tty->c_lflag;
	t.c_line = tty->c_line;
	memcpy(t.c_cc, tty->c_cc, sizeof(t.c_cc) < sizeof(tty->c_cc) ? sizeof(t.c_cc) : sizeof(tty->c_cc));
	t.c_ispeed = tty->c_ispeed;
	t.c_ospeed = tty->c_ospeed;
	if (line && ioctl(fd, TIOCSETD, &line))
		return r_fail(r, -errno, "%s: line discipline %d is not there", tty->name, line);
	if (ioctl(fd, TCSETS2, &t))
		return r_fail(r, -errno, "%s: its settings are not accepted", tty->name);
	if (ioctl(fd, TIOCSWINSZ, &ws))
		return r_fail(r, -errno, "%s: its size is not accepted", tty->name);
	return 0;
}

/* Masters come with the lowest free number: those in between are held until ours came. */
static int open_master(struct restore *r, u32 index)
{
	int held[256], n = 0, fd, got = -1;
	u32 num = 0;

	for (;;) {
		fd = path_open(r, "/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
		if (fd < 0) {
			r_fail(r, fd, "cannot open /dev/ptmx");
			break;
		}
		if (ioctl(fd, TIOCGPTN, &num)) {
			r_fail(r, -errno, "/dev/ptmx gives no terminal");
			close(fd);
			break;
		}
		if (num == index) {
			got = fd;
			break;
		}
		if (num > index || n == (int)ARRAY_SIZE(held)) {
			r_fail(r, -EEXIST, "terminal pts/%u is taken", index);
			close(fd);
			break;
		}
		held[n++] = fd;
	}
	while (n)
		close(held[--n]);
	return got;
}

static int put(struct restore *r, struct m_tty *tty, int fd, const u8 *data, u32 len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n <= 0)
			return r_fail(r, n ? -errno : -EIO, "%s: cannot put back what was not read", tty->name);
		data += n;
		len -= (u32)n;
	}
	return 0;
}

/*
 * Unread data goes in under settings that pass it on as it is: raw for what the master had not
 * read; for the slave's input the final settings without echo and special characters, so that
 * complete lines are lines again.
 */
static int pty_data(struct restore *r, struct m_tty *tty, struct tty_obj *o)
{
	struct termios2 t, raw;
	int ret = 0;

	if (!tty->to_slave_len && !tty->to_master_len)
		return 0;
	if (ioctl(o->fd, TCGETS2, &t))
		return r_fail(r, -errno, "%s: cannot read its settings", tty->name);
	raw = t;
	raw.c_iflag = 0;
	raw.c_oflag = 0;
	raw.c_lflag = t.c_lflag & ICANON;
	/* Only the end of line stays special. */
	for (int i = 0; i < (int)ARRAY_SIZE(raw.c_cc); i++)
		if (i != VMIN && i != VTIME && i != VEOL && i != VEOL2)
			raw.c_cc[i] = 0;
	if (ioctl(o->fd, TCSETS2, &raw))
		return r_fail(r, -errno, "%s: its settings are not accepted", tty->name);
	ret = put(r, tty, o->fd, tty->to_master, tty->to_master_len);
	if (!ret)
		ret = put(r, tty, o->master, tty->to_slave, tty->to_slave_len);
	if (!ret && ioctl(o->fd, TCSETS2, &t))
		ret = r_fail(r, -errno, "%s: its settings are not accepted", tty->name);
	return ret;
}

static int make_pty(struct restore *r, struct m_tty *tty, struct tty_obj *o)
{
	int zero = 0, one = 1, ret;
	char path[40];

	o->master = open_master(r, tty->index);
	if (o->master < 0)
		return -EIO;
	snprintf(path, sizeof(path), "/dev/pts/%u", tty->index);
	if (ioctl(o->master, TIOCSPTLCK, &zero))
		return r_fail(r, -errno, "%s: cannot unlock it", tty->name);
	o->fd = path_open(r, path, O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
	if (o->fd < 0)
		return r_fail(r, o->fd, "cannot open %s", path);
	ret = set_termios(r, tty, o->fd);
	if (!ret)
		ret = pty_data(r, tty, o);
	if (!ret && (fchown(o->fd, tty->owner_uid, tty->owner_gid) ||
		     fchmod(o->fd, tty->owner_mode & 07777)))
		ret = r_fail(r, -errno, "%s: cannot set its owner", tty->name);
	if (!ret && tty->packet && ioctl(o->master, TIOCPKT, &one))
		ret = r_fail(r, -errno, "%s: cannot set packet mode", tty->name);
	if (!ret && tty->locked && ioctl(o->master, TIOCSPTLCK, &one))
		ret = r_fail(r, -errno, "%s: cannot lock it", tty->name);
	return ret;
}

static int make_line(struct restore *r, struct m_tty *tty, struct tty_obj *o)
{
	char path[80];
	int ret;

	snprintf(path, sizeof(path), "/dev/%s", tty->name);
	o->fd = path_open(r, path, O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
	if (o->fd < 0)
		return r_fail(r, o->fd, "cannot open %s", path);
	ret = set_termios(r, tty, o->fd);
	if (!ret && tty->kind == M_TTY_VC && tty->kbd_mode)
		ioctl(o->fd, KDSKBMODE, (unsigned long)tty->kbd_mode);
	if (!ret && tty->kind == M_TTY_VC && tty->active)
		ioctl(o->fd, VT_ACTIVATE, (unsigned long)tty->index);
	return ret;
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
		ret = tty->kind == M_TTY_PTY ? make_pty(r, tty, o) : make_line(r, tty, o);
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
		if (r->committed && o->fd >= 0 && tty->stopped)
			ioctl(o->fd, TCXONC, TCOOFF);
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
