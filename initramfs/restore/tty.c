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
#undef TCSETS2
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

/* As if it was typed; the line discipline has it when this returns. */
static int type(struct restore *r, struct m_tty *tty, int fd, const u8 *data, u32 len)
{
	for (u32 i = 0; i < len; i++)
		if (ioctl(fd, TIOCSTI, &data[i]))
			return r_fail(r, -errno, "%s: cannot put back what was typed", tty->name);
	return 0;
}

/* Special characters while unread input is put back; all others are off. */
#define FILL_EOF 0x04
#define FILL_LNEXT 0x16

static bool is_special(u8 c, u8 eol)
{
	return c == FILL_EOF || c == FILL_LNEXT || c == '\n' || c == '\r' || (eol && c == eol);
}

/* One line, or what is left behind the last: its end decides how it is ended again. */
static int type_line(struct restore *r, struct m_tty *tty, int fd, struct termios2 *t, const u8 *p,
		     u32 len, bool complete)
{
	static const u8 lnext = FILL_LNEXT, eof = FILL_EOF;
	u8 end = complete ? p[len - 1] : 0;
	u32 n = complete ? len - 1 : len;
	int ret = 0;

	t->c_cc[VEOL] = complete && end && end != '\n' ? end : 0;
	if (ioctl(fd, TCSETS2, t))
		return r_fail(r, -errno, "%s: its settings are not accepted", tty->name);
	for (u32 i = 0; !ret && i < n; i++) {
		if (is_special(p[i], t->c_cc[VEOL]))
			ret = type(r, tty, fd, &lnext, 1);
		if (!ret)
			ret = type(r, tty, fd, p + i, 1);
	}
	if (!ret && complete)
		ret = type(r, tty, fd, end ? &end : &eof, 1);
	return ret;
}

/*
 * Input that was processed and not read goes in under settings that only know ends of lines, and
 * echo nothing. Output goes out unchanged. The final settings follow.
 */
static int put_data(struct restore *r, struct m_tty *tty, int fd)
{
	static const u8 lnext = FILL_LNEXT;
	struct termios2 t = { 0 };
	u32 at = 0;
	int ret = 0;

	if (!tty->to_slave_len && !tty->to_master_len && !tty->to_slave_lnext)
		return 0;
	t.c_cflag = tty->c_cflag;
	t.c_ispeed = tty->c_ispeed;
	t.c_ospeed = tty->c_ospeed;
	t.c_lflag = tty->c_lflag & ICANON ? ICANON | IEXTEN : 0;
	t.c_cc[VEOF] = FILL_EOF;
	t.c_cc[VLNEXT] = FILL_LNEXT;
	t.c_cc[VMIN] = 1;
	if (ioctl(fd, TCSETS2, &t))
		return r_fail(r, -errno, "%s: its settings are not accepted", tty->name);
	ret = put(r, tty, fd, tty->to_master, tty->to_master_len);
	if (!(t.c_lflag & ICANON))
		return ret ? ret : type(r, tty, fd, tty->to_slave, tty->to_slave_len);
	for (size_t i = 0; !ret && i < tty->to_slave_lines.n; i++) {
		u32 end = tty->to_slave_lines.v[i];

		if (end <= at || end > tty->to_slave_len)
			continue;
		ret = type_line(r, tty, fd, &t, tty->to_slave + at, end - at, true);
		at = end;
	}
	if (!ret && at < tty->to_slave_len)
		ret = type_line(r, tty, fd, &t, tty->to_slave + at, tty->to_slave_len - at, false);
	if (!ret && tty->to_slave_lnext)
		ret = type(r, tty, fd, &lnext, 1);
	return ret;
}

