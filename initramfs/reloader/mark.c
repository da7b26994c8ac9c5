// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every boot does: writes down the kernel's own sysctls, and marks an image that it goes past stale; and whether
 * one that was not resumed gets another boot.
 */
#include <errno.h>
#include <stdio.h>

#include "config/config.h"
#include "image/image.h"
#include "reloader/reloader.h"
#include "unlock/keys.h"

/* The menu makes six attempts; those of entries that do not count are counted by the reloader alone, and end too. */
#define REVERTS_MAX 8
/* Of these, the menu gives the first ones to the next kernel (bootloader/05_overlayctl). */
#define NEXT_ATTEMPTS 3
/* Of an exact resume that fails and is undone. */
#define EXACT_ATTEMPTS 2

int reload_baseline(void)
{
	struct ohib_err err = {};

	if (!config_baseline(NULL, &err))
		return 0;
	say("%s", err.msg);
	return RELOAD_UNDONE;
}

int reload_mark_stale(const char *image, const char *reason, bool discard, bool keep, const char *program)
{
	struct ohib_image_info info;
	struct ohib_err err = {};
	char why[sizeof(info.reason)];
	int r;

	r = ohib_image_peek(image, &info, &err);
	if (r == -ENODATA && !keep)
		return 0;
	if (r) {
		say("%s", err.msg);
		return keep ? RELOAD_UNMERGED : RELOAD_UNDONE;
	}
	if (info.state == OHIB_STATE_KEEPING)
		return reload_finish_keep(image, program);
	if (ohib_state_on_trial(info.state) && !discard && info.attempts < REVERTS_MAX)
		return RELOAD_TRIAL;
	key_cache_drop(&info);
	if (info.state == OHIB_STATE_STALE && ohib_image_discarded(image, &err)) {
		say("%s", err.msg);
		return RELOAD_UNDONE;
	}
	if (!ohib_state_waits(info.state))
		return 0;
	reload_why(why, sizeof(why));
	if (why[0])
		reason = why;
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

int reload_again(const char *image)
{
	struct ohib_image_info info;
	struct ohib_err err = {};
	bool next;

	if (ohib_image_peek(image, &info, NULL) || !ohib_state_waits(info.state) || info.state == OHIB_STATE_KEEPING)
		return RELOAD_UNDONE;
	next = !ohib_state_on_trial(info.state) && info.next_kernel[0];
	if (info.attempts >= (next ? NEXT_ATTEMPTS : EXACT_ATTEMPTS))
		return RELOAD_UNDONE;
	if (next && ohib_image_set_attempts(image, NEXT_ATTEMPTS, &err)) {
		say("%s", err.msg);
		return RELOAD_UNDONE;
	}
	return 0;
}
