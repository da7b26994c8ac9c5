// SPDX-License-Identifier: GPL-2.0-only
/*
 * A terminal's settings, and the input that its line discipline holds for a reader.
 * Source: drivers/tty/n_tty.c.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tty.h"

#define INPUT_MAX 4095u

struct tty_winsize {
	u16 rows, cols, xpixel, ypixel;
};

void tty_termios(const struct m_tty *tty, struct termios2 *t)
{
	_Static_assert(sizeof(t->c_cc) == sizeof(tty->c_cc), "c_cc");

	memset(t, 0, sizeof(*t));
	t->c_iflag = tty->c_iflag;
	t->c_oflag = tty->c_oflag;
	t->c_cflag = tty->c_cflag;
	t->c_lflag = tty->c_lflag;
	t->c_line = tty->c_line;
	memcpy(t->c_cc, tty->c_cc, sizeof(t->c_cc));
	t->c_ispeed = tty->c_ispeed;
	t->c_ospeed = tty->c_ospeed;
}

int tty_settings(struct restore *r, struct m_tty *tty, int fd)
{
	struct tty_winsize ws = { tty->rows, tty->cols, tty->xpixel, tty->ypixel };
	struct termios2 t;

	tty_termios(tty, &t);
	if (ioctl(fd, TCSETS2, &t))
		return r_fail(r, -errno, "%s: its settings are not accepted", tty->name);
	/* The size of a virtual console is that of this kernel's screen. */
	if (ioctl(fd, TIOCSWINSZ, &ws) && tty->kind != M_TTY_VC)
		return r_fail(r, -errno, "%s: its size is not accepted", tty->name);
	return 0;
}

int tty_type(struct restore *r, struct m_tty *tty, int fd, const u8 *data, u32 len)
{
	for (u32 i = 0; i < len; i++)
		if (ioctl(fd, TIOCSTI, &data[i]))
			return r_fail(r, -errno, "%s: cannot put back what was typed", tty->name);
	return 0;
}

/* EXTPROC: the other end makes the lines, and unread input is read as it is. */
static bool has_lines(const struct m_tty *tty)
{
	return tty->c_lflag & ICANON && !(tty->c_lflag & EXTPROC);
}

/* Special characters while input is put back; all others are off. */
struct fill {
	struct restore *r;
	struct m_tty *tty;
	int fd;
	struct termios2 t;
};

static int fill_set(struct fill *f)
{
	if (ioctl(f->fd, TCSETS2, &f->t))
		return r_fail(f->r, -errno, "%s: its settings are not accepted", f->tty->name);
	return 0;
}

static int fill_type(struct fill *f, const u8 *p, u32 len)
{
	for (u32 i = 0; i < len; i++) {
		bool special = p[i] == '\n' || (p[i] && (p[i] == f->t.c_cc[VEOF] ||
				p[i] == f->t.c_cc[VLNEXT] || p[i] == f->t.c_cc[VEOL]));
		int ret = special ? tty_type(f->r, f->tty, f->fd, &f->t.c_cc[VLNEXT], 1) : 0;

		if (!ret)
			ret = tty_type(f->r, f->tty, f->fd, p + i, 1);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * A line ends with a newline, a NUL that stands for an end of file, or whatever was last when the
 * terminal was switched to lines. That is made the end of a line, and is none of the others.
 */
static int fill_line(struct fill *f, const u8 *p, u32 len)
{
	u8 end = p[len - 1];
	int ret;

	f->t.c_cc[VEOL] = end != '\n' ? end : 0;
	f->t.c_cc[VEOF] = end == 0x04 ? 0x05 : 0x04;
	f->t.c_cc[VLNEXT] = end == 0x16 ? 0x17 : 0x16;
	ret = fill_set(f);
	if (!ret)
		ret = fill_type(f, p, len - 1);
	return ret ? ret : tty_type(f->r, f->tty, f->fd, end ? &end : &f->t.c_cc[VEOF], 1);
}

/*
 * All input goes in as lines; what is not to be lines stops being so with the final settings
 * (n_tty_set_termios()). The one byte more than the line discipline takes is a line's end.
 */
int tty_put_input(struct restore *r, struct m_tty *tty, int fd)
{
	struct fill f = { .r = r, .tty = tty, .fd = fd };
	static const u8 stop = 0x13;
	bool stopped = tty->kind == M_TTY_PTY && tty->stopped && tty->stopped_by_char;
	u32 at = 0;
	int ret;

	if (!tty->to_slave_len && !tty->to_slave_lnext && !stopped)
		return 0;
	tty_termios(tty, &f.t);
	memset(f.t.c_cc, 0, sizeof(f.t.c_cc));
	f.t.c_oflag = 0;
	f.t.c_lflag = ICANON | IEXTEN;
	/* With IXON off it would start again. */
	f.t.c_iflag = stopped ? IXON : 0;
	f.t.c_cc[VSTOP] = stopped ? stop : 0;
	f.t.c_cc[VEOF] = 0x04;
	f.t.c_cc[VLNEXT] = 0x16;
	ret = fill_set(&f);
	if (!ret && stopped) {
		ret = tty_type(r, tty, fd, &stop, 1);
		f.t.c_cc[VSTOP] = 0;
		if (!ret)
			ret = fill_set(&f);
	}
	for (size_t i = 0; !ret && has_lines(tty) && i < tty->to_slave_lines.n; i++) {
		u32 end = tty->to_slave_lines.v[i];

		if (end <= at || end > tty->to_slave_len)
			return r_fail(r, -EINVAL, "%s: its lines overlap", tty->name);
		ret = fill_line(&f, tty->to_slave + at, end - at);
		at = end;
	}
	if (!ret && tty->to_slave_len - at > INPUT_MAX) {
		ret = fill_line(&f, tty->to_slave + at, tty->to_slave_len - at);
		at = tty->to_slave_len;
	}
	f.t.c_cc[VEOL] = 0;
	if (!ret)
		ret = fill_set(&f);
	if (!ret)
		ret = fill_type(&f, tty->to_slave + at, tty->to_slave_len - at);
	if (!ret && tty->to_slave_lnext)
		ret = tty_type(r, tty, fd, &f.t.c_cc[VLNEXT], 1);
	return ret;
}

int tty_check_input(struct restore *r, struct m_tty *tty, int fd)
{
	u32 want = tty->to_slave_len;
	int have = 0;

	if (has_lines(tty)) {
		/* TIOCINQ counts whole lines, without the ends of files. */
		size_t n = tty->to_slave_lines.n;

		want = n ? tty->to_slave_lines.v[n - 1] : 0;
		for (size_t i = 0; i < n; i++)
			want -= !tty->to_slave[tty->to_slave_lines.v[i] - 1];
	}
	if (ioctl(fd, FIONREAD, &have))
		return r_fail(r, -errno, "%s: does not say what it holds", tty->name);
	if ((u32)have < want)
		return r_fail(r, -EIO, "%s: holds %d bytes of input instead of %u", tty->name, have, want);
	return 0;
}
