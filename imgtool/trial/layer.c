// SPDX-License-Identifier: GPL-2.0-only
/*
 * Put a layer over the disks, and take it away again.
 * Never: writes to a disk; all that is written goes behind the image on the overlay device.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "image/locate.h"
#include "trial/trial.h"
#include "util/cleanup.h"
#include "util/fault.h"

/* How a later boot finds the disk: by what does not change when it is written to. */
static int lasting_spec(const struct trial_disk *d, struct ohib_trial_disk *to, struct ohib_err *err)
{
	char path[80], name[72];
	const u8 *u = d->fs_uuid;
	int r = ohib_device_locate(d->node, path, sizeof(path), name, sizeof(name), err);

	if (r)
		return r;
	if (!strncmp(name, "PARTUUID=", 9))
		strcpy(to->spec, name);
	else
		snprintf(to->spec, sizeof(to->spec), "UUID=%02x%02x%02x%02x-%02x%02x-%02x%02x-"
			 "%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3], u[4], u[5],
			 u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
	return 0;
}

static int record_make(const struct trial_disk *disks, size_t nr_disks, const struct trial_swap *swaps,
		       size_t nr_swaps, struct ohib_trial_record *r, struct trial_numbers *n,
		       struct ohib_err *err)
{
	if (!nr_disks || nr_disks > OHIB_TRIAL_DISKS || nr_swaps > OHIB_TRIAL_SWAPS)
		return ohib_err_set(err, -E2BIG, "%zu disks and %zu swap areas: a trial has at most %u "
				    "and %u", nr_disks, nr_swaps, OHIB_TRIAL_DISKS, OHIB_TRIAL_SWAPS);
	for (size_t i = 0; i < nr_disks; i++) {
		struct ohib_trial_disk *to = &r->disk[i];
		const char *base = strrchr(disks[i].node, '/');
		int ret = trial_size(disks[i].node, &n->disk[i], &to->sectors, err);

		if (!ret)
			ret = lasting_spec(&disks[i], to, err);
		if (ret)
			return ret;
		snprintf(to->name, sizeof(to->name), TRIAL_PREFIX "%.24s",
			 base ? base + 1 : disks[i].node);
	}
	for (size_t i = 0; i < nr_swaps; i++) {
		snprintf(r->swap[i].path, sizeof(r->swap[i].path), "%s", swaps[i].path);
		r->swap[i].flags = swaps[i].flags;
	}
	r->nr_disks = (u32)nr_disks;
	r->nr_swaps = (u32)nr_swaps;
	return 0;
}

/* A name for people; udev, where it has rules for it, makes the same. */
static void name_link(const char *name, dev_t number)
{
	char path[80], to[24];

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	snprintf(to, sizeof(to), "../dm-%u", minor(number));
	unlink(path);
	if (symlink(to, path))
		return; /* it is called /dev/dm-N then */
}

/* Nobody can swap on what a device-mapper device is made of. */
static int hold_swaps(int fd, const struct trial_swap *swaps, size_t nr, struct ohib_err *err)
{
	struct dm_table t = { .n = 0 };
	u64 at = 0, sectors;
	dev_t number;
	int r = 0;

	for (size_t i = 0; !r && i < nr; i++) {
		struct dm_target *row = &t.target[t.n];

		if (!swaps[i].partition)
			continue;
		r = trial_size(swaps[i].path, &number, &sectors, err);
		*row = (struct dm_target){ .start = at, .length = sectors, .type = "linear" };
		snprintf(row->params, sizeof(row->params), "%u:%u 0", major(number), minor(number));
		at += sectors;
		t.n++;
	}
	return r || !t.n ? r : dm_create(fd, TRIAL_SWAP, &t, true, &number, err);
}

static int devices_make(int fd, const struct ohib_image_info *image,
			const struct ohib_trial_record *r, struct trial_numbers *n,
			struct trial_disk *disks, struct ohib_err *err)
{
	struct dm_table t;
	dev_t number;
	int ret;

	trial_table_origin(r, n, &t);
	ret = fault_point(FAULT_TRIAL_ORIGIN, err);
	if (!ret)
		ret = dm_create(fd, TRIAL_ORIGIN, &t, true, &n->origin, err);
	trial_table_cow(image, n, &t);
	if (!ret)
		ret = fault_point(FAULT_TRIAL_COW, err);
	if (!ret)
		ret = dm_create(fd, TRIAL_COW, &t, false, &n->cow, err);
	trial_table_layer(r, n, false, &t);
	if (!ret)
		ret = fault_point(FAULT_TRIAL_LAYER, err);
	if (!ret)
		ret = dm_create(fd, TRIAL_LAYER, &t, false, &n->layer, err);
	for (u32 i = 0; !ret && i < r->nr_disks; i++) {
		trial_table_disk(r, n, i, false, &t);
		ret = fault_point(FAULT_TRIAL_DISK, err);
		if (!ret)
			ret = dm_create(fd, r->disk[i].name, &t, false, &number, err);
		if (ret)
			break;
		strcpy(disks[i].name, r->disk[i].name);
		name_link(r->disk[i].name, number);
		ret = trial_node(number, disks[i].layered);
	}
	return ret;
}

int trial_begin(const char *device, const struct ohib_image_info *image, struct trial_disk *disks,
		size_t nr_disks, const struct trial_swap *swaps, size_t nr_swaps,
		struct ohib_err *err)
{
	struct ohib_trial_record r = { .nr_disks = 0 };
	struct trial_numbers n = { .device = 0 };
	_cleanup_close_ int fd = -1;
	u64 sectors;
	int ret;

	ret = record_make(disks, nr_disks, swaps, nr_swaps, &r, &n, err);
	if (!ret)
		ret = trial_size(device, &n.device, &sectors, err);
	if (!ret && (image->trial_offset + image->trial_bytes) / 512 > sectors)
		ret = ohib_err_set(err, -ENOSPC, "%s is smaller than when the machine was suspended",
				   device);
	if (!ret)
		ret = dm_open(&fd, err);
	if (!ret)
		ret = fault_point(FAULT_TRIAL_RECORD, err);
	if (!ret)
		ret = trial_record_write(device, image, &r, err);
	if (!ret)
		ret = fault_point(FAULT_TRIAL_DISKS, err);
	for (size_t i = 0; !ret && i < nr_disks; i++) {
		ret = trial_set_ro(disks[i].node, true, err);
		disks[i].set_ro = ret > 0;
		ret = ret > 0 ? 0 : ret;
	}
	if (!ret)
		ret = devices_make(fd, image, &r, &n, disks, err);
	if (!ret)
		ret = fault_point(FAULT_TRIAL_SWAP, err);
	if (!ret)
		ret = hold_swaps(fd, swaps, nr_swaps, err);
	if (!ret)
		ret = fault_point(FAULT_TRIAL_LAID, err);
	if (ret)
		trial_undo(disks, nr_disks, NULL);
	return ret;
}

int trial_undo(const struct trial_disk *disks, size_t nr_disks, struct ohib_err *err)
{
	static const char *const rest[] = { TRIAL_LAYER, TRIAL_COW, TRIAL_ORIGIN, TRIAL_SWAP };
	_cleanup_close_ int fd = -1;
	int ret = dm_open(&fd, NULL);

	if (ret)
		return 0; /* there cannot be anything */
	for (size_t i = 0; !ret && i < nr_disks; i++)
		if (disks[i].name[0])
			ret = dm_put_away(fd, disks[i].name, err);
	for (size_t i = 0; !ret && i < ARRAY_SIZE(rest); i++)
		ret = dm_put_away(fd, rest[i], err);
	/* 1: it was read-only */
	for (size_t i = 0; ret >= 0 && i < nr_disks; i++)
		if (disks[i].set_ro)
			ret = trial_set_ro(disks[i].node, false, err);
	return ret < 0 ? ret : 0;
}
