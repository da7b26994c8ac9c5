// SPDX-License-Identifier: GPL-2.0-only
/*
 * resume --mode switch: image → machine → processes under this kernel.
 * Point of no return: commit(), which marks the image spent.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "image/image.h"
#include "reloader.h"
#include "restore/restore.h"
#include "translate/translate.h"

struct run {
	const char *path;
	struct timespec began;
	char stage[32];
};

static double since(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) + (double)(now.tv_nsec - t->tv_nsec) / 1e9;
}

/* A line when a stage begins, with the time since the start. */
static void progress(void *arg, const char *stage, u64 done, u64 total)
{
	struct run *run = arg;
	char line[120];

	(void)done;
	if (!strcmp(run->stage, stage))
		return;
	snprintf(run->stage, sizeof(run->stage), "%s", stage);
	if (total)
		snprintf(line, sizeof(line), "[%6.2f s] %s (%llu)", since(&run->began), stage,
			 (unsigned long long)total);
	else
		snprintf(line, sizeof(line), "[%6.2f s] %s", since(&run->began), stage);
	reload_say(line);
}

static int commit(void *arg, struct ohib_err *e)
{
	struct run *run = arg;

	progress(run, "commit: the image is spent", 0, 0);
	return ohib_image_set_state(run->path, OHIB_STATE_SPENT, NULL, e);
}

static void say_refusals(const struct machine *m)
{
	struct refusal *row;
	char line[640];

	vec_foreach(row, &m->refusals.list) {
		snprintf(line, sizeof(line), "refused: %d %s: %s: %s", row->pid, row->comm, row->object,
			 row->reason);
		reload_say(line);
	}
}

static int read_machine(struct run *run, struct ohib_image **img, struct kernel_data **k,
			struct machine **m, struct ohib_err *e)
{
	int ret;

	progress(run, "read", 0, 0);
	ret = ohib_image_open(run->path, img, e);
	if (!ret)
		ret = kernel_data_open_image(*img, k, e);
	progress(run, "translate", 0, 0);
	if (!ret)
		ret = machine_from_image(*img, *k, false, m, e);
	if (ret)
		return ret;
	say_refusals(*m);
	if (refused(&(*m)->refusals))
		return ohib_err_set(e, -EOPNOTSUPP, "%zu objects of the machine cannot be carried",
				    (*m)->refusals.list.n);
	return 0;
}

int reload_switch(const char *image)
{
	struct run run = { .path = image };
	struct restore_opts o = { .arg = &run, .commit = commit, .progress = progress };
	struct ohib_image *img = NULL;
	struct kernel_data *k = NULL;
	struct machine *m = NULL;
	struct ohib_err e = { 0 };
	char line[640];
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &run.began);
	ret = ohib_image_set_state(image, OHIB_STATE_RESUMING, NULL, &e);
	if (!ret)
		ret = read_machine(&run, &img, &k, &m, &e);
	if (!ret)
		ret = restore_machine(m, &o, &e);
	if (!ret)
		_exit(0); /* it runs: nothing here may touch anything any more */
	if (e.pid)
		snprintf(line, sizeof(line), "process %d: %s (%s)", e.pid, e.msg, strerror(-e.code));
	else
		snprintf(line, sizeof(line), "%s (%s)", e.msg, strerror(-e.code));
	reload_say(line);
	if (ret == -EUCLEAN)
		return RELOAD_BROKEN;
	/* The reason stays in the image for whoever asks why. */
	ohib_image_set_state(image, OHIB_STATE_ARMED, line, NULL);
	return RELOAD_UNDONE;
}
