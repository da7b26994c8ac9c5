// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is on its way in a terminal: input not read yet, before and after the line discipline, and
 * output that the other side of a pty has not read or a serial line has not sent.
 * Source: drivers/tty/n_tty.c (a ring with free-running indices), drivers/tty/tty_buffer.c (a list
 * of flip buffers, of which [read, commit) is due), drivers/tty/serial/serial_core.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "translate/xlate.h"

#define RING 4096u	/* N_TTY_BUF_SIZE */
#define FLIP_MAX (1u << 20)	/* a port's limit is 64 KiB, a pty's 8 KiB */
#define XMIT_MAX (1u << 20)

struct bytes {
	VEC(u8) v;
};

static void add(struct xlate *x, struct bytes *b, const void *p, size_t len)
{
	const u8 *c = p;

	while (len--)
		x_push(x, &b->v, *c++);
}

/* Into the arena; @b is freed. */
static u8 *finish(struct xlate *x, struct bytes *b, u32 *len)
{
	u8 *p = b->v.n ? x_alloc(x, b->v.n) : NULL;

	if (p)
		memcpy(p, b->v.v, b->v.n);
	*len = p ? b->v.n : 0;
	vec_free(&b->v);
	return p;
}

static void damaged(struct xlate *x, const struct m_tty *t, const char *what)
{
	if (!x->live) /* a running one changes while it is read */
		x_refuse(x, "terminal %s: its %s makes no sense", t->name, what);
}

/* Unread bytes of the line discipline at @ldata; 0: none, or not to be had. */
static u32 read_ring(struct xlate *x, u64 ldata, const struct m_tty *t, u8 *buf)
{
	u64 head = x_u64(x, ldata, F_NTTY_READ_HEAD), tail = x_u64(x, ldata, F_NTTY_READ_TAIL), i;
	u8 ring[RING];

	if (x->f->loc[F_NTTY_READ_BUF].size != RING || head - tail > RING) {
		damaged(x, t, "input buffer");
		return 0;
	}
	x_bytes(x, ldata, F_NTTY_READ_BUF, ring, sizeof(ring));
	for (i = tail; i != head; i++)
		buf[i - tail] = ring[i % RING];
	return x_failed(x) ? 0 : head - tail;
}

/* A serial line's input has a flag for each byte once there was a break or an error. */
static void flip_flags(struct xlate *x, u64 b, u64 at, u64 end, const struct m_tty *t)
{
	bool has = x_u64(x, b, F_TTYBUF_FLAGS);
	u8 flag;

	/* The int of old said that there are none (TTYB_NORMAL). */
	if (x->f->loc[F_TTYBUF_FLAGS].size > 1)
		has = !(x_u64(x, b, F_TTYBUF_FLAGS) & 1);
	for (at += x_u64(x, b, F_TTYBUF_SIZE); has && at < end + x_u64(x, b, F_TTYBUF_SIZE); at++) {
		x_read(x, x_addr(x, b, F_TTYBUF_DATA) + at, &flag, 1, "tty_buffer flags");
		if (!flag)
			continue;
		x_refuse(x, "terminal %s received a break or an error that is not processed",
			 t->name);
		return;
	}
}

static void flip_buffers(struct xlate *x, u64 tty, const struct m_tty *t, struct bytes *out)
{
	u64 port = x_u64(x, tty, F_TTY_PORT), b, mark = 0;
	u8 data[OHIB_PAGE_SIZE];
	u32 nr = 1;

	if (!port)
		return;
	for (b = x_u64(x, port, F_TTYPORT_BUF_HEAD); b && !x_failed(x);
	     b = x_u64(x, b, F_TTYBUF_NEXT)) {
		u64 at = x_u64(x, b, F_TTYBUF_READ), end = x_u64(x, b, F_TTYBUF_COMMIT);

		/* twice the size: the flags' half holds characters too while none has a flag */
		if (at > end || end > 2 * x_u64(x, b, F_TTYBUF_SIZE) ||
		    out->v.n + (end - at) > FLIP_MAX || x_again(nr++, b, &mark)) {
			damaged(x, t, "raw buffer");
			return;
		}
		flip_flags(x, b, at, end, t);
		while (at < end) {
			size_t n = end - at < sizeof(data) ? end - at : sizeof(data);

			x_read(x, x_addr(x, b, F_TTYBUF_DATA) + at, data, n, "tty_buffer.data");
			add(x, out, data, n);
			at += n;
		}
	}
}

