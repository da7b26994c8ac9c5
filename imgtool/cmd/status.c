// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl status: is a suspended machine waiting, and how did its last resume go? */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "capture/area.h"
#include "cmd/cmd.h"
#include "trial/trial.h"

static const char doc[] = "Tell whether a suspended machine is waiting on the overlay device.\v"
			  "States of an image: writing (a hibernate was cut short), armed (the "
			  "next boot resumes it), resuming (a "
			  "resume was begun and did not get to its end), spent (resumed), stale "
			  "(discarded, or a system booted past "
			  "it), none (nothing was written, or writing it failed); of a trial: trial (the next boot "
			  "brings the old machine back), reverting (that was begun), keeping (being merged).\n\n"
			  "Exit codes: 0 a machine is waiting (armed, resuming, trial or reverting), 4 "
			  "none is, 5 the image is damaged, "
			  "1 the device cannot be read.";

static void print_room(void)
{
	struct trial_usage u;

	if (!trial_usage(&u, NULL) && u.total)
		printf("Taken: %llu of %llu MB.\n", (unsigned long long)u.used >> 11,
		       (unsigned long long)u.total >> 11);
}

/* What a hibernate's swap on the overlay device still holds of the running machine. */
static void print_area(void)
{
	char node[80];
	u64 used;

	if (area_find(node, &used))
		printf("%llu MB of the running machine's memory are paged out to the device (%s): overlayctl cancel gets "
		       "them back.\n", (unsigned long long)used >> 20, node);
}

static void print(const struct ohib_image_info *i)
{
	char when[40] = "?";
	time_t t = (time_t)i->created;
	struct tm tm;

	if (localtime_r(&t, &tm))
		strftime(when, sizeof(when), "%F %T", &tm);
	switch (i->state) {
	case OHIB_STATE_ARMED:
		printf("A machine is suspended since %s (Linux %s).\n", when, i->image_kernel);
		if (i->next_kernel[0])
			printf("The next boot goes on under Linux %s.\n", i->next_kernel);
		else
			printf("The next boot resumes it exactly.\n");
		break;
	case OHIB_STATE_RESUMING:
		printf("A resume of the machine suspended at %s (Linux %s) was begun and not "
		       "finished.\n",
		       when, i->image_kernel);
		break;
	case OHIB_STATE_TRIAL:
	case OHIB_STATE_REVERTING:
		printf("The machine is on trial under Linux %s since %s.\n", i->next_kernel, when);
		printf("A reboot brings the old one back (Linux %s); overlayctl keep ends the trial.\n",
		       i->image_kernel);
		print_room();
		break;
	case OHIB_STATE_KEEPING:
		printf("What the machine has written under Linux %s is being merged into its disks.\n",
		       i->next_kernel);
		print_room();
		break;
	case OHIB_STATE_WRITING:
		printf("No machine is suspended: a hibernate at %s was cut short.\n", when);
		break;
	case OHIB_STATE_SPENT:
		printf("No machine is suspended: the one of %s was resumed.\n", when);
		break;
	case OHIB_STATE_STALE:
		printf("No machine is suspended: the image of %s is stale.\n", when);
		break;
	default:
		printf("No machine is suspended.\n");
	}
	if (i->state == OHIB_STATE_NONE && i->reason[0]) {
		printf("The last hibernate failed: %s.\n", i->reason);
		return;
	}
	if (i->attempts)
		printf("Attempts to resume: %u.\n", i->attempts);
	if (i->reason[0])
		printf("Why: %s.\n", i->reason);
}

int cmd_status(int argc, char **argv)
{
	struct ohib_image_info info = {0};
	struct ohib_err err = {0};
	struct common_opts o = {0};
	struct json_object *json;
	char path[256], area[80];
	u64 used;
	int r;

	common_opts_parse(&common_argp, doc, argc, argv, &o);
	if (!device_from_opts(&o, path, sizeof(path)))
		return EXIT_FAILED;
	r = ohib_image_peek(path, &info, &err);
	if (r && r != -ENODATA) {
		complain(&err);
		return exit_code_of(r);
	}
	if (!o.json) {
		print(&info);
		print_area();
		return ohib_state_waits(info.state) ? EXIT_OK : EXIT_NO_IMAGE;
	}
	json = json_image_info(&info);
	if (area_find(area, &used))
		json_object_object_add(json, "running_paged_out_bytes", json_object_new_uint64(used));
	json_print(json);
	return ohib_state_waits(info.state) ? EXIT_OK : EXIT_NO_IMAGE;
}
