// SPDX-License-Identifier: GPL-2.0-only
/*
 * The layers of a block device, told by sysfs.
 * Source: drivers/md/dm-sysfs.c (dm/name, dm/uuid), drivers/md/md.c (md/), block/holder.c (slaves/).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "disk/stack.h"
#include "util/cleanup.h"

struct walk {
	const char *sys;
	struct disk_layer *layers;
	int n;
};

/* The first line of a file in the device's folder; empty when there is none. */
static void attribute(const struct walk *w, const char *number, const char *name, char *out, size_t room)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[400];

	out[0] = '\0';
	snprintf(path, sizeof(path), "%s/dev/block/%s/%s", w->sys, number, name);
	f = fopen(path, "re");
	if (f && fgets(out, (int)room, f))
		out[strcspn(out, "\n")] = '\0';
}

static bool exists(const struct walk *w, const char *number, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/dev/block/%s/%s", w->sys, number, name);
	return !access(path, F_OK);
}

static void kernel_name(const struct walk *w, const char *number, char *out, size_t room)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[400], line[160];

	snprintf(path, sizeof(path), "%s/dev/block/%s/uevent", w->sys, number);
	f = fopen(path, "re");
	snprintf(out, room, "%s", number);
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "DEVNAME=%120s", out) == 1)
			return;
}

static enum disk_kind dm_kind(const char *uuid)
{
	if (!strncmp(uuid, "LVM-", 4))
		return DISK_LVM;
	if (!strncmp(uuid, "CRYPT-", 6))
		return DISK_CRYPT;
	return *uuid ? DISK_OTHER : DISK_LINEAR;
}

static int add(struct walk *w, const char *number, enum disk_kind kind, const char *name)
{
	struct disk_layer *l;

	if (w->n == DISK_LAYERS_MAX)
		return -E2BIG;
	l = &w->layers[w->n++];
	*l = (struct disk_layer){ .kind = kind };
	snprintf(l->name, sizeof(l->name), "%s", name);
	snprintf(l->number, sizeof(l->number), "%s", number);
	return 0;
}

static int walk(struct walk *w, const char *number);

/* How many devices it is made of, or an error. */
static int slaves(struct walk *w, const char *number)
{
	char path[400], name[300], next[24];
	struct dirent *de;
	int r = 0, n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/dev/block/%s/slaves", w->sys, number);
	d = opendir(path);
	while (r >= 0 && d && (de = readdir(d))) {
		if (de->d_name[0] == '.')
			continue;
		n++;
		snprintf(name, sizeof(name), "slaves/%s/dev", de->d_name);
		attribute(w, number, name, next, sizeof(next));
		r = walk(w, next);
	}
	if (d)
		closedir(d);
	return r < 0 ? r : n;
}

static int walk(struct walk *w, const char *number)
{
	char name[128], uuid[160], whole[24];
	int at = w->n, r = 0;

	if (exists(w, number, "partition")) {
		attribute(w, number, "../dev", whole, sizeof(whole));
		return *whole ? walk(w, whole) : -ENODEV;
	}
	if (!exists(w, number, "dev"))
		return -ENODEV;
	kernel_name(w, number, name, sizeof(name));
	if (exists(w, number, "dm")) {
		attribute(w, number, "dm/name", name, sizeof(name));
		attribute(w, number, "dm/uuid", uuid, sizeof(uuid));
		r = add(w, number, dm_kind(uuid), name);
	} else if (exists(w, number, "md")) {
		r = add(w, number, DISK_MD, name);
	} else if (exists(w, number, "loop")) {
		r = add(w, number, DISK_OTHER, name);
	}
	if (r)
		return r;
	at = w->n - at;
	r = slaves(w, number);
	/* bcache and what else is made of others without a name for it */
	if (r > 0 && !at)
		r = add(w, number, DISK_OTHER, name);
	return r < 0 ? r : 0;
}

int disk_stack(const char *sys, const char *number, struct disk_layer layers[DISK_LAYERS_MAX])
{
	struct walk w = { .sys = sys, .layers = layers };
	int r = walk(&w, number);

	return r < 0 ? r : w.n;
}
