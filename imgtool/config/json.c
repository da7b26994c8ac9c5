// SPDX-License-Identifier: GPL-2.0-only
/* Members of a JSON object that nobody vouches for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/parts.h"

static struct json_object *get(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *v;

	if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &v) ||
	    !json_object_is_type(v, type))
		return NULL;
	return v;
}

const char *js_str(struct json_object *o, const char *key)
{
	struct json_object *v = get(o, key, json_type_string);

	return v ? json_object_get_string(v) : NULL;
}

s64 js_int(struct json_object *o, const char *key)
{
	struct json_object *v = get(o, key, json_type_int);

	return v ? json_object_get_int64(v) : 0;
}

struct json_object *js_obj(struct json_object *o, const char *key)
{
	return get(o, key, json_type_object);
}

struct json_object *js_arr(struct json_object *o, const char *key)
{
	return get(o, key, json_type_array);
}

size_t js_len(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

void js_add_str(struct json_object *o, const char *key, const char *s)
{
	json_object_object_add(o, key, json_object_new_string(s));
}

void js_add_int(struct json_object *o, const char *key, s64 v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

void js_add_hex(struct json_object *o, const char *key, const void *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *s = malloc(2 * len + 1);

	if (!s)
		return;
	for (size_t i = 0; i < len; i++) {
		s[2 * i] = digits[((const u8 *)p)[i] >> 4];
		s[2 * i + 1] = digits[((const u8 *)p)[i] & 15];
	}
	s[2 * len] = '\0';
	js_add_str(o, key, s);
	free(s);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int js_hex(const char *s, void *buf, size_t room)
{
	size_t n = strlen(s);

	if (n % 2)
		return -EINVAL;
	if (n / 2 > room)
		return -E2BIG;
	for (size_t i = 0; i < n / 2; i++) {
		int high = digit(s[2 * i]), low = digit(s[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		((u8 *)buf)[i] = (u8)(high << 4 | low);
	}
	return (int)(n / 2);
}
