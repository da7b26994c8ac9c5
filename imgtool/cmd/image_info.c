// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl image info: what kind of image it is and what it holds. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd/cmd.h"

static const char doc[] =
	"Tell what kind of image it is and what it holds.\v"
	"The header, the chunk index and the frame list are checked; the pages are not (see "
	"overlayctl image verify).\n\nExit codes: 0 it is there, 4 no image, 5 damaged, 1 failed.";

static void print(const struct ohib_image_info *i)
{
	char uuid[40], when[40] = "?", a[32], b[32];
	time_t t = (time_t)i->created;
	struct tm tm;

	uuid_text(i->uuid, uuid);
	if (localtime_r(&t, &tm))
		strftime(when, sizeof(when), "%F %T %z", &tm);
	printf("state         %s (generation %llu, %u attempts)\n", ohib_state_name(i->state),
	       (unsigned long long)i->generation, i->attempts);
	if (i->reason[0])
		printf("why           %s\n", i->reason);
	printf("sealed        %s\n", i->sealed ? i->cipher : "no: checksums only, not encrypted");
	printf("uuid          %s\ncreated       %s\n", uuid, when);
	printf("image kernel  %s\nnext kernel   %s\n", i->image_kernel,
	       i->next_kernel[0] ? i->next_kernel : "the same (exact resume)");
	printf("machine       %s\ndevice        %s\n", i->machine_id[0] ? i->machine_id : "?",
	       i->device);
	printf("pages         %llu with data (%s), %llu of zeros\n",
	       (unsigned long long)(i->nr_pages - i->nr_zero_found),
	       human_bytes(i->raw_bytes - i->nr_zero_found * 4096, a, sizeof(a)),
	       (unsigned long long)(i->nr_zero_pages + i->nr_zero_found));
	printf("stored        %s (%.0f %%)\n", human_bytes(i->stored_bytes, b, sizeof(b)),
	       i->raw_bytes ? 100.0 * (double)i->stored_bytes / (double)i->raw_bytes : 0.0);
	if (i->trial_bytes)
		printf("trial         room for %s\n", human_bytes(i->trial_bytes, a, sizeof(a)));
}

int cmd_image_info(int argc, char **argv)
{
	const struct ohib_image_info *info;
	struct ohib_image *img;
	struct ohib_err err = {0};
	struct common_opts o = {0};
	struct json_object *out, *sections;
	char path[256];
	int r;

	common_opts_parse(&image_argp, doc, argc, argv, &o);
	if (!device_from_opts(&o, path, sizeof(path)))
		return EXIT_FAILED;
	r = image_open(&o, path, &img, &err);
	if (r) {
		complain(&err);
		return exit_code_of(r);
	}
	info = ohib_image_info(img);
	out = json_image_info(info);
	sections = json_object_new_object();
	if (!o.json)
		print(info);
	for (int id = 1; id < OHIB_SEC_MAX; id++) {
		u64 raw, stored;

		if (ohib_image_section_size(img, id, &raw, &stored))
			continue;
		if (!o.json)
			printf("section       %-16s %10llu bytes, %llu stored\n",
			       ohib_section_name(id), (unsigned long long)raw,
			       (unsigned long long)stored);
		json_object_object_add(sections, ohib_section_name(id),
				       json_object_new_uint64(raw));
	}
	json_object_object_add(out, "sections", sections);
	if (o.json)
		json_print(out);
	else
		json_object_put(out);
	ohib_image_close(img);
	return EXIT_OK;
}
