// SPDX-License-Identifier: GPL-2.0-only
/*
 * The config section: what the capture itself knows about the machine, as JSON.
 *
 *	version        1
 *	uname          {sysname, nodename, release, version, machine, domainname}
 *	machine_id, boot_id, cmdline, page_size
 *	realtime_ns, monotonic_ns, boottime_ns
 *	               as this process sees them, taken right before the copy
 *	timens_offsets text of /proc/self/timens_offsets
 *	tool_pid, tool_tid, tool_woken, tool_woken_size
 *	               this process, and the address in it of a struct ohib_woken
 *	modules        [{name, size, used_by: [name…], parameters: {name: value}}]
 *	mountinfo      text of /proc/1/mountinfo
 *	swap_areas     [{path, uuid}]: what swap/swap.h needs to find them again
 *	hardware       {product_uuid, cpu, pci}: see hardware.h
 *	filesystems    [{dev, node, stacked, type, offset, bytes}]: super blocks, see fsident.c
 *
 * Others add to it through capture_opts.config.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "capture/parts.h"
#include "config/hardware.h"
#include "swap/swap.h"
#include "util/cleanup.h"
#include "util/file.h"

static void add_text(struct json_object *to, const char *key, const char *path, bool one_line)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (file_read_all(path, &text, &len))
		return;
	if (one_line)
		text[strcspn(text, "\n")] = '\0';
	json_object_object_add(to, key, json_object_new_string(text));
}

static void add_uname(struct json_object *to)
{
	struct json_object *u = json_object_new_object();
	struct utsname n;

	uname(&n);
	json_object_object_add(u, "sysname", json_object_new_string(n.sysname));
	json_object_object_add(u, "nodename", json_object_new_string(n.nodename));
	json_object_object_add(u, "release", json_object_new_string(n.release));
	json_object_object_add(u, "version", json_object_new_string(n.version));
	json_object_object_add(u, "machine", json_object_new_string(n.machine));
	json_object_object_add(u, "domainname", json_object_new_string(n.domainname));
	json_object_object_add(to, "uname", u);
}

static struct json_object *module_parameters(const char *name)
{
	struct json_object *o = json_object_new_object();
	char path[512];
	struct dirent *de;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters", name);
	d = opendir(path);
	if (!d)
		return o;
	while ((de = readdir(d))) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", name, de->d_name);
		add_text(o, de->d_name, path, true);
	}
	closedir(d);
	return o;
}

static void add_modules(struct json_object *to)
{
	struct json_object *list = json_object_new_array();
	_cleanup_fclose_ FILE *f = fopen("/proc/modules", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	json_object_object_add(to, "modules", list);
	while (f && getline(&line, &room, f) > 0) {
		struct json_object *m, *used_by;
		char name[64], users[2048], *save, *p;
		unsigned long size;

		/* name size refcount users state address; users is "-" or "a,b," */
		if (sscanf(line, "%63s %lu %*d %2047s", name, &size, users) != 3)
			continue;
		m = json_object_new_object();
		used_by = json_object_new_array();
		json_object_object_add(m, "name", json_object_new_string(name));
		json_object_object_add(m, "size", json_object_new_int64((int64_t)size));
		for (p = strtok_r(users, ",", &save); p; p = strtok_r(NULL, ",", &save))
			if (strcmp(p, "-"))
				json_object_array_add(used_by, json_object_new_string(p));
		json_object_object_add(m, "used_by", used_by);
		json_object_object_add(m, "parameters", module_parameters(name));
		json_object_array_add(list, m);
	}
}

struct json_object *capture_config_create(const struct ohib_woken *woken, struct ohib_err *err)
{
	struct json_object *c = json_object_new_object();

	if (!c) {
		ohib_err_set(err, -ENOMEM, "config section: out of memory");
		return NULL;
	}
	json_object_object_add(c, "version", json_object_new_int(1));
	add_uname(c);
	add_text(c, "machine_id", "/etc/machine-id", true);
	add_text(c, "boot_id", "/proc/sys/kernel/random/boot_id", true);
	add_text(c, "cmdline", "/proc/cmdline", true);
	json_object_object_add(c, "hardware", hardware_json());
	json_object_object_add(c, "page_size", json_object_new_int(4096));
	json_object_object_add(c, "tool_pid", json_object_new_int(getpid()));
	json_object_object_add(c, "tool_tid", json_object_new_int((int)syscall(SYS_gettid)));
	json_object_object_add(c, "tool_woken", json_object_new_int64((int64_t)(uintptr_t)woken));
	json_object_object_add(c, "tool_woken_size", json_object_new_int((int)sizeof(*woken)));
	add_modules(c);
	add_text(c, "mountinfo", "/proc/1/mountinfo", false);
	json_object_object_add(c, "swap_areas", swap_areas_json());
	return c;
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * (int64_t)NSEC_PER_SEC + t.tv_nsec;
}

void capture_config_clocks(struct json_object *config)
{
	add_text(config, "timens_offsets", "/proc/self/timens_offsets", false);
	json_object_object_add(config, "realtime_ns",
			       json_object_new_int64(clock_ns(CLOCK_REALTIME)));
	json_object_object_add(config, "monotonic_ns",
			       json_object_new_int64(clock_ns(CLOCK_MONOTONIC)));
	json_object_object_add(config, "boottime_ns",
			       json_object_new_int64(clock_ns(CLOCK_BOOTTIME)));
}
