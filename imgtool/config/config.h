/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Configuration state: what has a stable export and no owner among the processes. Dumped when the
 * machine is hibernated, brought back under the next kernel.
 */
#pragma once

#include "machine/machine.h"
#include "util/err.h"

struct json_object;
struct m_swap_area;

/* Written by every boot before user space changes anything; see config_baseline(). */
#define CONFIG_BASELINE "/run/overlayctl/sysctl-baseline"
/* The same of the kernels that ran on this machine, by which check knows the next kernel's sysctls. */
#define CONFIG_BASELINE_KEPT "/var/lib/overlayctl/sysctl-%s"

/* Write the kernel's own sysctls to @path (NULL: CONFIG_BASELINE), whose folder is made. */
int config_baseline(const char *path, struct ohib_err *err);

/* Add one key for each noun to @to. Processes are frozen, file systems are not. */
int config_capture(struct json_object *to, struct ohib_err *err);

/*
 * What of the running machine's configuration could not be brought back. @next_kernel: its release;
 * NULL or empty: not known. Keeps a copy of the baseline in CONFIG_BASELINE_KEPT.
 */
int config_check(const char *next_kernel, struct refusals *refusals, struct refusals *warnings,
		 struct ohib_err *err);

/*
 * The next kernel's side, in this order; each is idempotent and does what the ones before it left
 * undone. What cannot be done is a row: of m->refusals in the first, of @warnings afterwards. A
 * negative return is about @c or memory, not about a row.
 */

/*
 * Before anything is created: loads modules, sets the clock, writes the sysctls that limit what can be
 * created. Runs in the initramfs, whose /run has this boot's baseline; @root is where the machine's
 * root is mounted, read-only and with /proc and /sys in it. Rows in m->refusals mean that a commit
 * would lose something; config_undo() takes back what an ordinary boot of this kernel would stumble
 * over.
 */
int config_prepare(struct json_object *c, struct machine *m, const char *root,
		   struct refusals *warnings, struct ohib_err *err);
void config_undo(struct json_object *c);

/*
 * After the commit, when the mounts are there, before any process runs: host name, interfaces and all
 * that hangs on them, /dev, udev's database. From here on the caller's root is the machine's, with
 * /proc, /sys, /dev and /run in it.
 */
int config_restore(struct json_object *c, struct machine *m, struct refusals *warnings,
		   struct ohib_err *err);

/*
 * The processes run, or are about to, and every page that was in swap has been read: swap, sysctls that
 * would have been in the way of restoring processes, and the uevents that make the carried udev look at
 * this kernel's devices.
 */
int config_settle(struct json_object *c, struct machine *m, struct refusals *warnings,
		  struct ohib_err *err);

/* Where swap area @a is under this kernel, into @path; false: nowhere. */
bool config_swap_find(const struct m_swap_area *a, char *path, size_t room);
