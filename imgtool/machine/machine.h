/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine: everything that user space can see of itself, told without the layout of any kernel.
 * Written by translate/, read by restore, `image ps`, `image dump` and `check`.
 * Every object is allocated in the machine's arena and referred to by pointer; @kaddr of an object is
 * its address in the image kernel and serves only as its identity and in messages.
 */
#pragma once

#include "machine/cred.h"
#include "machine/file.h"
#include "machine/fs.h"
#include "machine/mm.h"
#include "machine/refusal.h"
#include "machine/signal.h"
#include "machine/sock.h"
#include "machine/system.h"
#include "machine/task.h"
#include "machine/tty.h"
#include "util/arena.h"
#include "util/vec.h"

struct secret;
struct swap_reader;

struct machine {
	struct arena *arena;
	struct m_system system;

	VEC(struct m_process *) processes;	/* thread group leaders, zombies too; PID 1 is among them */
	struct m_process *init;			/* PID 1 */
	VEC(struct m_mm *) mms;
	VEC(struct m_fdtable *) fdtables;
	VEC(struct m_file *) files;		/* open file descriptions, each once */
	VEC(struct m_shmem *) shmems;		/* memfd, SysV shm, shared anonymous, tmpfs file contents */
	VEC(struct m_superblock *) superblocks;
	VEC(struct m_mount *) mounts;		/* of the initial namespace, parents before children */
	VEC(struct m_tty *) ttys;
	VEC(struct m_pipe *) pipes;
	VEC(struct m_sock *) socks;		/* those not accepted yet too */
	VEC(struct m_sysv_shm *) sysv_shms;

	struct refusals refusals;		/* what cannot be carried; empty: all can */

	/* Page contents: 4096 bytes of @src into @buf. 0 or negative errno. */
	int (*read_page)(void *arg, const struct m_page_src *src, void *buf);
	void *read_page_arg;
	struct swap_reader *swap;	/* read_page's own, for M_PAGE_SWAP */
	struct secret *swap_key;	/* its own too: of encrypted areas; NULL: not known */
};
