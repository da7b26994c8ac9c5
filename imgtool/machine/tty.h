/* SPDX-License-Identifier: GPL-2.0-only */
/* Terminals: serial lines, virtual consoles, pseudo-terminals. */
#pragma once

#include <termios.h>

#include "util/types.h"
#include "util/vec.h"

enum m_tty_kind { M_TTY_VC, M_TTY_SERIAL, M_TTY_PTY, M_TTY_OTHER };

struct m_tty {
	u64 kaddr;		/* tty_struct; for a pty that of the slave */
	u64 master_kaddr;	/* pty: tty_struct of the master */
	enum m_tty_kind kind;
	char name[64];		/* "tty1", "ttyS0", "pts/3" */
	u64 rdev;		/* makedev encoding */
	u32 index;		/* pts/3: 3; ttyS0: 0; tty1: 0 */
	/* struct ktermios as TCGETS2 shows it */
	u32 c_iflag, c_oflag, c_cflag, c_lflag;
	u8 c_line;
	u8 c_cc[19];
	u32 c_ispeed, c_ospeed;
	u16 rows, cols, xpixel, ypixel;
	pid_t session;		/* 0: none */
	pid_t foreground;	/* foreground process group; 0: none */
	bool exclusive;		/* TIOCEXCL */
	bool stopped;		/* output is stopped */
	bool stopped_by_char;	/* by the STOP character, not by tcflow() */
	/* pty */
	bool locked;		/* TIOCSPTLCK */
	bool packet;		/* TIOCPKT */
	u8 packet_status;	/* TIOCPKT_* bits that the master has not read yet */
	bool slave_closed;	/* it was open and is not any more: the master reads EIO */
	/* Input of any terminal; for a pty what the master wrote. */
	u8 *to_slave;		/* processed by the line discipline (and echoed), not read yet */
	u32 to_slave_len;
	u32 to_slave_canon;	/* bytes of complete lines in it (canonical mode) */
	/*
	 * Canonical: where each complete line ends (after its last byte). An end-of-file character
	 * stands as a NUL byte that ends a line.
	 */
	VEC(u32) to_slave_lines;
	u8 *to_slave_raw;	/* came after that; neither processed nor echoed yet */
	u32 to_slave_raw_len;
	bool to_slave_lnext;	/* VLNEXT was typed: the next character is taken literally */
	/* Output, processed: what the master has not read; what a serial line has not sent. */
	u8 *to_master;
	u32 to_master_len;
	u32 owner_uid, owner_gid, owner_mode;	/* of the pts node */
	bool master_open, slave_open;
	/* virtual console */
	bool active;		/* the console that is shown */
	u8 kbd_mode, vt_mode;	/* KDSKBMODE, KDSETMODE */
	u8 kbd_meta, kbd_leds;	/* KDSKBMETA, KDSKBLED */
	u16 *screen;		/* cells (attribute << 8 | glyph), row by row; NULL: unknown */
	u16 screen_rows, screen_cols;
	u32 cursor_x, cursor_y;
	void *restore;		/* restore's own */
};
