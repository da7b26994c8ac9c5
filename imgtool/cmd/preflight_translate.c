// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of preflight that the translator plays: the same translation as after a switch, over the
 * running kernel, so that what it cannot carry is known before anything is frozen, and once more
 * when user space is frozen, before the snapshot.
 */
#include <unistd.h>

#include "cmd/preflight.h"
#include "config/config.h"
#include "translate/translate.h"

static int translate(struct preflight *p, bool frozen, struct refusals *to, struct ohib_err *err)
{
	struct translate_opts o = { .tool_pid = getpid(), .no_pages = true, .frozen = frozen };
	struct machine *m;
	int r = 0;

	if (!p->kernel)
		r = kernel_data_open_live(&p->kernel, err);
	if (!r)
		r = machine_translate(p->kernel, &o, &m, err);
	if (r)
		return r;
	take_refusals(to, &m->refusals);
	if (!frozen) {
		preflight_pids(p, m);
		preflight_disks(p, m);
	}
	machine_free(m);
	return 0;
}

#define LIVE_TRIES 10

/*
 * The machine runs while it is read: a process ends, a lock is let go, and a list that was being
 * followed is another one. Only what is found each time is an error.
 */
int preflight_translate(struct preflight *p, struct ohib_err *err)
{
	int r, try;

	for (try = 1;; try++) {
		r = translate(p, false, &p->refusals, err);
		if (!r || !p->kernel || try == LIVE_TRIES)
			break;
		ohib_err_clear(err);
		view_forget(p->kernel->view);
		usleep(100000);
	}
	return r ? r : config_check(p->next_kernel, &p->refusals, &p->warnings, err);
}

int preflight_frozen(struct preflight *p, struct refusals *frozen, struct ohib_err *err)
{
	int r;

	view_forget(p->kernel->view);
	r = translate(p, true, frozen, err);
	/* not to be part of the image */
	kernel_data_close(p->kernel);
	p->kernel = NULL;
	return r;
}
