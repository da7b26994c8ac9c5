/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tty*.c share: one terminal while it is made, its settings, what is on its way in it. */
#pragma once

#include <sys/ioctl.h>

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

/* Hangs on m_tty.restore. */
struct tty_obj {
	int fd;		/* the terminal, or a pty's slave */
	int master;	/* pty */
	bool given;	/* the master is an open file of the machine's already */
};

/* tty_data.c: @fd is the terminal, or a pty's slave */
void tty_termios(const struct m_tty *tty, struct termios2 *t);
/* The final settings; @fd may be a pty's master. */
int tty_settings(struct restore *r, struct m_tty *tty, int fd);
/*
 * Input that was processed and not read; nothing is echoed. Leaves the terminal with other settings
 * than its own when it has any. A terminal that a STOP character stopped is stopped before.
 */
int tty_put_input(struct restore *r, struct m_tty *tty, int fd);
/* After tty_settings(): is all of it there? */
int tty_check_input(struct restore *r, struct m_tty *tty, int fd);
/* As if it was typed; when this returns the line discipline has it, or had no room for it. */
int tty_type(struct restore *r, struct m_tty *tty, int fd, const u8 *data, u32 len);

/* tty_flip.c: what waits before a pty's line discipline */
/* What the master has not read. Before the slave is stopped; changes the slave's settings. */
int tty_put_output(struct restore *r, struct m_tty *tty, const struct tty_obj *o);
/* What the master wrote and the line discipline has no room for. */
int tty_put_raw(struct restore *r, struct m_tty *tty, const struct tty_obj *o);

/* tty_pty.c, tty_line.c */
int tty_make_pty(struct restore *r, struct m_tty *tty, struct tty_obj *o);
int tty_make_line(struct restore *r, struct m_tty *tty, struct tty_obj *o);
/* After the commit: stops a line that was stopped, and gives it the output that it had not sent. */
void tty_finish_line(struct m_tty *tty, const struct tty_obj *o);
