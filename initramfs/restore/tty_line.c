// SPDX-License-Identifier: GPL-2.0-only
/* Serial lines and virtual consoles: settings, unread input, unsent output, screen, hung-up files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kd.h>
#include <linux/vt.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "tty.h"

/* What is on a virtual console, through its memory device; tty1 has index 0. */
static void put_screen(struct restore *r, const struct m_tty *tty)
{
	u8 head[4] = { (u8)tty->screen_rows, (u8)tty->screen_cols, (u8)tty->cursor_x, (u8)tty->cursor_y };
	u8 now[4];
	size_t len = (size_t)tty->screen_rows * tty->screen_cols * 2;
	char path[40];
	int fd;

	if (!tty->screen)
		return;
	snprintf(path, sizeof(path), "/dev/vcsa%u", tty->index + 1);
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

int tty_make_line(struct restore *r, struct m_tty *tty, struct tty_obj *o)
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
	/* first: it throws away what was typed (vt_k_ioctl(), drivers/tty/vt/vt_ioctl.c) */
	if (tty->kind == M_TTY_VC)
		ioctl(o->fd, KDSKBMODE, (unsigned long)tty->kbd_mode);
	ret = tty_put_input(r, tty, o->fd);
	if (!ret)
		ret = tty_settings(r, tty, o->fd);
	if (!ret)
		ret = tty_check_input(r, tty, o->fd);
	if (!ret)
		ret = tty_type(r, tty, o->fd, tty->to_slave_raw, tty->to_slave_raw_len);
	if (ret || tty->kind != M_TTY_VC)
		return ret;
	put_screen(r, tty);
	if (tty->kbd_meta)
		ioctl(o->fd, KDSKBMETA, (unsigned long)tty->kbd_meta);
	ioctl(o->fd, KDSKBLED, (unsigned long)tty->kbd_leds);
	if (tty->vt_mode)
		ioctl(o->fd, KDSETMODE, (unsigned long)tty->vt_mode);
	if (tty->active)
		ioctl(o->fd, VT_ACTIVATE, (unsigned long)tty->index + 1);
	return 0;
}

/* Nothing goes out before the commit: after a failure the old machine sends it. */
void tty_finish_line(struct m_tty *tty, const struct tty_obj *o)
{
	struct termios2 t, plain;
	u32 at = 0;

	tty_termios(tty, &t);
	plain = t;
	plain.c_oflag &= ~(u32)OPOST;
	if (tty->stopped && tty->stopped_by_char) {
		plain.c_cc[VSTOP] = t.c_cc[VSTOP] ? t.c_cc[VSTOP] : 0x13;
		ioctl(o->fd, TCSETS2, &plain);
		ioctl(o->fd, TIOCSTI, &plain.c_cc[VSTOP]);
	} else if (tty->stopped) {
		ioctl(o->fd, TCXONC, TCOOFF);
	}
	if (tty->to_master_len)
		ioctl(o->fd, TCSETS2, &plain);
	while (at < tty->to_master_len) {
		struct pollfd p = { .fd = o->fd, .events = POLLOUT };
		ssize_t n = write(o->fd, tty->to_master + at, tty->to_master_len - at);

		if (n > 0)
			at += (u32)n;
		else if (tty->stopped || poll(&p, 1, 1000) <= 0)
			break;
	}
	ioctl(o->fd, TCSETS2, &t);
}
