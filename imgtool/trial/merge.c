// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merge a layer into the disks under it. The kernel copies chunk by chunk, flushes the disk and then
 * notes in the store that the chunk is done (drivers/md/dm-snap.c, merge_callback), so that it can be
 * cut short anywhere and goes on from there; meanwhile readers see the merged contents.
 * The image is `keeping` while this runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "image/locate.h"
#include "trial/trial.h"
#include "util/cleanup.h"
#include "util/fault.h"

#define POLL_US 200000

/* Devices that the parts of overlayctl-origin are on. */
static int numbers_of_running(int fd, const struct ohib_trial_record *r, struct trial_numbers *n,
			      struct ohib_err *err)
{
	struct dm_table t;
	int ret = dm_status(fd, TRIAL_ORIGIN, true, &t);

	if (!ret)
		ret = dm_number(fd, TRIAL_ORIGIN, &n->origin);
	if (!ret)
		ret = dm_number(fd, TRIAL_COW, &n->cow);
	if (!ret && t.n != r->nr_disks)
		ret = -EINVAL;
	for (size_t i = 0; !ret && i < t.n; i++) {
		unsigned int ma, mi;

		if (sscanf(t.target[i].params, "%u:%u 0", &ma, &mi) != 2 ||
		    t.target[i].length != r->disk[i].sectors)
			ret = -EINVAL;
		else
			n->disk[i] = makedev(ma, mi);
	}
	return ret ? ohib_err_set(err, ret, "the layer is not the one that the record tells of: %s",
				  strerror(-ret)) : 0;
}

static int make_writable(const struct ohib_trial_record *r, const struct trial_numbers *n,
			 struct ohib_err *err)
{
	char node[80];
	int ret = 0;

	for (u32 i = 0; ret >= 0 && i < r->nr_disks; i++) {
		ret = trial_node(n->disk[i], node);
		ret = ret ? ohib_err_set(err, ret, "disk %s is gone", r->disk[i].spec) :
			    trial_set_ro(node, false, err);
	}
	return ret < 0 ? ret : 0;
}

/*
 * From snapshot to snapshot-merge, with the exceptions that the kernel has in memory (snapshot_resume hands them
 * over). A merge of a snapshot that has run full would read the disk below it as if nothing had been
 * written, so it is looked at while nothing can be written: -ECANCELED, and nothing was merged.
 */
static int become_merge(int fd, const struct dm_table *t, struct ohib_err *err)
{
	struct trial_usage u = { .fill = TRIAL_LOST };
	struct dm_table now;
	int r = fault_point(FAULT_KEEP_HANDOVER, err), again;

	if (!r)
		r = dm_load(fd, TRIAL_LAYER, t, false);
	if (!r)
		r = dm_suspend(fd, TRIAL_LAYER);
	if (!r)
		r = fault_point(FAULT_KEEP_SUSPENDED, NULL);
	if (!r)
		r = dm_status(fd, TRIAL_LAYER, false, &now);
	if (!r && now.n == 1)
		trial_usage_parse(&now.target[0], &u);
	if (!r && u.fill != TRIAL_RUNS)
		r = -ECANCELED;
	if (r)
		dm_clear(fd, TRIAL_LAYER);
	again = dm_resume(fd, TRIAL_LAYER);
	if (!r)
		r = again;
	if (r == -ECANCELED)
		return ohib_err_set(err, r, "the layer ran out of room before anything was merged (%s)",
				    u.told);
	return r ? ohib_err_set(err, r, "device " TRIAL_LAYER " cannot become snapshot-merge: %s (see "
				"dmesg)", strerror(-r)) : 0;
}

static int wait_merged(void (*progress)(u64 left, u64 total), struct ohib_err *err)
{
	struct trial_usage u;
	u64 total = 0;
	int r;

	r = fault_point(FAULT_KEEP_MERGE, err);
	if (r)
		return r;
	for (;;) {
		r = trial_usage(&u, err);
		if (r)
			return r;
		if (u.used > total)
			total = u.used;
		if (progress)
			progress(u.used, total);
		if (u.fill == TRIAL_MERGED)
			return 0;
		/* It is found so at boot only: see become_merge(). A merge itself takes no room. */
		if (!strcmp(u.told, "Invalid"))
			return ohib_err_set(err, -ECANCELED, "the layer ran out of room before anything "
					    "was merged");
		if (u.fill != TRIAL_MERGES)
			return ohib_err_set(err, -EIO, "merging stopped: the kernel says \"%s\" (see "
					    "dmesg)", u.told);
		usleep(POLL_US);
		r = fault_point(FAULT_KEEP_MERGING, err);
		if (r)
			return r;
	}
}

