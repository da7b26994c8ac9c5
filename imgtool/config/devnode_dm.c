// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nodes of device-mapper: dm-N is numbered as they are made, which may be in another order in the next boot. What
 * a device is its UUID tells, or its name where it has none.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "config/devnode.h"
#include "util/cleanup.h"

/* @folder: of the device in sysfs. */
static bool identity(const char *folder, char *buf, size_t room)
{
	static const char *const from[] = { "uuid", "name" };

	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		_cleanup_free_ char *text = NULL;
		char path[400];

		snprintf(path, sizeof(path), "%s/dm/%s", folder, from[i]);
		if (text_read(path, &text) < 0)
			return false;
		text[strcspn(text, "\n")] = '\0';
		if (*text)
			return snprintf(buf, room, "%s:%s", from[i], text) < (int)room;
	}
	return false;
}

bool dm_identity(dev_t rdev, char *buf, size_t room)
{
	char folder[64];

	snprintf(folder, sizeof(folder), "/sys/dev/block/%u:%u", major(rdev), minor(rdev));
	return identity(folder, buf, room);
}

bool dm_node_now(const char *wanted, char *name, size_t room)
{
	DIR *d = opendir("/sys/block");
	struct dirent *de;
	bool found = false;

	while (!found && d && (de = readdir(d))) {
		char folder[300], is[DM_IDENTITY_MAX];

		if (strncmp(de->d_name, "dm-", 3))
			continue;
		snprintf(folder, sizeof(folder), "/sys/block/%s", de->d_name);
		found = identity(folder, is, sizeof(is)) && !strcmp(is, wanted) &&
			snprintf(name, room, "%s", de->d_name) < (int)room;
	}
	if (d)
		closedir(d);
	return found;
}

/* The entry of the node that @target leads to, when that is a device of device-mapper's: "../dm-3". */
static struct json_object *entry_of(struct json_object *list, const char *target)
{
	const char *base = strrchr(target, '/');

	base = base ? base + 1 : target;
	if (strncmp(base, "dm-", 3))
		return NULL;
	for (size_t i = 0; i < js_len(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *path = js_str(o, "path");

		if (path && !strcmp(path, base))
			return js_str(o, "dm") ? o : NULL;
	}
	return NULL;
}

bool dm_target_now(struct json_object *list, const char *target, char *now, size_t room)
{
	struct json_object *o = entry_of(list, target);
	const char *base = strrchr(target, '/');
	char name[NAME_MAX + 1];

	if (!o)
		return snprintf(now, room, "%s", target) < (int)room;
	return dm_node_now(js_str(o, "dm"), name, sizeof(name)) &&
	       snprintf(now, room, "%.*s%s", base ? (int)(base + 1 - target) : 0, target, name) < (int)room;
}
