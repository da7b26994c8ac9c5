// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the file systems on disks looked like when they were frozen.
 * Source: "filesystems" of the image's configuration: [{dev: "8:1", offset, bytes: hex, …}].
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <json-c/json.h>

#include "translate/xlate.h"

#define IDENT_BYTES_MAX 65536u

static const char *text(struct json_object *o, const char *key)
{
	const char *s = json_object_get_string(json_object_object_get(o, key));

	return s ? s : "";
}

static u8 *from_hex(struct xlate *x, const char *hex, size_t *len)
{
	unsigned int byte;
	u8 *out;

	*len = strlen(hex) / 2;
	if (!*len || *len > IDENT_BYTES_MAX || strlen(hex) % 2 ||
	    strspn(hex, "0123456789abcdef") != 2 * *len) {
		ohib_err_set(&x->err, -EBADMSG, "the image's record of a super block is damaged");
		return NULL;
	}
	out = x_alloc(x, *len);
	for (size_t i = 0; out && i < *len; i++) {
		sscanf(hex + 2 * i, "%2x", &byte);
		out[i] = (u8)byte;
	}
	return out;
}

void xlate_fs_identities(struct xlate *x, struct json_object *list)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n && !x_failed(x); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		struct m_superblock *sb;
		unsigned int ma, mi;

		if (sscanf(text(o, "dev"), "%u:%u", &ma, &mi) != 2)
			continue;
		vec_foreach(sb, &x->m->superblocks) {
			if (sb->kind != M_FS_BLOCK || sb->dev != makedev(ma, mi))
				continue;
			sb->ident = from_hex(x, text(o, "bytes"), &sb->ident_len);
			sb->ident_offset = json_object_get_uint64(json_object_object_get(o, "offset"));
		}
	}
}