/* What this kernel has read of the disk itself is from before the merge, which went past that cache. */
static void forget_cached(dev_t disk)
{
	char node[80];
	int fd = trial_node(disk, node) ? -1 : open(node, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	ioctl(fd, BLKFLSBUF, 0);
	close(fd);
}

static int remove_rest(int fd, struct ohib_err *err)
{
	static const char *const rest[] = { TRIAL_LAYER, TRIAL_COW, TRIAL_ORIGIN, TRIAL_SWAP };
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(rest); i++) {
		ret = fault_point(FAULT_KEEP_REMOVE, err);
		if (!ret)
			ret = dm_put_away(fd, rest[i], err);
	}
	return ret;
}

int trial_merge(const char *device, const struct ohib_image_info *image,
		void (*progress)(u64 left, u64 total), struct ohib_err *err)
{
	struct ohib_trial_record r;
	struct trial_numbers n = { .device = 0 };
	_cleanup_close_ int fd = -1;
	struct dm_table t;
	int ret;

	ret = trial_record_read(device, image, &r, err);
	if (!ret)
		ret = dm_open(&fd, err);
	if (ret)
		return ret;
	/* This program may stand on the device whose table changes. */
	mlockall(MCL_CURRENT | MCL_FUTURE);
	ret = dm_status(fd, TRIAL_LAYER, false, &t);
	if (ret == -ENXIO)
		return remove_rest(fd, err); /* cut short after the merge */
	ret = ret ? ohib_err_set(err, ret, "device " TRIAL_LAYER ": %s", strerror(-ret)) :
		    numbers_of_running(fd, &r, &n, err);
	if (!ret && !strcmp(t.target[0].type, "snapshot")) {
		ret = fault_point(FAULT_KEEP_WRITABLE, err);
		if (!ret)
			ret = make_writable(&r, &n, err);
		trial_table_origin(&r, &n, &t);
		if (!ret)
			ret = fault_point(FAULT_KEEP_ORIGIN, err);
		if (!ret)
			ret = dm_change(fd, TRIAL_ORIGIN, &t, false, err);
		trial_table_layer(&r, &n, true, &t);
		if (!ret)
			ret = become_merge(fd, &t, err);
	}
	if (!ret)
		ret = wait_merged(progress, err);
	for (u32 i = 0; !ret && i < r.nr_disks; i++) {
		trial_table_disk(&r, &n, i, true, &t);
		ret = fault_point(FAULT_KEEP_DISK, err);
		if (!ret)
			ret = dm_change(fd, r.disk[i].name, &t, false, err);
		if (!ret)
			forget_cached(n.disk[i]);
	}
	return ret ? ret : remove_rest(fd, err);
}

static int numbers_at_boot(const char *device, const struct ohib_trial_record *r,
			   struct trial_numbers *n, struct ohib_err *err)
{
	char node[80];
	u64 sectors;
	int ret = trial_size(device, &n->device, &sectors, err);

	for (u32 i = 0; !ret && i < r->nr_disks; i++) {
		ret = ohib_device_locate(r->disk[i].spec, node, sizeof(node), NULL, 0, err);
		if (!ret)
			ret = trial_size(node, &n->disk[i], &sectors, err);
		if (!ret && sectors != r->disk[i].sectors)
			ret = ohib_err_set(err, -ESTALE, "%s (%s) has another size than when the "
					   "trial began", node, r->disk[i].spec);
	}
	return ret;
}

int trial_merge_at_boot(const char *device, const struct ohib_image_info *image,
			void (*progress)(u64 left, u64 total), struct ohib_err *err)
{
	struct ohib_trial_record r;
	struct trial_numbers n = { .device = 0 };
	_cleanup_close_ int fd = -1;
	struct dm_table t;
	int ret;

	ret = trial_record_read(device, image, &r, err);
	if (!ret)
		ret = dm_open(&fd, err);
	if (!ret)
		ret = numbers_at_boot(device, &r, &n, err);
	if (ret)
		return ret;
	trial_table_origin(&r, &n, &t);
	ret = dm_create(fd, TRIAL_ORIGIN, &t, false, &n.origin, err);
	if (!ret) {
		trial_table_cow(image, &n, &t);
		ret = dm_create(fd, TRIAL_COW, &t, false, &n.cow, err);
	}
	if (!ret) {
		trial_table_layer(&r, &n, true, &t);
		ret = dm_create(fd, TRIAL_LAYER, &t, false, &n.layer, err);
	}
	if (!ret)
		ret = wait_merged(progress, err);
	if (ret) {
		remove_rest(fd, NULL);
		return ret;
	}
	return remove_rest(fd, err);
}
