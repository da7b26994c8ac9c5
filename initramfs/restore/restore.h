/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Build a machine under the kernel that is running, through its public ABI alone.
 * Reads: struct machine. Writes: processes, mounts and, after the commit, carried file systems.
 * Context: root, as a descendant of PID 1 in the initramfs of the next kernel; nothing else runs.
 * Never: prints; touches a carried file system before commit() has returned 0.
 */
#pragma once

#include "machine/machine.h"
#include "util/err.h"
#include "util/types.h"

/* A disk with a file system of the machine; callbacks may put another device in its place. */
struct restore_disk {
	char node[80];
	u8 fs_uuid[16];
};

struct restore_opts {
	void *arg;		/* handed to every callback */

	/* The point of no return: marks the image spent on disk. Called once; failure undoes all. */
	int (*commit)(void *arg, struct ohib_err *e);
	/*
	 * May be NULL. All disks with file systems of the machine are found and checked: it may have them
	 * mounted from other devices, by changing the nodes. Called once; undone by the caller.
	 */
	int (*layer)(void *arg, struct restore_disk *disks, size_t nr, struct ohib_err *e);
	/*
	 * Configuration, each may be NULL. prepare: the mounts are there at @root, nothing else is;
	 * failure undoes all; called again with the new tree when the mounts are made anew.
	 * configure: after the mounts are rw and before any process runs. settle: all pages have
	 * been read, processes are about to run.
	 */
	int (*prepare)(void *arg, const char *root, struct ohib_err *e);
	int (*configure)(void *arg, struct ohib_err *e);
	int (*settle)(void *arg, struct ohib_err *e);
	/* Write the contents of an unlinked file, kept in the image, into @fd. */
	int (*ghost)(void *arg, u64 ghost_id, int fd, struct ohib_err *e);
	/* A stage has begun, or gone on: @done of @total in units of its own; @total 0: unknown. */
	void (*progress)(void *arg, const char *stage, u64 done, u64 total);

	bool keep_mounts;	/* tests: the present mount tree is the machine's own already */
};

/*
 * 0: the machine runs; the caller is to exit at once and touch nothing. Negative errno: nothing has
 * changed for the caller and PID 1, unless @e's code is -EUCLEAN: it failed after the commit.
 */
int restore_machine(struct machine *m, const struct restore_opts *o, struct ohib_err *e);

/* Bytes of RAM that the machine needs, and that there are for it; ~0: cannot be told. */
u64 restore_memory_need(const struct machine *m);
u64 restore_memory_free(void);
