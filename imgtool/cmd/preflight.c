// SPDX-License-Identifier: GPL-2.0-only
/* What must hold before anything is frozen: device, room, kernels, initramfs, file systems. */
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "capture/capture.h"
#include "cmd/kernels.h"
#include "cmd/preflight.h"
#include "translate/translate.h"
#include "image/image.h"
#include "image/io.h"
#include "image/locate.h"
#include "image/place.h"
#include "image/writer.h"
#include "unlock/keys.h"
#include "util/cleanup.h"
#include "util/file.h"

/*
 * A device that is a file or memory in the end: writing to it would wait for a frozen file system,
 * or be gone after the power is. @dev: "major:minor" or a name under /sys/dev/block.
 */
static bool device_is_lasting(const char *dev, unsigned int depth)
{
	char path[320], real[PATH_MAX];
	struct dirent *de;
	bool ok = true;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/dev/block/%s", dev);
	if (depth > 8 || !realpath(path, real))
		return true;
	if (strstr(real, "/loop") || strstr(real, "/zram") || strstr(real, "/ram"))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/block/%s/slaves", dev);
	d = opendir(path);
	while (ok && d && (de = readdir(d))) {
		_cleanup_free_ char *number = NULL;
		size_t len;

		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/dev/block/%s/slaves/%s/dev", dev, de->d_name);
		if (file_read_all(path, &number, &len))
			continue;
		number[strcspn(number, "\n")] = '\0';
		ok = device_is_lasting(number, depth + 1);
	}
	if (d)
		closedir(d);
	return ok;
}

static void check_device(struct preflight *p)
{
	struct ohib_image_info info;
	struct ohib_err err = {0};
	struct image_dev d;
	char holds[64], number[32], area[80];
	u64 used;
	int r;

	r = ohib_device_locate(p->device, p->path, sizeof(p->path), p->name, sizeof(p->name), &err);
	if (r) {
		refuse(&p->refusals, 0, "", "overlay device", "%s", err.msg);
		return;
	}
	if (!ohib_image_peek(p->path, &info, NULL) &&
	    (ohib_state_on_trial(info.state) || info.state == OHIB_STATE_KEEPING)) {
		refuse(&p->refusals, 0, "", p->path,
		       "this machine is on trial: end that with overlayctl keep or overlayctl revert");
		return;
	}
	if (area_find(area, &used)) {
		refuse(&p->refusals, 0, "", p->path, "%llu MB of this machine's memory are still paged out to it (%s): "
		       "end programs until overlayctl cancel gets them back",
		       (unsigned long long)used >> 20, area);
		return;
	}
	r = image_dev_open(&d, p->path, IMAGE_DEV_CLAIM, &err);
	if (r) {
		refuse(&p->refusals, 0, "", p->path, "%s",
		       r == -EBUSY ? "it is in use (mounted, swapped on, or part of another device)"
				   : err.msg);
		return;
	}
	p->device_bytes = p->image_room = d.size;
	p->is_block = d.is_block && !place_path(p->path);
	if (!d.is_block)
		refuse(&p->refusals, 0, "", p->path,
		       "it is a file that may move or change: one for an image is made with overlayctl "
		       "image create");
	snprintf(number, sizeof(number), "%u:%u", major(d.rdev), minor(d.rdev));
	if (d.is_block && !device_is_lasting(number, 0))
		refuse(&p->refusals, 0, "", p->path,
		       "it is kept in a file or in memory (loop, zram): name a device on a disk");
	image_dev_close(&d);
	if (place_path(p->path))
		preflight_file(p);
	r = ohib_image_peek(p->path, &info, NULL);
	if (!r && (info.state == OHIB_STATE_ARMED || info.state == OHIB_STATE_RESUMING)) {
		refuse(&p->refusals, 0, "", p->path,
		       "it holds a suspended machine (%s): resume it, or discard it with "
		       "overlayctl cancel",
		       ohib_state_name(info.state));
	} else if (r == -ENODATA && !place_path(p->path)) {
		if (ohib_device_contents(p->path, holds, sizeof(holds), &err))
			refuse(&p->refusals, 0, "", p->path, "%s", err.msg);
		else if (holds[0])
			refuse(&p->refusals, 0, "", p->path,
			       "it holds something else (%s): wipe it with wipefs if it is to be "
			       "used",
			       holds);
	} else if (r == -ENOTSUP) {
		refuse(&p->refusals, 0, "", p->path, "it holds an image of a newer overlayctl");
	}
}

/* How large the image becomes is known when it is written; then this is decided for good. */
static void check_trial(struct preflight *p)
{
	u64 image = p->estimate_bytes / 2, wanted = p->trial_bytes, offset, bytes;

	if (!p->wants_switch)
		refuse(&p->refusals, 0, "", "--trial", "is about a switch: give --next-kernel too");
	if (place_path(p->path)) {
		refuse(&p->refusals, 0, "", "--trial", "needs a partition of its own for the image: a "
		       "file is on a disk that the trial must not write to");
		return;
	}
	if (!p->device_bytes)
		return;
	if (ohib_writer_trial_room(p->image_room, image / 2, wanted, &offset, &bytes))
		refuse(&p->refusals, 0, "", p->path, "%llu MB have no room for a trial behind the image "
		       "(%llu MB): take a larger device, or do without --trial",
		       (unsigned long long)p->image_room >> 20,
		       (unsigned long long)(wanted ? wanted : OHIB_TRIAL_MIN) >> 20);
	else if (ohib_writer_trial_room(p->image_room, image, wanted, &offset, &bytes))
		refuse(&p->warnings, 0, "", p->path, "there may be no room for a trial behind the image; if "
		       "so, hibernate fails and the machine goes on");
}

