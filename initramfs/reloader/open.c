// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which image may be resumed here: one that opens with its key, that is sealed where the configuration
 * demands it, and that was made on this machine.
 * Reads: the configuration and the stamp in the initramfs. Writes: to no device; why one may not be resumed is
 * left in memory for the program that marks it stale.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/hardware.h"
#include "image/image.h"
#include "reloader/reloader.h"
#include "unlock/keys.h"
#include "util/cleanup.h"

#define STAMP "/usr/lib/overlayctl/stamp"
#define WHY "/run/overlayctl/why"

/* machine_id of the machine that this initramfs was made on; empty: not known. */
static void own_machine_id(char *id, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen(STAMP, "re");
	char line[600];

	id[0] = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "machine_id=", 11))
			snprintf(id, size, "%.*s", (int)size - 1, line + 11);
	}
}

/* @img was authenticated, if it is sealed: only then do its answers say anything. */
static int same_machine(struct ohib_image *img, struct ohib_err *err)
{
	const struct ohib_image_info *info = ohib_image_info(img);
	_cleanup_free_ void *text = NULL;
	struct json_object *config;
	char id[64];
	size_t len;
	int r;

	own_machine_id(id, sizeof(id));
	if (id[0] && strcmp(id, info->machine_id))
		return ohib_err_set(err, -EXDEV, "the image is of another machine (%s, not %s)",
				    info->machine_id[0] ? info->machine_id : "without an id", id);
	r = ohib_image_section(img, OHIB_SEC_CONFIG, &text, &len, err);
	if (r)
		return r;
	config = json_tokener_parse(text);
	r = hardware_compare(json_object_object_get(config, "hardware"), err);
	json_object_put(config);
	return r;
}

static int open_keyed(const char *path, const struct key_policy *p, const struct key_asking *ask, bool keep,
		      struct ohib_image **img, struct ohib_err *err)
{
	_cleanup_secret_ struct secret *keys = NULL;
	struct ohib_image_info info;
	int r = ohib_image_peek(path, &info, err);

	if (r)
		return r;
	if (!ohib_state_waits(info.state) && info.state != OHIB_STATE_KEEPING)
		return -ENODATA;
	r = key_find(path, p, ask, &keys, err);
	if (!r)
		r = ohib_image_open_sealed(path, keys, img, err);
	if (!r && keep && keys && key_cache_put(&info, keys))
		say("the kernel keeps no keys: what opens the image is asked for again");
	return r == -ENODATA ? -EBADMSG : r;
}

/* A word in it that is not understood is no reason to lose the machine, nor to trust any image. */
static void policy_load(struct key_policy *p)
{
	struct ohib_err e = { 0 };
	int r = key_policy_load(p, &e);

	if (r)
		say("%s", e.msg);
	p->demands = r || p->nr;
}

bool reload_demands_key(void)
{
	struct key_policy p;

	policy_load(&p);
	return p.demands;
}

int reload_open(const char *path, const char *program, bool keep, struct ohib_image **img,
		struct ohib_err *err)
{
	_cleanup_close_ int console = isatty(STDIN_FILENO) ? -1 : open("/dev/console", O_RDWR | O_CLOEXEC | O_NOCTTY);
	const struct key_asking ask = {
		.program = program,
		.tty = console >= 0 ? console : isatty(STDIN_FILENO) ? STDIN_FILENO : -1,
		.give_up = "discard",
	};
	struct key_policy p;
	int r;

	policy_load(&p);
	r = open_keyed(path, &p, &ask, keep, img, err);
	if (r)
		return r;
	r = same_machine(*img, err);
	if (r) {
		ohib_image_close(*img);
		*img = NULL;
	}
	/* There is one that waits: whatever is missing in it, it must not be booted past as if there were none. */
	return r == -ENODATA ? -EBADMSG : r;
}

static void leave_why(const char *text)
{
	_cleanup_fclose_ FILE *f = NULL;

	if (!mkdir("/run/overlayctl", 0755) || errno == EEXIST)
		f = fopen(WHY, "we");
	if (f)
		fprintf(f, "%s\n", text);
}

void reload_why(char *text, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen(WHY, "re");

	if (!f || !fgets(text, (int)size, f))
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

enum reload_exit reload_open_failed(int r, const struct ohib_err *err)
{
	if (r != -ENODATA)
		say("%s", err->msg);
	switch (r) {
	case -ENODATA:
		return RELOAD_NO_IMAGE;
	case -EBADMSG:
	case -ECANCELED:
	case -EKEYREJECTED:
	case -ENOKEY:
	case -EXDEV:
		leave_why(err->msg);
		return RELOAD_REFUSED;
	}
	return RELOAD_UNDONE;
}

void reload_forget_keys(struct ohib_image *img)
{
	if (ohib_image_info(img)->sealed)
		key_cache_drop(ohib_image_info(img));
	ohib_image_forget_keys(img);
}
