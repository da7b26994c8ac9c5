// SPDX-License-Identifier: GPL-2.0-only
/* A switch on trial: the disks under a layer, and the merge that a power cut ended. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/config.h"
#include "image/image.h"
#include "reloader/reloader.h"
#include "reloader/trial.h"
#include "unlock/keys.h"
#include "util/fault.h"

extern char **environ;

/* Both are in the initramfs; where they are built in there is nothing to load. */
static void load_modules(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/sbin/modprobe", "modprobe", "-q", "dm_snapshot", NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The machine's own: what served the hibernation alone is on the overlay device, which the layer has claimed. */
static size_t swaps_of(const struct machine *m, struct trial_swap *swaps, size_t *there)
{
	size_t n = 0;

	*there = 0;
	for (size_t i = 0; i < m->system.swaps.n; i++) {
		const struct m_swap_area *a = &m->system.swaps.v[i];
		char path[160];

		if (a->passing)
			continue;
		++*there;
		if (n == OHIB_TRIAL_SWAPS)
			continue;
		if (!a->file && !config_swap_find(a, path, sizeof(path)))
			continue;
		if (a->file)
			snprintf(path, sizeof(path), "%s", a->path ? a->path : "");
		if (!*path || strlen(path) >= sizeof(swaps->path))
			continue;
		strcpy(swaps[n].path, path);
		swaps[n].flags = a->swapon_flags;
		swaps[n++].partition = !a->file;
	}
	return n;
}

int reload_trial_begin(struct trial *t, const char *device, struct ohib_image *img,
		       const struct machine *m, struct restore_disk *disks, size_t nr,
		       struct ohib_err *err)
{
	const struct ohib_image_info *info = ohib_image_info(img);
	struct trial_swap swaps[OHIB_TRIAL_SWAPS] = { 0 };
	size_t there, nr_swaps = swaps_of(m, swaps, &there);
	int r;

	if (nr_swaps < there)
		return ohib_err_set(err, -ENODEV, "%zu swap areas of the machine cannot be held for the "
				    "trial", there - nr_swaps);
	if (nr > OHIB_TRIAL_DISKS)
		return ohib_err_set(err, -E2BIG, "%zu file systems on disks: a trial has at most %u", nr,
				    OHIB_TRIAL_DISKS);
	t->self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (t->self < 0)
		return ohib_err_set(err, -errno, "/proc/self/exe: %s", strerror(errno));
	load_modules();
	for (size_t i = 0; i < nr; i++) {
		memcpy(t->disks[i].node, disks[i].node, sizeof(t->disks[i].node));
		memcpy(t->disks[i].fs_uuid, disks[i].fs_uuid, sizeof(t->disks[i].fs_uuid));
	}
	r = trial_begin(device, info, t->disks, nr, swaps, nr_swaps, err);
	if (r)
		return r;
	t->nr_disks = nr;
	t->begun = true;
	t->panic = panic_restarts();
	for (size_t i = 0; i < nr; i++) {
		memcpy(disks[i].node, t->disks[i].layered, sizeof(disks[i].node));
		say("trial: %s stays as it is, %s takes what is written", t->disks[i].node,
		    disks[i].node);
	}
	say("trial: room for %llu MB", (unsigned long long)info->trial_bytes >> 20);
	return 0;
}

void reload_trial_undo(struct trial *t)
{
	struct ohib_err err = { 0 };

	if (t->panic)
		panic_as_before();
	if (t->begun && trial_undo(t->disks, t->nr_disks, &err))
		say("%s", err.msg);
	t->begun = false;
}

void reload_trial_settle(struct machine *m)
{
	if (!m->system.swaps.n)
		return;
	say("trial: swap stays off, the old machine's pages are in it");
	m->system.swaps.n = 0;
}

/* The same program again, without what this one has in memory. Its file outlives the initramfs. */
void reload_trial_watch(const struct trial *t, const char *device)
{
	char *const argv[] = { "@overlay-trial", "watch", "--image", (char *)device, NULL };
	pid_t pid;
	int null;

	/* the machine's own setting is there by now */
	if (t->panic)
		panic_as_before();
	pid = fault_point(FAULT_TRIAL_WATCH, NULL) ? -1 : fork();
	if (pid < 0)
		say("trial: nobody watches how much room is left: %s", strerror(errno));
	if (pid)
		return;
	setsid();
	null = open("/dev/null", O_RDWR);
	for (int i = 0; null >= 0 && i < 3; i++)
		dup2(null, i);
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	fexecve(t->self, argv, environ);
	_exit(127);
}

static void progress(u64 left, u64 total)
{
	static double told;

	if (left && seconds() - told < 5)
		return;
	told = seconds();
	say("merging: %llu of %llu MB are left", (unsigned long long)left >> 11,
	    (unsigned long long)total >> 11);
}

/*
 * Where only sealed images are trusted, only a sealed one says that its machine was on trial: nobody without its key
 * can have the disks written to.
 */
static int permitted(const char *image, const char *program, struct ohib_image_info *info, struct ohib_err *err)
{
	struct ohib_image *img;
	int r;

	if (!reload_demands_key())
		return 0;
	r = reload_open(image, program, true, &img, err);
	if (r)
		return r;
	*info = *ohib_image_info(img);
	ohib_image_close(img);
	return info->trial_bytes ? 0 : ohib_err_set(err, -EBADMSG, "%s: the image is of no trial", image);
}

int reload_finish_keep(const char *image, const char *program)
{
	struct ohib_image_info info;
	struct ohib_err err = { 0 };
	bool merging = false;
	int r;

	r = fault_point(FAULT_KEEP_AGAIN, &err);
	if (!r)
		r = ohib_image_peek(image, &info, &err);
	if (!r)
		r = permitted(image, program, &info, &err);
	/* Whoever began it may have been cut short before the boot menu was told. */
	if (!r)
		r = ohib_image_move(image, OHIB_STATE_KEEPING, OHIB_STATE_KEEPING, NULL, &err);
	if (!r) {
		say("merging what the machine wrote since it went on under Linux %s", info.next_kernel);
		load_modules();
		merging = true;
		r = trial_merge_at_boot(image, &info, progress, &err);
	}
	if (!r)
		r = fault_point(FAULT_KEEP_SPENT, &err);
	if (!r)
		r = ohib_image_set_state(image, OHIB_STATE_SPENT, NULL, &err);
	if (!r) {
		key_cache_drop(&info);
		return 0;
	}
	say("%s", err.msg);
	if (merging && r == -ECANCELED && !ohib_image_move(image, OHIB_STATE_KEEPING, OHIB_STATE_TRIAL, err.msg, NULL))
		return RELOAD_TRIAL;
	return RELOAD_UNMERGED;
}
