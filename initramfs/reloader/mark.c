// SPDX-License-Identifier: GPL-2.0-only
/* What every boot does: writes down the kernel's own sysctls, and marks an image that it goes past stale. */
#include <errno.h>
#include <stdio.h>

#include "config/config.h"
#include "image/image.h"
#include "reloader/reloader.h"
#include "unlock/keys.h"

/* The menu makes six attempts; those of entries that do not count are counted by the reloader alone, and end too. */
#define REVERTS_MAX 8

int reload_baseline(void)
{
	struct ohib_err err = {};

	if (!config_baseline(NULL, &err))
		return 0;
	say("%s", err.msg);
	return RELOAD_UNDONE;
}

int reload_mark_stale(const char *image, const char *reason, bool discard)
{
	struct ohib_image_info info;
	struct ohib_err err = {};
	int r;

	r = ohib_image_peek(image, &info, &err);
	if (r == -ENODATA)
		return 0;
	if (r) {
		say("%s", err.msg);
		return RELOAD_UNDONE;
	}
	if (info.state == OHIB_STATE_KEEPING)
		return reload_finish_keep(image);
	if (ohib_state_on_trial(info.state) && !discard && info.attempts < REVERTS_MAX)
		return RELOAD_TRIAL;
	key_cache_drop(&info);
	if (!ohib_state_waits(info.state))
		return 0;
	r = ohib_image_set_state(image, OHIB_STATE_STALE, info.reason[0] ? NULL : reason, &err);
	if (r) {
		say("%s", err.msg);
		return RELOAD_UNDONE;
	}
	say("the suspended machine is discarded: %s", info.reason[0] ? info.reason : reason);
	return 0;
}

int reload_attempts(const char *image)
{
	struct ohib_image_info info;

	if (!ohib_image_peek(image, &info, NULL) && info.attempts)
		printf("%u\n", info.attempts);
	return 0;
}
