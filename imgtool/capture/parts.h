/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the capture share; not for anyone else. */
#pragma once

#include <json-c/json.h>

#include "capture/capture.h"
#include "util/vec.h"

/* fsfreeze.c */
struct disk_fs {
	dev_t dev;
	int fd;			/* a directory of it; -1: none was found yet */
	bool frozen;
	char type[16];
	char mountpoint[200];
};

struct disk_fs_list {
	VEC(struct disk_fs *) fs;
};

/*
 * Find every writable file system on a disk, in every mount namespace, each once, in mount order.
 * -EOPNOTSUPP: there is one that is not compared when the machine is resumed. -EBUSY: it cannot be frozen.
 */
int disk_fs_scan(struct disk_fs_list *l, struct ohib_err *err);
/* The processes are frozen now: is it still all? Opens nothing. -EAGAIN. */
int disk_fs_recheck(struct disk_fs_list *l, struct ohib_err *err);
void disk_fs_free(struct disk_fs_list *l);
/* Last mounted first, as it may live in a file of one mounted before. Undoes itself on failure. */
int disk_fs_freeze(struct disk_fs_list *l, struct ohib_err *err);
/* @must: a file system that turns out not to be frozen is an error. */
int disk_fs_thaw(struct disk_fs_list *l, bool must, struct ohib_err *err);

/* fsident.c: what the frozen file systems look like on their disks, as "filesystems". */
int capture_fs_identities(const struct disk_fs_list *disks, struct json_object *config,
			  struct ohib_err *err);
/* Beforehand: -ENODEV, -ENOTUNIQ when a boot kernel could not tell the device of one of them. */
int capture_fs_check(const struct disk_fs_list *disks, struct ohib_err *err);

/* allowed.c: -EPERM, -ENODEV: the running kernel lets nobody hibernate; why, and what to do. */
int capture_allowed(struct ohib_err *err);

/* md.c: after an exact resume, what memory and disks know of the arrays is the same again. */
void md_agree(void);

/* snapshot.c */
struct snapshot {
	int fd;
	bool frozen, taken;
	u64 old_image_size;	/* bytes; ~0: not changed */
};
#define SNAPSHOT_CLOSED { .fd = -1, .old_image_size = UINT64_MAX }

int snapshot_open(struct snapshot *s, struct ohib_err *err);
int snapshot_freeze(struct snapshot *s, struct ohib_err *err);
/*
 * The atomic copy. *@woken: this is the machine that was put back (or over), not the one that is to
 * be written.
 */
int snapshot_create(struct snapshot *s, bool *woken, struct ohib_err *err);
/* Free the copy, and let kernel threads go on. */
void snapshot_drop(struct snapshot *s);
/* Processes go on. */
void snapshot_thaw(struct snapshot *s);
void snapshot_close(struct snapshot *s);
/* After a switch: the kernel that knew of the snapshot is gone. */
void snapshot_forget(struct snapshot *s);
/* Move the whole stream into @w; @progress as in capture_opts. */
int snapshot_copy(struct snapshot *s, struct ohib_writer *w,
		  void (*progress)(void *arg, u64 done, u64 total), void *arg, struct ohib_err *err);

/* unfrozen.c: -EBUSY, with the tasks that did not freeze. */
int capture_unfrozen(struct ohib_err *err);

/* config.c */
struct json_object *capture_config_create(const struct ohib_woken *woken, struct ohib_err *err);
/* Clocks, as the last thing before the copy. */
void capture_config_clocks(struct json_object *config);

/* sections.c */
/* Symbols, types and VMCOREINFO of the running kernel into the image. */
int capture_static_sections(struct ohib_writer *w, struct ohib_err *err);
