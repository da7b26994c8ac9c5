// SPDX-License-Identifier: GPL-2.0-only
/* One attempt to resume an image, and what the image is told of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "image/image.h"
#include "reloader/reloader.h"
#include "util/fault.h"

void reload_reason(const struct ohib_err *err, char *text, size_t size)
{
	if (err->pid)
		snprintf(text, size, "process %d: %.180s (%s)", err->pid, err->msg,
			 strerror(-err->code));
	else
		snprintf(text, size, "%.200s (%s)", err->msg, strerror(-err->code));
}

int reload_attempt(const char *image, bool exact,
		   int (*how)(const char *path, struct ohib_image *img,
			      struct ohib_err *err))
{
	struct ohib_err err = {}, again = {};
	const struct ohib_image_info *info;
	struct ohib_image_info peeked;
	struct ohib_image *img;
	char reason[256];
	const char *why = NULL;
	bool on_trial, begun;
	int r;

	/* A power cut between a header and the menu's block: the header knows better. */
	if (!ohib_image_peek(image, &peeked, NULL) && peeked.state == OHIB_STATE_KEEPING) {
		r = reload_finish_keep(image, NULL);
		return r == RELOAD_TRIAL ? reload_exact(image) : r ? r : RELOAD_NO_IMAGE;
	}
	r = reload_open(image, NULL, false, &img, &err);
	if (r)
		return reload_open_failed(r, &err);
	info = ohib_image_info(img);
	on_trial = ohib_state_on_trial(info->state);
	say("resuming the machine of Linux %s %s", info->image_kernel,
	    exact ? "exactly" : "under this kernel");
	if (on_trial)
		say("the trial is over: %s", info->reason[0] ? info->reason : "the machine was started anew");
	if (info->state == OHIB_STATE_RESUMING && !info->reason[0])
		why = "an attempt to resume it did not come to its end: it crashed or hung, or the power was cut";
	r = fault_point(FAULT_ATTEMPT, &err);
	if (!r)
		r = ohib_image_set_state(image, on_trial ? OHIB_STATE_REVERTING : OHIB_STATE_RESUMING, why,
					 &err);
	begun = !r;
	if (!r)
		r = how(image, img, &err);
	ohib_image_close(img);
	if (!err.code)
		ohib_err_set(&err, r, "it did not say why");
	reload_reason(&err, reason, sizeof(reason));
	say("cannot resume: %s", reason);
	if (begun && ohib_image_set_state(image, on_trial ? OHIB_STATE_TRIAL : OHIB_STATE_ARMED, reason, &again))
		say("%s", again.msg);
	/* A switch may fail for what an exact resume does not look at; behind that there is nothing else. */
	return exact && (err.code == -EBADMSG || err.code == -ESTALE) ? RELOAD_REFUSED : RELOAD_UNDONE;
}
