// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl image tables: every field that the translator reads, and where two kernels keep it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/vmlinuz.h"
#include "report/report.h"
#include "util/cleanup.h"

static const char doc[] =
	"Print every kernel field that the translator reads, with its place in the old and the new kernel.\v"
	"Old is the image kernel of the device that --device names; without that option the running one. New is "
	"KERNEL: a release that is installed in /boot, or a file with type data (BTF), a kernel image or a vmlinux; "
	"without it only the old ones are shown. Each place is offset+size in bytes. Fields that must be there and do "
	"not resolve are told at the end.\n\n"
	"Exit codes: 0 all resolve, 3 some do not, 1 failed.";

struct opts {
	struct common_opts common;
	const char *kernel, *old;
};

static const struct argp_option options[] = {
	{ "old", 'o', "KERNEL", 0, "The old kernel, instead of the image's or the running one", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		return 0;
	case 'o':
		o->old = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "one kernel at a time");
		o->kernel = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* 0: all resolve; -ENOENT: @missing tells which do not; another negative errno: could not look. */
static int resolve(const void *btf, size_t len, struct fields *f, char *missing, size_t size,
		   struct ohib_err *err)
{
	struct typedata *t;
	int r = typedata_parse(btf, len, &t, err);

	if (r)
		return r;
	r = fields_resolve(t, f, missing, size, NULL);
	typedata_free(t);
	return r;
}

static int old_btf(const struct common_opts *o, void **btf, size_t *len, struct ohib_err *err)
{
	struct ohib_image *img;
	char path[256];
	int r = -ENODEV;

	if (o->device && !device_from_opts(o, path, sizeof(path)))
		return ohib_err_set(err, -ENODEV, "no overlay device");
	if (o->device) {
		r = image_open(o, path, &img, err);
		if (r)
			return r;
		r = ohib_image_section(img, OHIB_SEC_BTF, btf, len, err);
		ohib_image_close(img);
		return r;
	}
	return vmlinuz_btf("/sys/kernel/btf/vmlinux", btf, len, err);
}

static void print_place(struct json_object *row, const char *key)
{
	struct json_object *o = json_object_object_get(row, key);

	if (o)
		printf(" %6d+%-4d", json_object_get_int(json_object_object_get(o, "offset")),
		       json_object_get_int(json_object_object_get(o, "size")));
	else
		printf(" %-11s", "     -");
}

static void print_table(struct json_object *rows, bool two)
{
	size_t i;

	printf(" %-11s%s%s\n", "       OLD", two ? "        NEW " : "", " FIELD");
	for (i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);

		print_place(row, "old");
		if (two)
			print_place(row, "new");
		printf(" %s.%s%s\n", json_object_get_string(json_object_object_get(row, "type")),
		       json_object_get_string(json_object_object_get(row, "member")),
		       json_object_get_boolean(json_object_object_get(row, "optional")) ?
			       " (optional)" : "");
	}
}

static int tables(const struct opts *o, struct ohib_err *err)
{
	static struct fields old, new;
	_cleanup_free_ void *ob = NULL, *nb = NULL;
	char old_missing[4096] = "", new_missing[4096] = "";
	struct json_object *rows;
	size_t olen, nlen;
	int r;

	r = o->old ? vmlinuz_btf(o->old, &ob, &olen, err) : old_btf(&o->common, &ob, &olen, err);
	if (!r)
		r = resolve(ob, olen, &old, old_missing, sizeof(old_missing), err);
	if (r && (r != -ENOENT || err->code))
		return r;
	if (o->kernel) {
		r = vmlinuz_btf(o->kernel, &nb, &nlen, err);
		if (!r)
			r = resolve(nb, nlen, &new, new_missing, sizeof(new_missing), err);
		if (r && (r != -ENOENT || err->code))
			return r;
	}
	rows = report_tables(&old, o->kernel ? &new : NULL);
	if (!rows)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	if (o->common.json) {
		json_print(rows);
	} else {
		print_table(rows, o->kernel);
		json_object_put(rows);
	}
	if (*old_missing)
		fprintf(stderr, "overlayctl: not in the old kernel: %s\n", old_missing);
	if (*new_missing)
		fprintf(stderr, "overlayctl: not in %s: %s\n", o->kernel, new_missing);
	return *old_missing || *new_missing ? -ENOENT : 0;
}

int cmd_image_tables(int argc, char **argv)
{
	static const struct argp_child children[] = { { &image_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = { options, parse, "[KERNEL]", doc, children, NULL, NULL };
	struct ohib_err err = { 0 };
	struct opts o = { 0 };
	int r;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	r = tables(&o, &err);
	if (err.code)
		complain(&err);
	return !r ? EXIT_OK : r == -ENOENT && !err.code ? EXIT_REFUSED : EXIT_FAILED;
}
