// SPDX-License-Identifier: GPL-2.0-only
/*
 * Terminals: serial lines, virtual consoles and pseudo-terminals, each once for all that have it
 * open.
 * Source: include/linux/tty.h, include/linux/tty_driver.h, drivers/tty/pty.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "translate/kinds.h"

/* enum of tty_driver.type and .subtype; the values never changed */
#define TTY_DRIVER_TYPE_CONSOLE 2
#define TTY_DRIVER_TYPE_SERIAL 3
#define TTY_DRIVER_TYPE_PTY 4
#define PTY_TYPE_MASTER 1
/* bits of tty_struct.flags */
#define TTY_OTHER_CLOSED 2
#define TTY_EXCLUSIVE 3
#define TTY_PTY_LOCK 16
#define N_TTY 0

#define INPUT_MAX 4095u	/* what the line discipline takes while nobody reads */
/* What a pty's flip buffers can hold at most: see initramfs/restore/tty_flip.c. */
#define FLIP_MAX (19968u + 16896u)

/* struct ktermios, as every kernel and TCGETS2 have it */
struct k_termios {
	u32 iflag, oflag, cflag, lflag;
	u8 line, cc[19];
	u32 ispeed, ospeed;
};

static bool tty_flag(struct xlate *x, u64 tty, unsigned int bit)
{
	return x_u64(x, tty, F_TTY_FLAGS) >> bit & 1;
}

static pid_t tty_pid(struct xlate *x, u64 tty, enum field f)
{
	u64 pid = x_u64(x, tty, f);

	return pid ? (pid_t)x_u64(x, pid, F_PID_NR) : 0;
}

static void line_settings(struct xlate *x, u64 tty, struct m_tty *t)
{
	struct k_termios k, locked;
	u16 ws[4];
	size_t i;

	x_bytes(x, tty, F_TTY_TERMIOS, &k, sizeof(k));
	t->c_iflag = k.iflag;
	t->c_oflag = k.oflag;
	t->c_cflag = k.cflag;
	t->c_lflag = k.lflag;
	t->c_line = k.line;
	memcpy(t->c_cc, k.cc, sizeof(t->c_cc));
	t->c_ispeed = k.ispeed;
	t->c_ospeed = k.ospeed;
	x_bytes(x, tty, F_TTY_WINSIZE, ws, sizeof(ws));
	t->rows = ws[0];
	t->cols = ws[1];
	t->xpixel = ws[2];
	t->ypixel = ws[3];
	x_bytes(x, tty, F_TTY_TERMIOS_LOCKED, &locked, sizeof(locked));
	for (i = 0; i < sizeof(locked); i++) {
		if (!((const u8 *)&locked)[i])
			continue;
		x_refuse(x, "terminal %s has locked settings (TIOCSLCKTRMIOS)", t->name);
		break;
	}
}

/* The devpts that the machine has at /dev/pts; others belong to containers. */
static bool main_devpts(struct xlate *x, u64 sb)
{
	struct m_mount *mnt;

	vec_foreach(mnt, &x->m->mounts)
		if (mnt->sb && mnt->sb->kaddr == sb && mnt->mountpoint &&
		    !strcmp(mnt->mountpoint, "/dev/pts"))
			return true;
	return false;
}

/*
 * What a pty has besides. While the master is open the slave's driver_data is its node's dentry;
 * after that nothing holds the node. Each end counts the other as one more that has it open
 * (pty_common_install).
 */
static void pty(struct xlate *x, u64 slave, u64 master, struct m_tty *t)
{
	u64 count = x_u64(x, slave, F_TTY_COUNT), node, inode;

	t->master_kaddr = master;
	t->master_open = !tty_flag(x, slave, TTY_OTHER_CLOSED);
	t->slave_open = count > (t->master_open ? 1u : 0u);
	t->slave_closed = t->master_open && tty_flag(x, master, TTY_OTHER_CLOSED);
	t->locked = tty_flag(x, master, TTY_PTY_LOCK);
	t->packet = x_u64(x, master, F_TTY_PACKET);
	t->packet_status = x_u64(x, slave, F_TTY_PKTSTATUS);
	node = t->master_open ? x_u64(x, slave, F_TTY_DRIVER_DATA) : 0;
	inode = node ? x_u64(x, node, F_DENTRY_INODE) : 0;
	if (!inode)
		return;
	t->owner_uid = x_u64(x, inode, F_INODE_UID);
	t->owner_gid = x_u64(x, inode, F_INODE_GID);
	t->owner_mode = x_u64(x, inode, F_INODE_MODE) & 07777;
	if (!main_devpts(x, x_u64(x, node, F_DENTRY_SB)))
		x_refuse(x, "terminal %s is not of the devpts on /dev/pts", t->name);
}

