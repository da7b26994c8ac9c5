// SPDX-License-Identifier: GPL-2.0-only
/* Which machine it is: Reads /sys/class/dmi/id/product_uuid, /proc/cpuinfo, /sys/bus/pci. */
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/hardware.h"
#include "util/cleanup.h"
#include "util/file.h"

#define PCI_DEVICES "/sys/bus/pci/devices"
#define PCI_SLOTS "/sys/bus/pci/slots"
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

/* False: no such device here, or @name is none. */
static bool pci_ids(const char *slot, char ids[16])
{
	unsigned int id[2];
	char path[256];

	for (int i = 0; i < 2; i++) {
		_cleanup_fclose_ FILE *f = NULL;

		snprintf(path, sizeof(path), PCI_DEVICES "/%.20s/%s", slot, i ? "device" : "vendor");
		f = fopen(path, "re");
		if (!f || fscanf(f, "%x", &id[i]) != 1)
			return false;
	}
	snprintf(ids, 16, "%04x:%04x", id[0] & 0xffff, id[1] & 0xffff);
	return true;
}

/* Is it in one of the slots whose changes the kernel notices, or behind a bridge that is? */
static bool pci_hotplug(const char *slot)
{
	_cleanup_free_ char *way = NULL;
	DIR *dir = opendir(PCI_SLOTS);
	char path[300], address[32];
	struct dirent *e;
	bool found = false;

	snprintf(path, sizeof(path), PCI_DEVICES "/%.20s", slot);
	way = realpath(path, NULL);
	while (way && !found && dir && (e = readdir(dir))) {
		_cleanup_fclose_ FILE *f = NULL;

		snprintf(path, sizeof(path), PCI_SLOTS "/%.200s/address", e->d_name);
		f = e->d_name[0] != '.' ? fopen(path, "re") : NULL;
		/* "0000:01:00": without a function */
		if (f && fscanf(f, "%31s", address) == 1 && strlen(address) == 10)
			found = strstr(way, address);
	}
	if (dir)
		closedir(dir);
	return found;
}

/*
 * Not what may be pulled out at any time (in a slot for that, or "removable", from 5.14 on), nor what a driver makes:
 * virtual functions, and domains that do not fit into 16 bits (drivers/pci/controller/vmd.c).
 */
static bool pci_fixed(const char *slot)
{
	_cleanup_free_ char *text = NULL;
	char path[256];
	size_t len;

	snprintf(path, sizeof(path), PCI_DEVICES "/%.20s/physfn", slot);
	if (strcspn(slot, ":") != 4 || !access(path, F_OK) || pci_hotplug(slot))
		return false;
	snprintf(path, sizeof(path), PCI_DEVICES "/%.20s/removable", slot);
	return file_read_all(path, &text, &len) || strncmp(text, "removable", 9);
}

static struct json_object *pci_json(void)
{
	struct json_object *o = json_object_new_object();
	DIR *dir = opendir(PCI_DEVICES);
	struct dirent *e;
	char ids[16];

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' && pci_fixed(e->d_name) && pci_ids(e->d_name, ids))
			json_object_object_add(o, e->d_name, json_object_new_string(ids));
	if (dir)
		closedir(dir);
	return o;
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
	json_object_object_add(o, "pci", pci_json());
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

int hardware_devices(struct json_object *was, struct ohib_err *err)
{
	struct json_object *list = json_object_object_get(was, "pci");
	char ids[16];

	if (!json_object_is_type(list, json_type_object))
		return 0;
	json_object_object_foreach(list, slot, value) {
		const char *had = json_object_get_string(value);

		if (!pci_ids(slot, ids))
			snprintf(ids, sizeof(ids), "nothing");
		if (!had || strcmp(had, ids))
			return ohib_err_set(err, -ENODEV, "the machine has other devices than when it was suspended: "
					    "PCI device %.20s was %.16s, and is %s", slot, had ? had : "?", ids);
	}
	return 0;
}
