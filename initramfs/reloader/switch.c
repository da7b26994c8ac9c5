// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resume under another kernel: verify the image, translate it, restore the machine.
 * Point of no return: commit(), where the image becomes spent on disk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ghost/ghost.h"
#include "image/image.h"
#include "reloader/configure.h"
#include "reloader/reloader.h"
#include "reloader/trial.h"
#include "restore/restore.h"
#include "restore/watchdog.h"
#include "swap/swap.h"
#include "translate/translate.h"
#include "util/fault.h"

struct run {
	const char *path;
	struct ohib_image *img;
	struct kernel_data *kernel;
	struct machine *m;
	struct ghosts *ghosts;
	bool committed;
	char stage[32];
	double stage_begun;
	struct configure config;
	struct trial trial;	/* begun: the disks are under a layer */
};

static void end_stage(struct run *run)
{
	if (run->stage[0])
		say("%-12s %.3f s", run->stage, seconds() - run->stage_begun);
	run->stage[0] = '\0';
}

static void stage(struct run *run, const char *name)
{
	if (!strcmp(run->stage, name))
		return;
	end_stage(run);
	snprintf(run->stage, sizeof(run->stage), "%s", name);
	run->stage_begun = seconds();
	watchdog_stage(name);
}

static void progress(void *arg, const char *name, u64 done, u64 total)
{
	(void)done, (void)total;
	watchdog_beat();
	stage(arg, name);
}

static int commit(void *arg, struct ohib_err *err)
{
	struct run *run = arg;
	int r;

	stage(run, "commit");
	/* Why an earlier attempt failed is not why a trial ends, and nothing to be told of a switch that was made. */
	r = ohib_image_set_state(run->path, run->trial.begun ? OHIB_STATE_TRIAL : OHIB_STATE_SPENT, "", err);
	run->committed = !r;
	if (!r)
		watchdog_arm(run->trial.begun ? HANG_ON_TRIAL : HANG_LOST);
	return r;
}

static int layer(void *arg, struct restore_disk *disks, size_t nr, struct ohib_err *err)
{
	struct run *run = arg;

	stage(run, "layer");
	return reload_trial_begin(&run->trial, run->path, run->img, run->m, disks, nr, err);
}

static int prepare(void *arg, const char *root, struct ohib_err *err)
{
	struct run *run = arg;

	stage(run, "prepare");
	return configure_prepare(&run->config, root, err);
}

static int configure(void *arg, struct ohib_err *err)
{
	struct run *run = arg;

	stage(run, "configure");
	return configure_restore(&run->config, err);
}

static int settle(void *arg, struct ohib_err *err)
{
	struct run *run = arg;
	int r;

	stage(run, "settle");
	/* All is out of the image, and what comes next may page out. */
	reload_forget_keys(run->img);
	swap_forget(run->m);
	if (run->trial.begun)
		reload_trial_settle(run->m);
	r = configure_settle(&run->config, err);
	watchdog_stop();
	return r;
}

static int ghost(void *arg, u64 id, int fd, struct ohib_err *err)
{
	struct run *run = arg;

	return ghosts_write(run->ghosts, id, fd, err);
}

static void print_refusals(const struct machine *m)
{
	struct refusal *row;

	vec_foreach(row, &m->refusals.list)
		say("cannot carry %s of process %d (%s): %s", row->object, row->pid, row->comm,
		    row->reason);
}

static int resume(struct run *run, struct ohib_err *err)
{
	struct restore_opts opts = {
		.arg = run,
		.commit = commit,
		.prepare = prepare,
		.configure = configure,
		.settle = settle,
		.progress = progress,
		.ghost = ghost,
	};
	int r;

	if (ohib_image_info(run->img)->trial_bytes)
		opts.layer = layer;
	watchdog_work(true);
	watchdog_arm(HANG_UNDONE);
	stage(run, "verify");
	r = fault_point(FAULT_VERIFY, err);
	if (!r)
		r = ohib_image_verify(run->img, 0, err);
	if (r)
		return r;
	stage(run, "translate");
	r = fault_point(FAULT_TRANSLATE, err);
	if (!r)
		r = kernel_data_open_image(run->img, &run->kernel, err);
	if (!r)
		r = machine_from_image(run->img, run->kernel, false, &run->m, err);
	if (r)
		return r;
	if (refused(&run->m->refusals)) {
		print_refusals(run->m);
		return ohib_err_set(err, -ENOTSUP, "%zu objects of the suspended machine cannot be carried",
				    run->m->refusals.list.n);
	}
	kernel_data_shed(run->kernel);
	say("%zu processes, %zu open files, %zu mounts, %llu MB of memory (%llu MB are free)",
	    run->m->processes.n, run->m->files.n, run->m->mounts.n,
	    (unsigned long long)(restore_memory_need(run->m) >> 20),
	    (unsigned long long)(restore_memory_free() >> 20));
	r = fault_point(FAULT_MACHINE, err);
	if (!r)
		r = configure_open(&run->config, run->img, run->m, err);
	if (!r)
		r = ghosts_from_image(run->img, &run->ghosts, err);
	watchdog_work(false);
	if (!r)
		r = restore_machine(run->m, &opts, err);
	end_stage(run);
	return r;
}

/* Behind the commit there is no way back: the reason stays on the console, then an ordinary boot. */
static int unfit(const struct run *run, const struct ohib_err *err)
{
	char reason[256];

	reload_reason(err, reason, sizeof(reason));
	say("the machine could not be brought up: %s", reason);
	say(run->trial.begun ? "the next boot, in 10 s, brings the old machine back" :
		       "its image is spent; an ordinary boot follows in 10 s");
	sync();
	sleep(10);
	reboot(RB_AUTOBOOT);
	return RELOAD_UNFIT;
}

static void spare_from_oom(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "we");

	if (f) {
		fputs("-1000", f);
		fclose(f);
	}
}

static int switch_to(const char *path, struct ohib_image *img, struct ohib_err *err)
{
	struct run run = { .path = path, .img = img };
	int r;

	/* When memory runs out, a process that is being made is to go, which is noticed. */
	spare_from_oom();
	if (reload_watch_hangs())
		return ohib_err_set(err, -errno, "cannot start a watchdog");
	r = resume(&run, err);
	watchdog_stop();
	if (r && !err->code)
		ohib_err_set(err, r, "it did not say why");
	if (r && run.committed)
		exit(unfit(&run, err));
	if (!r && run.trial.begun)
		reload_trial_watch(&run.trial, path);
	if (!r)
		_exit(0); /* the carried machine runs: touch nothing more */
	reload_trial_undo(&run.trial);
	configure_undo(&run.config);
	configure_close(&run.config);
	ghosts_free(run.ghosts);
	machine_free(run.m);
	kernel_data_close(run.kernel);
	return r;
}

int reload_switch(const char *image)
{
	struct ohib_image_info info;

	/* The boot menu's block may be behind the header: what is on trial is only ever resumed exactly. */
	if (!ohib_image_peek(image, &info, NULL) && ohib_state_on_trial(info.state))
		return reload_exact(image);
	return reload_attempt(image, false, switch_to);
}