/* Does the usual ^S stop it?  As pty_set_termios() tells the master. */
static bool usual_flow(const struct m_tty *t)
{
	return t->c_iflag & IXON && t->c_cc[VSTOP] == 0x13 && t->c_cc[VSTART] == 0x11;
}

/*
 * A status that the master of a pty in packet mode has not read can be told again only by doing
 * what it tells of, which is not to change anything else.
 */
static bool can_tell_status(const struct m_tty *t)
{
	u32 s = t->packet_status;

	if (t->stopped && t->stopped_by_char)
		return !s;
	if (s & TIOCPKT_STOP && !t->stopped)
		return false;
	if (s & TIOCPKT_START && (t->stopped || s & TIOCPKT_STOP))
		return false;
	if (s & TIOCPKT_DOSTOP && (s & TIOCPKT_NOSTOP || !usual_flow(t)))
		return false;
	if (s & TIOCPKT_NOSTOP && usual_flow(t))
		return false;
	/* Any change of settings tells of EXTPROC, too. */
	if (!(t->c_lflag & EXTPROC) != !(s & TIOCPKT_IOCTL) &&
	    s & (TIOCPKT_IOCTL | TIOCPKT_DOSTOP | TIOCPKT_NOSTOP))
		return false;
	if (s & TIOCPKT_FLUSHREAD && (t->to_slave_len || t->to_slave_raw_len || t->to_slave_lnext))
		return false;
	if (s & TIOCPKT_FLUSHWRITE && t->to_master_len)
		return false;
	return s < 0x80;
}

/* What no sequence of system calls brings about again. */
static void refuse_unmakeable(struct xlate *x, struct m_tty *t)
{
	if (t->stopped && t->stopped_by_char && !(t->c_iflag & IXON))
		x_refuse(x, "terminal %s is stopped by its keyboard", t->name);
	if (t->kind != M_TTY_PTY) {
		if (t->to_slave_len + t->to_slave_raw_len > INPUT_MAX && t->to_slave_raw_len)
			x_refuse(x, "terminal %s has more unread input than its line discipline takes",
				 t->name);
		if (t->stopped && t->stopped_by_char && t->to_slave_len >= INPUT_MAX)
			x_refuse(x, "terminal %s is stopped while its input is full", t->name);
		return;
	}
	if (!t->master_open)
		return;
	if (!t->slave_open && !t->slave_closed &&
	    (t->to_slave_len || t->to_slave_raw_len || t->to_slave_lnext || t->to_master_len ||
	     t->stopped))
		x_refuse(x, "terminal %s has unread data, and its slave was never opened", t->name);
	if (t->to_slave_raw_len > FLIP_MAX || t->to_master_len > INPUT_MAX + FLIP_MAX)
		x_refuse(x, "terminal %s has more unread data than it takes", t->name);
	if (x_u64(x, t->master_kaddr, F_TTY_STOPPED))
		x_refuse(x, "the master of terminal %s is stopped", t->name);
	if (t->packet && !can_tell_status(t))
		x_refuse(x, "terminal %s has a packet mode status (%#x) that its master has not read",
			 t->name, t->packet_status);
}

static void name_and_kind(struct xlate *x, u64 tty, struct m_tty *t)
{
	u64 drv = x_u64(x, tty, F_TTY_DRIVER), type = x_u64(x, drv, F_TTYDRV_TYPE);
	char *drv_name = x_str(x, x_u64(x, drv, F_TTYDRV_NAME), 64);

	t->index = x_u64(x, tty, F_TTY_INDEX);
	x_bytes(x, tty, F_TTY_NAME, t->name, sizeof(t->name) - 1);
	t->rdev = xlate_dev(x_u64(x, drv, F_TTYDRV_MAJOR) << 20 |
			    ((x_u64(x, drv, F_TTYDRV_MINOR_START) + t->index) & 0xfffff));
	t->kind = M_TTY_OTHER;
	if (!drv_name)
		return;
	if (type == TTY_DRIVER_TYPE_SERIAL) {
		t->kind = M_TTY_SERIAL;
	} else if (type == TTY_DRIVER_TYPE_CONSOLE && !strcmp(drv_name, "tty")) {
		t->kind = M_TTY_VC;
	} else if (type == TTY_DRIVER_TYPE_PTY && !strcmp(drv_name, "pts")) {
		t->kind = M_TTY_PTY;
		snprintf(t->name, sizeof(t->name), "pts/%u", t->index);
	}
}

