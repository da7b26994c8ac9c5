// SPDX-License-Identifier: GPL-2.0-only
/*
 * What waits before the line discipline of a pty's end that nobody reads: in the line discipline
 * go 4095 bytes, the rest stays in flip buffers until there is room again.
 *
 * Source: drivers/tty/tty_buffer.c, drivers/tty/pty.c. A pty's port allocates buffers while those
 * it has add up to no more than 8192; a buffer of size n, at most 1792 (TTY_BUFFER_PAGE), holds 2n
 * bytes, and a write that does not fit into what is left of one leaves that unused. Buffers of 256
 * are kept when they are free, and are taken again beyond the limit: at most 33 ever get made. So
 * a machine's may hold 19968 bytes of any buffers and 16896 in such of 256, and those who fill
 * them have to fill them so.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "tty.h"

#define RING_MAX 4095u
#define PAGE_ROOM 1792u
#define LIMIT 8192u
#define SMALL 256u
/* Four buffers of 1792, one of 1024, and with that at the limit one of 1792. */
#define BEFORE_ODD (4 * 2 * PAGE_ROOM)
#define ODD (LIMIT - 4 * PAGE_ROOM)
#define AFTER_ODD (BEFORE_ODD + 2 * ODD)
#define LARGE_MAX (AFTER_ODD + 2 * PAGE_ROOM)

static void wait_ms(void)
{
	struct timespec ts = { .tv_nsec = 1000000 };

	nanosleep(&ts, NULL);
}

static u32 step(u32 at)
{
	if (at >= LARGE_MAX)
		return SMALL;
	return at >= BEFORE_ODD && at < AFTER_ODD ? ODD : PAGE_ROOM;
}

/* Without a reader; a write that is refused may wait for the kernel to free a buffer. */
static int write_flip(struct restore *r, struct m_tty *tty, int fd, const u8 *p, u32 len)
{
	u32 at = 0, tries = 0;

	while (at < len) {
		u32 n = step(at) < len - at ? step(at) : len - at;
		ssize_t done = write(fd, p + at, n);

		if (done > 0) {
			at += (u32)done;
		} else if (done && errno != EAGAIN && errno != EINTR) {
			return r_fail(r, -errno, "%s: cannot put back what was not read", tty->name);
		} else if (++tries > 2000) {
			return r_fail(r, -ENOBUFS, "%s: takes %u bytes of %u that were not read",
				      tty->name, at, len);
		} else {
			wait_ms();
		}
	}
	return 0;
}

/* Makes the 33 buffers of 256: fills @fd's other end, @reader, with such, and drops it all. */
static int make_small(struct restore *r, struct m_tty *tty, int fd, int reader)
{
	static const u8 zero[SMALL];
	u32 refused = 0;

	for (u32 i = 0; refused < 20 && i < 1000; i++) {
		if (write(fd, zero, SMALL) > 0)
			continue;
		if (errno != EAGAIN)
			return r_fail(r, -errno, "%s: cannot be filled", tty->name);
		/* The line discipline may not have taken its part yet. */
		refused++;
		wait_ms();
	}
	if (ioctl(reader, TCFLSH, TCIFLUSH))
		return r_fail(r, -errno, "%s: cannot be emptied", tty->name);
	return 0;
}

static int set_raw(struct restore *r, struct m_tty *tty, int fd)
{
	struct termios2 t;

	tty_termios(tty, &t);
	t.c_iflag = t.c_oflag = t.c_lflag = 0;
	if (ioctl(fd, TCSETS2, &t))
		return r_fail(r, -errno, "%s: its settings are not accepted", tty->name);
	return 0;
}

int tty_put_output(struct restore *r, struct m_tty *tty, const struct tty_obj *o)
{
	u32 ring = tty->to_master_len < RING_MAX ? tty->to_master_len : RING_MAX;
	bool small_out = tty->to_master_len - ring > LARGE_MAX;
	bool small_in = tty->to_slave_raw_len > LARGE_MAX;
	int ret, have = 0;

	if (!tty->to_master_len && !small_in)
		return 0;
	ret = set_raw(r, tty, o->fd);
	if (!ret && small_in)
		ret = make_small(r, tty, o->master, o->fd);
	if (!ret && small_out)
		ret = make_small(r, tty, o->fd, o->master);
	/* "Typed" at the master it is in its line discipline at once, and the rest stays behind it. */
	if (!ret)
		ret = tty_type(r, tty, o->master, tty->to_master, ring);
	if (!ret && (ioctl(o->master, FIONREAD, &have) || (u32)have != ring))
		ret = r_fail(r, -EIO, "%s: holds %d bytes of output instead of %u", tty->name, have, ring);
	return ret ? ret : write_flip(r, tty, o->fd, tty->to_master + ring, tty->to_master_len - ring);
}

int tty_put_raw(struct restore *r, struct m_tty *tty, const struct tty_obj *o)
{
	return write_flip(r, tty, o->master, tty->to_slave_raw, tty->to_slave_raw_len);
}
