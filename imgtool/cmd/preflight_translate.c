// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of preflight that the translator plays: the same translation as after a switch, over the
 * running kernel, so that what it cannot carry is known before anything is frozen.
 */
#include <stdlib.h>
#include <unistd.h>

#include "cmd/preflight.h"
#include "config/config.h"
#include "translate/translate.h"

/* @p's list takes over the rows of @from. */
static void take_refusals(struct preflight *p, struct refusals *from)
{
	struct refusal *row;

	vec_foreach(row, &from->list)
		if (vec_push(&p->refusals.list, row)) {
			p->refusals.out_of_memory = true;
			free(row);
		}
	p->refusals.out_of_memory |= from->out_of_memory;
	vec_free(&from->list);
}

int preflight_translate(struct preflight *p, struct ohib_err *err)
{
	struct translate_opts o = { .tool_pid = getpid(), .no_pages = true };
	struct kernel_data *k;
	struct machine *m;
	int r;

	r = kernel_data_open_live(&k, err);
	if (r)
		return r;
	r = machine_translate(k, &o, &m, err);
	kernel_data_close(k);
	if (r)
		return r;
	take_refusals(p, &m->refusals);
	machine_free(m);
	return config_check(p->next_kernel, &p->refusals, &p->warnings, err);
}
