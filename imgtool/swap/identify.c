// SPDX-License-Identifier: GPL-2.0-only
/* The UUIDs of swap areas: read from their headers, kept as JSON in the image's configuration. */
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "swap/header.h"
#include "swap/swap.h"
#include "util/cleanup.h"

static void identify(struct m_swap_area *a)
{
	static const u8 none[16];
	_cleanup_close_ int fd = -1;
	struct swap_header h;
	u8 page[OHIB_PAGE_SIZE];
	char dev[80];

	/* the header of a swap file is read through the file */
	snprintf(dev, sizeof(dev), "/dev/%s", a->devname);
	fd = open(a->file ? a->path ? a->path : "" : dev, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, page, sizeof(page), 0) != sizeof(page) ||
	    !swap_header_parse(page, &h) || !memcmp(h.uuid, none, sizeof(none)))
		return;
	memcpy(a->uuid, h.uuid, sizeof(a->uuid));
	a->has_uuid = true;
}

void swap_areas_identify(struct m_system *s)
{
	for (size_t i = 0; i < s->swaps.n; i++)
		identify(&s->swaps.v[i]);
}

struct json_object *swap_areas_json(const struct m_system *s)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < s->swaps.n; i++) {
		const struct m_swap_area *a = &s->swaps.v[i];
		struct json_object *o;
		char hex[33];

		if (!a->has_uuid)
			continue;
		for (size_t b = 0; b < sizeof(a->uuid); b++)
			snprintf(hex + 2 * b, 3, "%02x", a->uuid[b]);
		o = json_object_new_object();
		if (!o || json_object_object_add(o, "type", json_object_new_int((int)a->type)) ||
		    json_object_object_add(o, "uuid", json_object_new_string(hex)) ||
		    json_object_array_add(array, o)) {
			json_object_put(o);
			json_object_put(array);
			return NULL;
		}
	}
	return array;
}

static bool parse_uuid(const char *hex, u8 uuid[16])
{
	char digits[3] = "";

	if (strlen(hex) != 32 || strspn(hex, "0123456789abcdef") != 32)
		return false;
	for (size_t b = 0; b < 16; b++) {
		memcpy(digits, hex + 2 * b, 2);
		uuid[b] = (u8)strtoul(digits, NULL, 16);
	}
	return true;
}

void swap_areas_apply(struct m_system *s, struct json_object *array)
{
	if (!json_object_is_type(array, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *o = json_object_array_get_idx(array, i), *type, *uuid;

		if (!json_object_object_get_ex(o, "type", &type) ||
		    !json_object_object_get_ex(o, "uuid", &uuid))
			continue;
		for (size_t k = 0; k < s->swaps.n; k++) {
			struct m_swap_area *a = &s->swaps.v[k];

			if (a->type == (u32)json_object_get_int(type) &&
			    parse_uuid(json_object_get_string(uuid), a->uuid))
				a->has_uuid = true;
		}
	}
}