static void input(struct xlate *x, u64 tty, struct m_tty *t)
{
	u64 ldata = x_u64(x, tty, F_TTY_DISC_DATA), tail, flags[RING / 64];
	struct bytes done = {}, raw = {};
	u8 buf[RING];
	u32 i, n;

	if (!ldata)
		return;
	n = read_ring(x, ldata, t, buf);
	add(x, &done, buf, n);
	t->to_slave = finish(x, &done, &t->to_slave_len);
	flip_buffers(x, tty, t, &raw);
	t->to_slave_raw = finish(x, &raw, &t->to_slave_raw_len);
	t->to_slave_lnext = x_u64(x, ldata, F_NTTY_LNEXT);
	if (x_u64(x, ldata, F_NTTY_ECHO_HEAD) != x_u64(x, ldata, F_NTTY_ECHO_TAIL) && !x->live)
		x_refuse(x, "terminal %s has echoed input that its output has no room for",
			 t->name);
	if (!x_u64(x, ldata, F_NTTY_ICANON))
		return;
	tail = x_u64(x, ldata, F_NTTY_READ_TAIL);
	x_bytes(x, ldata, F_NTTY_READ_FLAGS, flags, sizeof(flags));
	for (i = 0; i < n; i++) {
		u32 at = (tail + i) % RING;

		if (flags[at / 64] >> (at % 64) & 1) {
			x_push(x, &t->to_slave_lines, i + 1);
			t->to_slave_canon = i + 1;
		}
	}
}

static void pty_output(struct xlate *x, u64 master, struct m_tty *t)
{
	u64 ldata = x_u64(x, master, F_TTY_DISC_DATA);
	struct bytes out = {};
	u8 buf[RING];

	if (ldata)
		add(x, &out, buf, read_ring(x, ldata, t, buf));
	flip_buffers(x, master, t, &out);
	t->to_master = finish(x, &out, &t->to_master_len);
}

/* uart_write(): what waits for the interrupt that asks for more. */
static void serial_output(struct xlate *x, u64 tty, struct m_tty *t)
{
	u64 state = x_u64(x, tty, F_TTY_DRIVER_DATA), port = x_u64(x, tty, F_TTY_PORT);
	u64 buf, head, tail, mask;
	struct bytes out = {};
	u8 byte;

	if (!state || !port || !symbols_is(x->syms, x_u64(x, tty, F_TTY_OPS), "uart_ops"))
		return;
	if (x_has(x, F_TTYPORT_FIFO_IN) && !x_has(x, F_UART_XMIT_BUF)) {
		head = x_u64(x, port, F_TTYPORT_FIFO_IN);
		tail = x_u64(x, port, F_TTYPORT_FIFO_OUT);
		mask = x_u64(x, port, F_TTYPORT_FIFO_MASK);
		buf = x_u64(x, port, F_TTYPORT_FIFO_DATA);
	} else {
		head = x_u64(x, state, F_UART_XMIT_HEAD);
		tail = x_u64(x, state, F_UART_XMIT_TAIL);
		mask = OHIB_PAGE_SIZE - 1; /* UART_XMIT_SIZE */
		buf = x_u64(x, state, F_UART_XMIT_BUF);
	}
	if (!buf || mask & (mask + 1) || mask > XMIT_MAX)
		return;
	for (; ((head - tail) & mask) && !x_failed(x); tail++) {
		x_read(x, buf + (tail & mask), &byte, 1, "serial output");
		add(x, &out, &byte, 1);
	}
	t->to_master = finish(x, &out, &t->to_master_len);
}

void xlate_tty_data(struct xlate *x, u64 tty, struct m_tty *t)
{
	input(x, tty, t);
	if (t->kind == M_TTY_PTY)
		pty_output(x, t->master_kaddr, t);
	else if (t->kind == M_TTY_SERIAL)
		serial_output(x, tty, t);
}
