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

/* seq_file_path(): a backslash and three octal digits for a blank. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++, to++) {
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to = *s;
		}
	}
	*to = '\0';
}

/* The header of a swap file is read through the file. False: no UUID. */
static bool read_uuid(const char *path, char hex[33])
{
	static const u8 none[16];
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct swap_header h;
	u8 page[OHIB_PAGE_SIZE];

	if (fd < 0 || pread(fd, page, sizeof(page), 0) != sizeof(page) ||
	    !swap_header_parse(page, &h) || !memcmp(h.uuid, none, sizeof(none)))
		return false;
	for (size_t b = 0; b < sizeof(h.uuid); b++)
		snprintf(hex + 2 * b, 3, "%02x", h.uuid[b]);
	return true;
}

struct json_object *swap_areas_json(void)
{
	struct json_object *array = json_object_new_array(), *o;
	_cleanup_fclose_ FILE *f = fopen("/proc/swaps", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	char hex[33];

	while (array && f && getline(&line, &room, f) > 0) {
		line[strcspn(line, " \t\n")] = '\0';
		unescape(line);
		if (line[0] != '/' || !read_uuid(line, hex))
			continue;
		o = json_object_new_object();
		if (!o || json_object_object_add(o, "path", json_object_new_string(line)) ||
		    json_object_object_add(o, "uuid", json_object_new_string(hex)) ||
		    json_object_array_add(array, o)) {
			json_object_put(o);
			json_object_put(array);
			return NULL;
		}
	}
	return array;
}

static bool parse_hex(const char *hex, u8 *bytes, size_t n)
{
	char digits[3] = "";

	if (strlen(hex) != 2 * n || strspn(hex, "0123456789abcdef") != 2 * n)
		return false;
	for (size_t b = 0; b < n; b++) {
		memcpy(digits, hex + 2 * b, 2);
		bytes[b] = (u8)strtoul(digits, NULL, 16);
	}
	return true;
}

/* The area's own blocks were counted from @offset bytes of another device. False: that is none. */
static bool move_extents(struct m_swap_area *a, s64 offset)
{
	u64 blocks = (u64)offset / OHIB_PAGE_SIZE;
	struct m_swap_extent *e;

	if (offset < 0 || offset % OHIB_PAGE_SIZE)
		return false;
	for (size_t i = 0; i < a->extents.n; i++)
		if (a->extents.v[i].start_block > (u64)INT64_MAX / OHIB_PAGE_SIZE - blocks)
			return false;
	for (size_t i = 0; i < a->extents.n; i++) {
		e = &a->extents.v[i];
		e->start_block += blocks;
	}
	a->first_block = blocks;
	return true;
}

/* False: not what area_tell() writes. */
static bool apply_passing(struct m_swap_area *a, struct json_object *o, struct json_object *offset)
{
	a->passing = true;
	a->encrypted = json_object_get_boolean(json_object_object_get(o, "encrypted"));
	return json_object_is_type(offset, json_type_int) && move_extents(a, json_object_get_int64(offset));
}

void swap_areas_apply(struct m_system *s, struct json_object *array)
{
	if (!json_object_is_type(array, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *o = json_object_array_get_idx(array, i), *path, *uuid, *offset;
		bool passing = json_object_object_get_ex(o, "offset", &offset);

		if (!json_object_object_get_ex(o, "path", &path) ||
		    !json_object_object_get_ex(o, "uuid", &uuid) ||
		    !json_object_is_type(path, json_type_string) ||
		    !json_object_is_type(uuid, json_type_string))
			continue;
		for (size_t k = 0; k < s->swaps.n; k++) {
			struct m_swap_area *a = &s->swaps.v[k];

			if (!a->path || strcmp(a->path, json_object_get_string(path)) || a->has_uuid)
				continue;
			if (!passing || apply_passing(a, o, offset))
				a->has_uuid = parse_hex(json_object_get_string(uuid), a->uuid, sizeof(a->uuid));
		}
	}
}