static int make_pty(struct restore *r, struct m_tty *tty, struct tty_obj *o)
{
	int zero = 0, one = 1, ret, at;
	char path[40];

	o->master = open_master(r, tty->index);
	if (o->master < 0)
		return -EIO;
	snprintf(path, sizeof(path), "/dev/pts/%u", tty->index);
	if (ioctl(o->master, TIOCSPTLCK, &zero))
		return r_fail(r, -errno, "%s: cannot unlock it", tty->name);
	/* A slave that nobody ever opened is not to look closed. */
	if (tty->slave_open || tty->slave_closed || tty->to_slave_len || tty->to_master_len) {
		o->fd = path_open(r, path, O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
		if (o->fd < 0)
			return r_fail(r, o->fd, "cannot open %s", path);
	}
	ret = o->fd >= 0 ? put_data(r, tty, o->fd) : 0;
	/* The master sets its slave's. */
	if (!ret)
		ret = set_termios(r, tty, o->master);
	if (!ret)
		ret = put(r, tty, o->master, tty->to_slave_raw, tty->to_slave_raw_len);
	at = path_open(r, path, O_PATH, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
	if (!ret && (at < 0 || chown(path, tty->owner_uid, tty->owner_gid) ||
		     chmod(path, tty->owner_mode & 07777)))
		ret = r_fail(r, -errno, "%s: cannot set its owner", tty->name);
	if (at >= 0)
		close(at);
	if (!ret && tty->packet && ioctl(o->master, TIOCPKT, &one))
		ret = r_fail(r, -errno, "%s: cannot set packet mode", tty->name);
	if (!ret && tty->locked && ioctl(o->master, TIOCSPTLCK, &one))
		ret = r_fail(r, -errno, "%s: cannot lock it", tty->name);
	return ret;
}

/* What is on a virtual console, through its memory device. */
static void put_screen(struct restore *r, const struct m_tty *tty)
{
	u8 head[4] = { (u8)tty->screen_rows, (u8)tty->screen_cols, (u8)tty->cursor_x, (u8)tty->cursor_y };
	u8 now[4];
	size_t len = (size_t)tty->screen_rows * tty->screen_cols * 2;
	char path[40];
	int fd;

	if (!tty->screen)
		return;
	snprintf(path, sizeof(path), "/dev/vcsa%u", tty->index);
	fd = path_open(r, path, O_RDWR, 0);
	if (fd < 0)
		return;
	/* Another size of the screen: what was on it cannot be placed. It is only a picture. */
	if (pread(fd, now, 4, 0) == 4 && now[0] == head[0] && now[1] == head[1] &&
	    pwrite(fd, tty->screen, len, 4) == (ssize_t)len && pwrite(fd, head, 4, 0) == 4) {
	}
	close(fd);
}

/*
 * Files that vhangup() cut off: opened first, and cut off again before anybody else opens the line.
 */
static int make_hung(struct restore *r, struct m_tty *tty, const char *path)
{
	struct m_file *f;
	int last = -1;

	vec_foreach(f, &r->m->files) {
		int fd;

		if (f->kind != M_FILE_TTY || !f->hung_up || f->tty != tty)
			continue;
		fd = path_open(r, f->path ? f->path->path : path,
			       (int)(f->flags & (O_ACCMODE | O_APPEND)) | O_NOCTTY | O_NONBLOCK, 0);
		if (fd < 0)
			return r_fail(r, fd, "cannot open %s", path);
		last = fd;
		fd = file_preset(r, f, fd);
		if (fd)
			return fd;
	}
	/* TIOCVHANGUP of a descriptor hangs up that terminal. */
	if (last >= 0 && ioctl(last, TIOCVHANGUP, 0))
		return r_fail(r, -errno, "cannot hang up %s", path);
	return 0;
}

static int make_line(struct restore *r, struct m_tty *tty, struct tty_obj *o)
{
	char path[80];
	int ret;

	snprintf(path, sizeof(path), "/dev/%s", tty->name);
	ret = make_hung(r, tty, path);
	if (ret)
		return ret;
	o->fd = path_open(r, path, O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
	if (o->fd < 0)
		return r_fail(r, o->fd, "cannot open %s", path);
	ret = put_data(r, tty, o->fd);
	if (!ret)
		ret = set_termios(r, tty, o->fd);
	if (!ret)
		ret = type(r, tty, o->fd, tty->to_slave_raw, tty->to_slave_raw_len);
	if (ret || tty->kind != M_TTY_VC)
		return ret;
	put_screen(r, tty);
	ioctl(o->fd, KDSKBMODE, (unsigned long)tty->kbd_mode);
	if (tty->kbd_meta)
		ioctl(o->fd, KDSKBMETA, (unsigned long)tty->kbd_meta);
	ioctl(o->fd, KDSKBLED, (unsigned long)tty->kbd_leds);
	if (tty->vt_mode)
		ioctl(o->fd, KDSETMODE, (unsigned long)tty->vt_mode);
	if (tty->active)
		ioctl(o->fd, VT_ACTIVATE, (unsigned long)tty->index);
	return 0;
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
