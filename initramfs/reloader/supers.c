// SPDX-License-Identifier: GPL-2.0-only
/*
 * Before memory is put back as it was: the file systems on disks must be as they were left, since the old
 * kernel goes on with what it has cached of them.
 * Reads: "filesystems" of the image's configuration (capture/fsident.c), the devices. Never: writes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "disk/super.h"
#include "reloader/configure.h"
#include "reloader/reloader.h"

#define WAIT_SECONDS 10

static const char *text(struct json_object *o, const char *key)
{
	const char *s = json_object_get_string(json_object_object_get(o, key));

	return s ? s : "";
}

static int check(struct json_object *o, struct ohib_err *err)
{
	const char *hex = text(o, "bytes"), *was = text(o, "node");
	bool stacked = json_object_get_boolean(json_object_object_get(o, "stacked"));
	struct ohib_err missing = { 0 };
	u8 super[SUPER_BYTES], uuid[16];
	unsigned int byte;
	char node[80];
	int r;

	if (strlen(hex) != 2 * sizeof(super) || strspn(hex, "0123456789abcdef") != 2 * sizeof(super) ||
	    json_object_get_int(json_object_object_get(o, "offset")) != SUPER_OFFSET)
		return ohib_err_set(err, -EBADMSG, "the image's record of the super block on %s is damaged",
				    was);
	for (size_t i = 0; i < sizeof(super); i++) {
		sscanf(hex + 2 * i, "%2x", &byte);
		super[i] = (u8)byte;
	}
	if (!super_uuid(super, uuid))
		return ohib_err_set(err, -ENODEV, "the file system on %s has no UUID to find it by", was);
	/* The hook has waited for the root and the image, not for other disks. */
	for (int i = 0;; i++) {
		ohib_err_clear(&missing);
		r = super_find(uuid, was, node, &missing);
		if (r != -ENODEV || stacked || i == WAIT_SECONDS)
			break;
		if (!i)
			say("waiting for the device with the file system of %s", was);
		sleep(1);
	}
	if (stacked && (r == -ENODEV || r == -ENOTUNIQ)) {
		say("note: %s cannot be told in this initramfs: nobody knows whether it was used meanwhile", was);
		return 0;
	}
	if (r)
		return ohib_err_set(err, r, "%s", missing.msg);
	return super_compare(node, super, sizeof(super), SUPER_OFFSET, err);
}

int supers_check(struct ohib_image *img, struct ohib_err *err)
{
	struct json_object *list;
	struct configure c;
	int r = configure_open(&c, img, NULL, err);

	if (!r) {
		list = json_object_object_get(c.json, "filesystems");
		if (!json_object_is_type(list, json_type_array))
			r = ohib_err_set(err, -ENODATA, "the image does not tell the state of the file systems");
		for (size_t i = 0; !r && i < json_object_array_length(list); i++)
			r = check(json_object_array_get_idx(list, i), err);
	}
	configure_close(&c);
	return r;
}
