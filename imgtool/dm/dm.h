/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device-mapper devices by name, through the ioctls of /dev/mapper/control.
 * Source: include/uapi/linux/dm-ioctl.h, version 4; drivers/md/dm-ioctl.c.
 * Context: root. A name is at most DM_NAME_LEN - 1 bytes long.
 */
#pragma once

#include <sys/types.h>

#include "util/err.h"
#include "util/types.h"

#define DM_TARGETS_MAX 32u

/* The device that is there only while the machine hibernates: see capture/area.h. */
#define DM_AREA "overlayctl-pages"

/* One row of a table; start and length in sectors of 512 bytes. */
struct dm_target {
	u64 start, length;
	char type[16];		/* "linear", "snapshot", "snapshot-merge" */
	char params[256];	/* as the target wants them, or as it tells them */
};

struct dm_table {
	struct dm_target target[DM_TARGETS_MAX];
	size_t n;
};

/* -ENODEV: the kernel has no device-mapper, or its module is not loaded. */
int dm_open(int *fd, struct ohib_err *err);

/* A new device with @table, in use at once; its number into @dev. */
int dm_create(int fd, const char *name, const struct dm_table *table, bool readonly, dev_t *dev,
	      struct ohib_err *err);

/* The same, writable, for a while: udev's rules make no links for it and do not look into it. */
int dm_create_unseen(int fd, const char *name, const struct dm_table *table, struct ohib_err *err);

/*
 * Another table for a device that may be in use: what is under way is waited for, then the table is
 * changed and I/O goes on, all in one call of the kernel's (do_resume), so that whoever calls may stand on
 * the very device.
 */
int dm_change(int fd, const char *name, const struct dm_table *table, bool readonly,
	      struct ohib_err *err);

/*
 * The same in steps. dm_load: a table to be used later, with dm_resume; dm_clear drops it. dm_suspend waits for
 * what is under way and lets nothing begin: the caller must touch nothing that is on the device then.
 */
int dm_load(int fd, const char *name, const struct dm_table *table, bool readonly);
int dm_clear(int fd, const char *name);
int dm_suspend(int fd, const char *name);
int dm_resume(int fd, const char *name);

/* -EBUSY, not told in @err: somebody has it open. -ENXIO: there is none. */
int dm_remove(int fd, const char *name);
/* The same, and what is in use is waited for, a few seconds; none there: 0. */
int dm_put_away(int fd, const char *name, struct ohib_err *err);

/* By sysfs, so that no module is loaded: is the kernel's "dm-0" the device @name, and which one is it? */
bool dm_is(const char *kernel_name, const char *name);
bool dm_find(const char *name, char node[80]);

/* -ENXIO: there is no such device. */
int dm_number(int fd, const char *name, dev_t *dev);
/* What the targets of the device say of themselves (@tables: of how they were made). */
int dm_status(int fd, const char *name, bool tables, struct dm_table *out);