struct missing_arg {
	struct preflight *p;
	const char *release;
};

static void option_missing(void *arg, const struct kernel_option *o)
{
	struct missing_arg *m = arg;
	char object[96];

	snprintf(object, sizeof(object), "Linux %.64s", m->release);
	refuse(&m->p->refusals, 0, "", object, "built without CONFIG_%s (%s): take a kernel that has it", o->name,
	       o->why);
}

static void check_kernel(struct preflight *p, const char *release, unsigned int roles)
{
	struct missing_arg m = {p, release};
	struct ohib_err err = {0};
	char object[96];

	snprintf(object, sizeof(object), "Linux %.64s", release);
	if (roles & KERNEL_IS_BOOT && kernel_can_resume(release, &err))
		refuse(&p->refusals, 0, "", object, "%s", err.msg);
	ohib_err_clear(&err);
	if (kernel_options_check(release, roles, option_missing, &m, &err))
		refuse(&p->refusals, 0, "", object, "its options are not known (%s): put its configuration there",
		       err.msg);
}

static void check_kernels(struct preflight *p)
{
	unsigned int trial = p->trial ? KERNEL_ON_TRIAL : 0, image = KERNEL_IS_IMAGE;
	struct ohib_err err = {0};
	struct utsname un;

	uname(&un);
	snprintf(p->image_kernel, sizeof(p->image_kernel), "%s", un.release);
	if (p->area.bytes)
		image |= KERNEL_HAS_AREA | (p->keys && p->keys->nr ? KERNEL_SEALS_AREA : 0);
	if (!p->wants_switch) {
		check_kernel(p, p->image_kernel, image | KERNEL_IS_BOOT);
		return;
	}
	/* Both: when the switch fails, either is to put the machine back. */
	check_kernel(p, p->image_kernel, image | KERNEL_IS_BOOT | trial);
	if (kernel_find(p->wanted_kernel, p->next_kernel, sizeof(p->next_kernel), &err)) {
		refuse(&p->refusals, 0, "", "next kernel", "%s", err.msg);
		return;
	}
	check_kernel(p, p->next_kernel, KERNEL_IS_BOOT | trial);
}

int preflight_run(struct preflight *p, struct ohib_err *err)
{
	struct ohib_err e = {0};
	int r;

	if (geteuid())
		return ohib_err_set(err, -EPERM, "only root can look at the whole machine");
	check_device(p);
	preflight_memory(p);
	if (p->trial)
		check_trial(p);
	check_kernels(p);
	if (p->next_kernel[0])
		preflight_memory_of_switch(p);
	preflight_keys(p);
	if (p->path[0])
		preflight_place(p);
	if (!p->no_menu)
		preflight_menu(p);
	if (capture_check(&e))
		refuse(&p->refusals, 0, "", "this machine", "%s", e.msg);
	ohib_err_clear(&e);
	r = p->wants_switch ? preflight_translate(p, &e) : 0;
	if (r && r != -ENOMEM) {
		refuse(&p->refusals, 0, "", "this kernel", "its memory cannot be read as it has to be: %s", e.msg);
		r = 0;
	} else if (r) {
		ohib_err_set(err, r, "%s", e.msg);
	}
	if (!r && p->refusals.out_of_memory)
		r = ohib_err_set(err, -ENOMEM, "list of refusals: out of memory");
	return r;
}

void preflight_free(struct preflight *p)
{
	refusals_free(&p->refusals);
	refusals_free(&p->warnings);
	kernel_data_close(p->kernel);
	p->kernel = NULL;
}

static struct json_object *list_json(const struct refusals *l)
{
	struct json_object *a = json_object_new_array();
	struct refusal *x;

	vec_foreach(x, &l->list)
	{
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "pid", json_object_new_int(x->pid));
		json_object_object_add(o, "comm", json_object_new_string(x->comm));
		json_object_object_add(o, "object", json_object_new_string(x->object));
		json_object_object_add(o, "reason", json_object_new_string(x->reason));
		json_object_object_add(o, "waivable", json_object_new_boolean(x->waivable));
		json_object_array_add(a, o);
	}
	return a;
}

struct json_object *preflight_json(const struct preflight *p)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(!refused(&p->refusals)));
	json_object_object_add(o, "image_kernel", json_object_new_string(p->image_kernel));
	json_object_object_add(o, "next_kernel", json_object_new_string(p->next_kernel));
	json_object_object_add(o, "device", json_object_new_string(p->path));
	json_object_object_add(o, "device_name", json_object_new_string(p->name));
	json_object_object_add(o, "device_bytes", json_object_new_uint64(p->device_bytes));
	json_object_object_add(o, "estimate_bytes", json_object_new_uint64(p->estimate_bytes));
	json_object_object_add(o, "page_out_bytes", json_object_new_uint64(p->page_out_bytes));
	json_object_object_add(o, "overlay_swap_bytes", json_object_new_uint64(p->area.bytes));
	json_object_object_add(o, "refusals", list_json(&p->refusals));
	json_object_object_add(o, "warnings", list_json(&p->warnings));
	return o;
}

static void print_list(const char *mark, const struct refusals *l)
{
	struct refusal *x;

	vec_foreach(x, &l->list)
	{
		if (x->pid)
			printf("%s process %d (%s): %s: %s\n", mark, x->pid, x->comm, x->object,
			       x->reason);
		else
			printf("%s %s: %s\n", mark, x->object, x->reason);
	}
}

void preflight_print(const struct preflight *p)
{
	print_list("warning:", &p->warnings);
	print_list("refused:", &p->refusals);
}
