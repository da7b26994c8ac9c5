// SPDX-License-Identifier: GPL-2.0-only
/*
 * The nouns of configuration, in the order in which they come back.
 *
 * To add one: a file with a struct config_noun, its slot here, a case in tests/cases/.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "config/parts.h"

static const struct config_noun *const nouns[] = {
	&config_clock,		/* first: timers are set against it */
	&config_modules,	/* they bring sysctls, interfaces and device nodes */
	&config_hostname,
	&config_network,
	&config_sysctl,		/* of interfaces too, which have their names now */
	&config_firewall,	/* only refused yet */
	&config_devnodes,
	&config_udevdb,		/* knows the nodes' numbers by now */
	&config_swap,		/* in the last stage */
};
#define NR_NOUNS (sizeof(nouns) / sizeof(nouns[0]))

static void add_row(struct refusals *to, const char *object, const char *fmt, va_list ap)
{
	char reason[sizeof(((struct refusal *)0)->reason)];

	if (!to)
		return;
	vsnprintf(reason, sizeof(reason), fmt, ap);
	refuse(to, 0, "", object, "%s", reason);
	if (to->list.n)
		to->list.v[to->list.n - 1]->waivable = true;
}

void config_left(struct config_run *run, const char *object, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_row(run->rows, object, fmt, ap);
	va_end(ap);
}

void config_note(struct config_run *run, const char *object, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_row(run->warnings, object, fmt, ap);
	va_end(ap);
}

int config_capture(struct json_object *to, struct ohib_err *err)
{
	for (size_t i = 0; i < NR_NOUNS; i++) {
		struct json_object *o = NULL;
		int r = nouns[i]->capture ? nouns[i]->capture(&o, err) : 0;

		if (!r && o && json_object_object_add(to, nouns[i]->key, o))
			r = -ENOMEM;
		if (r)
			return ohib_err_set(err, r, "configuration: %s cannot be read", nouns[i]->key);
	}
	js_add_int(to, "config_time", time(NULL));
	return 0;
}

int config_check(const char *next_kernel, struct refusals *refusals, struct refusals *warnings,
		 struct ohib_err *err)
{
	struct config_check c = { next_kernel && *next_kernel ? next_kernel : NULL, refusals, warnings, err };

	for (size_t i = 0; i < NR_NOUNS; i++) {
		int r = nouns[i]->check ? nouns[i]->check(&c) : 0;

		if (r)
			return ohib_err_set(err, r, "configuration: %s cannot be read", nouns[i]->key);
	}
	return 0;
}

static int run_stages(struct json_object *c, struct machine *m, enum config_stage last,
		      const char *root, struct refusals *rows, struct refusals *warnings,
		      struct ohib_err *err)
{
	struct config_run run = { .all = c, .m = m, .root = root, .rows = rows, .warnings = warnings,
				  .err = err };
	s64 then = js_int(c, "config_time"), s = js_int(c, "config_stages_done");

	/* Stages that were done before are not told of twice. */
	for (s = s < 0 ? 0 : s; s <= (s64)last; s++) {
		for (size_t i = 0; i < NR_NOUNS; i++) {
			s64 now = time(NULL);
			int r;

			if (!nouns[i]->stage[s])
				continue;
			run.away_s = then && now > then ? now - then : 0;
			run.mine = js_obj(c, nouns[i]->key);
			r = nouns[i]->stage[s](&run);
			if (r)
				return ohib_err_set(err, r, "configuration: %s cannot be brought back",
						    nouns[i]->key);
		}
		js_add_int(c, "config_stages_done", s + 1);
	}
	return 0;
}

int config_prepare(struct json_object *c, struct machine *m, const char *root,
		   struct refusals *warnings, struct ohib_err *err)
{
	return run_stages(c, m, CONFIG_PREPARE, root, &m->refusals, warnings, err);
}

int config_restore(struct json_object *c, struct machine *m, struct refusals *warnings,
		   struct ohib_err *err)
{
	return run_stages(c, m, CONFIG_RESTORE, "/", warnings, warnings, err);
}

int config_settle(struct json_object *c, struct machine *m, struct refusals *warnings,
		  struct ohib_err *err)
{
	return run_stages(c, m, CONFIG_SETTLE, "/", warnings, warnings, err);
}
