// SPDX-License-Identifier: GPL-2.0-only
/*
 * The configuration state of the image on its way into this kernel: which root each stage of it runs in, and
 * what could not be brought back on the console.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "image/image.h"
#include "reloader/configure.h"
#include "reloader/reloader.h"

int configure_open(struct configure *c, struct ohib_image *img, struct machine *m,
		   struct ohib_err *err)
{
	struct json_tokener *tok;
	void *data;
	size_t len;
	int r;

	*c = (struct configure){ .m = m };
	r = ohib_image_section(img, OHIB_SEC_CONFIG, &data, &len, err);
	if (r)
		return r;
	tok = json_tokener_new();
	if (tok && len < INT32_MAX)
		c->json = json_tokener_parse_ex(tok, data, (int)len);
	if (tok)
		json_tokener_free(tok);
	free(data);
	if (!json_object_is_type(c->json, json_type_object))
		return ohib_err_set(err, -EBADMSG, "the image's config section is not a JSON object");
	return 0;
}

void configure_close(struct configure *c)
{
	if (c->json)
		json_object_put(c->json);
	refusals_free(&c->warnings);
	*c = (struct configure){};
}

static void print_warnings(struct configure *c)
{
	struct refusal *row;

	vec_foreach(row, &c->warnings.list)
		say("note: %s: %s", row->object, row->reason);
	refusals_free(&c->warnings);
}

int configure_prepare(struct configure *c, const char *root, struct ohib_err *err)
{
	struct refusal *row;
	size_t before = c->m->refusals.list.n;
	int r;

	r = config_prepare(c->json, c->m, root, &c->warnings, err);
	print_warnings(c);
	for (size_t i = before; i < c->m->refusals.list.n; i++) {
		row = c->m->refusals.list.v[i];
		say("cannot carry %s: %s", row->object, row->reason);
	}
	if (!r && c->m->refusals.list.n > before)
		r = ohib_err_set(err, -ENOTSUP, "%zu settings cannot be carried",
				 c->m->refusals.list.n - before);
	return r;
}

void configure_undo(struct configure *c)
{
	if (c->json)
		config_undo(c->json);
}

/* Behind the commit this process's root is the machine's; and a machine without its routes is better than none. */
static int late(struct configure *c,
		int (*stage)(struct json_object *json, struct machine *m, struct refusals *warnings,
			     struct ohib_err *err))
{
	struct ohib_err e = { 0 };

	if (stage(c->json, c->m, &c->warnings, &e))
		say("%s", e.msg);
	print_warnings(c);
	return 0;
}

int configure_restore(struct configure *c, struct ohib_err *err)
{
	(void)err;
	return late(c, config_restore);
}

int configure_settle(struct configure *c, struct ohib_err *err)
{
	(void)err;
	return late(c, config_settle);
}