static bool is_pty_master(struct xlate *x, u64 tty)
{
	u64 drv = x_u64(x, tty, F_TTY_DRIVER);

	return x_u64(x, drv, F_TTYDRV_TYPE) == TTY_DRIVER_TYPE_PTY &&
	       x_u64(x, drv, F_TTYDRV_SUBTYPE) == PTY_TYPE_MASTER;
}

struct m_tty *xlate_tty(struct xlate *x, u64 tty)
{
	struct m_tty *t = map_get(&x->ttys, tty);
	u64 ldisc, disc;

	if (t || !tty || x_failed(x))
		return t;
	if (is_pty_master(x, tty))
		tty = x_u64(x, tty, F_TTY_LINK);
	t = map_get(&x->ttys, tty);
	if (t || !tty || x_failed(x))
		return t;
	t = x_new(x, struct m_tty);
	if (!t)
		return NULL;
	t->kaddr = tty;
	name_and_kind(x, tty, t);
	line_settings(x, tty, t);
	t->session = tty_pid(x, tty, F_TTY_SESSION);
	t->foreground = tty_pid(x, tty, F_TTY_PGRP);
	t->exclusive = tty_flag(x, tty, TTY_EXCLUSIVE);
	t->stopped = x_u64(x, tty, F_TTY_STOPPED);
	t->stopped_by_char = t->stopped && !x_u64(x, tty, F_TTY_TCO_STOPPED);
	if (t->kind == M_TTY_OTHER)
		x_refuse(x, "terminal %s is of a driver that cannot be carried yet", t->name);
	else if (t->kind == M_TTY_PTY)
		pty(x, tty, x_u64(x, tty, F_TTY_LINK), t);
	else if (t->kind == M_TTY_VC)
		xlate_vc(x, tty, t);
	/* none: hung up and not opened again */
	ldisc = x_u64(x, tty, F_TTY_LDISC);
	disc = ldisc ? x_u64(x, x_u64(x, ldisc, F_LDISC_OPS), F_LDISC_NUM) : N_TTY;
	if (disc != N_TTY)
		x_refuse(x, "terminal %s has line discipline %llu", t->name,
			 (unsigned long long)disc);
	else if (ldisc)
		xlate_tty_data(x, tty, t);
	refuse_unmakeable(x, t);
	x_push(x, &x->m->ttys, t);
	if (map_put(&x->ttys, tty, t) ||
	    (t->master_kaddr && map_put(&x->ttys, t->master_kaddr, t)))
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	return x_failed(x) ? NULL : t;
}

static u64 file_tty(struct xlate *x, u64 file)
{
	u64 priv = x_u64(x, file, F_FILE_PRIVATE);

	return priv ? x_u64(x, priv, F_TTYFILE_TTY) : 0;
}

static bool tty_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)x, (void)file;
	return S_ISCHR(mode) && (!strcmp(fop, "tty_fops") || !strcmp(fop, "console_fops") ||
				 !strcmp(fop, "hung_up_tty_fops"));
}

static void tty_translate(struct xlate *x, u64 file, struct m_file *f)
{
	f->hung_up = symbols_is(x->syms, x_u64(x, file, F_FILE_OP), "hung_up_tty_fops");
	f->tty = xlate_tty(x, file_tty(x, file));
	if (!f->tty)
		x_refuse(x, "is a terminal's file without a terminal");
}

const struct xlate_kind xlate_kind_tty = {
	.kind = M_FILE_TTY,
	.name = "terminal",
	.match = tty_match,
	.translate = tty_translate,
};

static bool ptmx_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)x, (void)file;
	return S_ISCHR(mode) && !strcmp(fop, "ptmx_fops");
}

static void ptmx_translate(struct xlate *x, u64 file, struct m_file *f)
{
	f->tty = xlate_tty(x, file_tty(x, file));
	if (!f->tty || f->tty->kind != M_TTY_PTY)
		x_refuse(x, "is a pseudo-terminal's master without a slave");
}

const struct xlate_kind xlate_kind_ptmx = {
	.kind = M_FILE_PTMX,
	.name = "pseudo-terminal master",
	.match = ptmx_match,
	.translate = ptmx_translate,
};
