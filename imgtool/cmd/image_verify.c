// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl image verify: read all of an image and compare every checksum or tag. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd/cmd.h"
#include "image/io.h"

static const char doc[] = "Read all of the image and compare every checksum, or tag of a sealed one.\v"
			  "--random also reads COUNT pages one by one, found by frame number as "
			  "the reloader does, and compares "
			  "them with what the pass from front to back found.\n\nExit codes: 0 "
			  "whole, 5 damaged, 4 no image, 1 failed.";

struct opts {
	struct common_opts common;
	unsigned int threads;
	u64 random;
};

static const struct argp_option options[] = {
	{"threads", 't', "N", 0, "Threads (default: one per CPU)", 0},
	{"random", 'r', "COUNT", 0, "Also compare COUNT pages read in no order", 0},
	{0},
};

static const struct argp_child children[] = {{&image_argp, 0, NULL, 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		return 0;
	case 't':
		o->threads = (unsigned int)strtoul(arg, NULL, 10);
		return 0;
	case 'r':
		o->random = strtoull(arg, NULL, 10);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

struct sums {
	u64 *pfn, *sum;
	u64 n, room;
};

static int sum_page(void *arg, u64 pfn, const void *data)
{
	struct sums *s = arg;

	if (s->n == s->room)
		return -EOVERFLOW;
	s->pfn[s->n] = pfn;
	s->sum[s->n++] = image_xxh64(data, OHIB_PAGE_SIZE);
	return 0;
}

static int compare_random(struct ohib_image *img, const struct sums *s, u64 count,
			  struct ohib_err *err)
{
	_Alignas(64) u8 page[OHIB_PAGE_SIZE];
	int r;

	srandom(1);
	for (u64 i = 0; i < count && s->n; i++) {
		u64 k = ((u64)random() << 31 | (u64)random()) % s->n;

		r = ohib_image_read_pfn(img, s->pfn[k], page, err);
		if (r)
			return r;
		if (image_xxh64(page, sizeof(page)) != s->sum[k])
			return ohib_err_set(err, -EBADMSG,
					    "frame 0x%llx reads differently at random",
					    (unsigned long long)s->pfn[k]);
	}
	return 0;
}

static int verify(struct ohib_image *img, const struct opts *o, struct ohib_err *err)
{
	const struct ohib_image_info *info = ohib_image_info(img);
	struct sums s = {.room = info->nr_pages + info->nr_zero_pages};
	int r = ohib_image_verify(img, o->threads, err);

	if (r || !o->random)
		return r;
	s.pfn = calloc(s.room + 1, sizeof(u64));
	s.sum = calloc(s.room + 1, sizeof(u64));
	if (!s.pfn || !s.sum)
		r = ohib_err_set(err, -ENOMEM, "list of checksums: out of memory");
	else
		r = ohib_image_for_each_page(img, o->threads, sum_page, &s, err);
	if (!r)
		r = compare_random(img, &s, o->random, err);
	free(s.pfn);
	free(s.sum);
	return r;
}

int cmd_image_verify(int argc, char **argv)
{
	static const struct argp argp = {options, parse, NULL, doc, children, NULL, NULL};
	struct timespec a, b;
	struct ohib_image *img;
	struct ohib_err err = {0};
	struct opts o = {0};
	char path[256];
	u64 raw;
	double t;
	int r;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (!device_from_opts(&o.common, path, sizeof(path)))
		return EXIT_FAILED;
	clock_gettime(CLOCK_MONOTONIC, &a);
	r = image_open(&o.common, path, &img, &err);
	raw = r ? 0 : ohib_image_info(img)->raw_bytes;
	if (!r) {
		r = verify(img, &o, &err);
		ohib_image_close(img);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	t = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	if (o.common.json) {
		struct json_object *j = json_object_new_object();

		json_object_object_add(j, "ok", json_object_new_boolean(!r));
		json_object_object_add(j, "reason", json_object_new_string(err.msg));
		json_object_object_add(j, "raw_bytes", json_object_new_uint64(raw));
		json_object_object_add(j, "seconds", json_object_new_double(t));
		json_print(j);
	} else if (r) {
		complain(&err);
	} else {
		printf("OK: %.1f MB of pages in %.2f s (%.0f MB/s)\n", (double)raw / 1e6, t,
		       (double)raw / 1e6 / t);
	}
	return exit_code_of(r);
}
