// SPDX-License-Identifier: GPL-2.0-only
/* Which machine it is: Reads /sys/class/dmi/id/product_uuid, /proc/cpuinfo. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "config/hardware.h"
#include "util/cleanup.h"
#include "util/file.h"

#define PRODUCT_UUID "/sys/class/dmi/id/product_uuid"

/* The first processor's value of @key; they are all alike. */
static void cpu_value(const char *text, const char *key, char *out, size_t size)
{
	const char *p = text;

	snprintf(out, size, "?");
	while (p && strncmp(p, key, strlen(key))) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	p = p ? strchr(p, ':') : NULL;
	if (p)
		snprintf(out, size, "%.*s", (int)strcspn(p + 1, "\n"), p + 1 + (p[1] == ' '));
}

struct json_object *hardware_json(void)
{
	struct json_object *o = json_object_new_object();
	_cleanup_free_ char *uuid = NULL, *cpus = NULL;
	char vendor[32], family[16], model[16], cpu[72];
	size_t len;

	if (!file_read_all(PRODUCT_UUID, &uuid, &len)) {
		uuid[strcspn(uuid, "\n")] = '\0';
		json_object_object_add(o, "product_uuid", json_object_new_string(uuid));
	}
	if (!file_read_all("/proc/cpuinfo", &cpus, &len)) {
		cpu_value(cpus, "vendor_id", vendor, sizeof(vendor));
		cpu_value(cpus, "cpu family", family, sizeof(family));
		cpu_value(cpus, "model\t", model, sizeof(model));
		snprintf(cpu, sizeof(cpu), "%s %s %s", vendor, family, model);
		json_object_object_add(o, "cpu", json_object_new_string(cpu));
	}
	return o;
}

int hardware_compare(struct json_object *was, struct ohib_err *err)
{
	static const char *const keys[] = { "product_uuid", "cpu" };
	struct json_object *is = hardware_json();
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *a = json_object_get_string(json_object_object_get(was, keys[i]));
		const char *b = json_object_get_string(json_object_object_get(is, keys[i]));

		if (a && b && strcmp(a, b))
			r = ohib_err_set(err, -EXDEV, "the image is of another machine: its %s is \"%s\", here "
					 "it is \"%s\"", keys[i], a, b);
	}
	json_object_put(is);
	return r;
}
