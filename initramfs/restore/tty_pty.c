// SPDX-License-Identifier: GPL-2.0-only
/* Pseudo-terminals under their numbers, with what is unread at both ends, and packet mode. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tty.h"

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

/*
 * Packet mode, what of it the master has not read yet, and a slave stopped by tcflow(): both as
 * they are told by the kernel (drivers/tty/pty.c), by doing what sets each status. Which of them
 * can be done is checked by the translator.
 */
static int set_packet(struct restore *r, struct m_tty *tty, const struct tty_obj *o)
{
	u32 s = tty->packet ? tty->packet_status : 0;
	bool stop = tty->stopped && !tty->stopped_by_char, ok = true;
	int one = 1;

	if (stop && !(s & TIOCPKT_STOP))
		ok = !ioctl(o->fd, TCXONC, TCOOFF);
	if (ok && tty->packet)
		ok = !ioctl(o->master, TIOCPKT, &one);
	if (ok && s & TIOCPKT_FLUSHREAD)
		ok = !ioctl(o->fd, TCFLSH, TCIFLUSH);
	if (ok && s & TIOCPKT_FLUSHWRITE)
		ok = !ioctl(o->fd, TCFLSH, TCOFLUSH);
	if (ok && s & (TIOCPKT_DOSTOP | TIOCPKT_NOSTOP | TIOCPKT_IOCTL)) {
		struct termios2 t;

		/* pty_set_termios(): whether the usual characters stop and start it changes. */
		tty_termios(tty, &t);
		if (s & TIOCPKT_DOSTOP) {
			t.c_cc[VSTOP] = t.c_cc[VSTART] = 0;
		} else if (s & TIOCPKT_NOSTOP) {
			t.c_iflag |= IXON;
			t.c_cc[VSTOP] = 0x13;
			t.c_cc[VSTART] = 0x11;
		}
		ok = !ioctl(o->fd, TCSETS2, &t);
		tty_termios(tty, &t);
		if (ok)
			ok = !ioctl(o->fd, TCSETS2, &t);
	}
	if (ok && s & (TIOCPKT_STOP | TIOCPKT_START))
		ok = !ioctl(o->fd, TCXONC, TCOOFF);
	if (ok && s & TIOCPKT_START)
		ok = !ioctl(o->fd, TCXONC, TCOON);
	return ok ? 0 : r_fail(r, -errno, "%s: cannot set packet mode", tty->name);
}

/* Each step is of the settings it needs; raw input is for the final ones to process. */
static int put_data(struct restore *r, struct m_tty *tty, const struct tty_obj *o)
{
	int ret = tty_put_output(r, tty, o);

	if (!ret)
		ret = tty_put_input(r, tty, o->fd);
	if (!ret)
		ret = tty_settings(r, tty, o->fd);
	if (!ret)
		ret = tty_check_input(r, tty, o->fd);
	if (!ret)
		ret = set_packet(r, tty, o);
	return ret ? ret : tty_put_raw(r, tty, o);
}

int tty_make_pty(struct restore *r, struct m_tty *tty, struct tty_obj *o)
{
	int zero = 0, one = 1, ret, at;
	char path[40];

	o->master = open_master(r, tty->index);
	if (o->master < 0)
		return -EIO;
	snprintf(path, sizeof(path), "/dev/pts/%u", tty->index);
	if (ioctl(o->master, TIOCSPTLCK, &zero))
		return r_fail(r, -errno, "%s: cannot unlock it", tty->name);
	/* A slave that nobody ever opened is not to look closed; one that was hung up has nothing. */
	if (tty->slave_open || tty->slave_closed) {
		o->fd = path_open(r, path, O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
		if (o->fd < 0)
			return r_fail(r, o->fd, "cannot open %s", path);
	}
	if (o->fd >= 0 && tty->master_open)
		ret = put_data(r, tty, o);
	else
		ret = tty_settings(r, tty, o->master); /* which are its slave's */
	if (!ret && o->fd < 0 && tty->packet && ioctl(o->master, TIOCPKT, &one))
		ret = r_fail(r, -errno, "%s: cannot set packet mode", tty->name);
	at = path_open(r, path, O_PATH, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
	if (!ret && (at < 0 || chown(path, tty->owner_uid, tty->owner_gid) ||
		     chmod(path, tty->owner_mode & 07777)))
		ret = r_fail(r, -errno, "%s: cannot set its owner", tty->name);
	if (at >= 0)
		close(at);
	if (!ret && tty->locked && ioctl(o->master, TIOCSPTLCK, &one))
		ret = r_fail(r, -errno, "%s: cannot lock it", tty->name);
	return ret;
}
