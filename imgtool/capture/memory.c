// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much memory is in use, and how much of it a snapshot can hold.
 * Reads: /proc/meminfo, /proc/zoneinfo, /proc/swaps.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/memory.h"
#include "util/cleanup.h"
#include "util/file.h"

#define PAGES_FOR_IO 1024u	/* kernel/power/power.h: 4 MiB */
#define RELOADER (64u << 20)	/* what the reloader needs at least */
#define UNPACKED 3		/* bytes of an initramfs in memory for one in its file */
#define RELOADER_SHARE 64	/* of the memory carried: lists of pages */

/* Of a line "Key:   123 kB"; 0: there is none. */
static u64 kb(const char *text, const char *key)
{
	size_t len = strlen(key);
	const char *p;

	for (p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, key, len) && p[len] == ':')
			return strtoull(p + len + 1, NULL, 10) * 1024;
	}
	return 0;
}

/* The largest number in "(0, 958, 958)". */
static u64 largest(const char *p)
{
	u64 max = 0, n;
	char *end;

	for (p += strcspn(p, "(\n"); *p == '(' || *p == ','; p = end) {
		n = strtoull(p + 1, &end, 10);
		if (n > max)
			max = n;
	}
	return max;
}

/*
 * Pages of all zones, and those that the kernel keeps back (calculate_totalreserve_pages). A zone is the
 * lines from "high" over "present" and "managed" to "protection:"; "high:" is of a processor's list.
 */
static void zones(const char *text, u64 *present, u64 *reserve, u64 *min)
{
	u64 high = 0, managed = 0;
	char key[32];
	const char *p;
	u64 n;

	*present = *reserve = *min = 0;
	for (p = text; p && *p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (sscanf(p, " %31[a-z:]", key) != 1)
			continue;
		n = strtoull(p + strcspn(p, "0123456789\n"), NULL, 10);
		if (!strcmp(key, "min")) {
			*min += n;
		} else if (!strcmp(key, "high")) {
			high = n;
		} else if (!strcmp(key, "present")) {
			*present += n;
		} else if (!strcmp(key, "managed")) {
			managed = n;
		} else if (!strcmp(key, "protection:")) {
			n = largest(p) + high;
			*reserve += n < managed ? n : managed;
			high = managed = 0;
		}
	}
}

/* What is written to zram stays in memory. */
static void swap_areas(const char *text, u64 *free, u64 *in_use)
{
	unsigned long long size, used;
	char path[256];

	*free = *in_use = 0;
	for (const char *p = strchr(text, '\n'); p && p[1]; p = strchr(p + 1, '\n'))
		if (sscanf(p + 1, "%255s %*s %llu %llu", path, &size, &used) == 3 &&
		    strncmp(path, "/dev/zram", 9) && used <= size) {
			*free += (size - used) * 1024;
			*in_use += used * 1024;
		}
}

int memory_parse(const char *meminfo, const char *zoneinfo, const char *swaps, u64 reserved_size,
		 struct memory_use *u)
{
	u64 present, reserve, min, meta, free = kb(meminfo, "MemFree"), cached = kb(meminfo, "SwapCached");
	u64 drop, anon = kb(meminfo, "Active(anon)") + kb(meminfo, "Inactive(anon)"), away;

	zones(zoneinfo, &present, &reserve, &min);
	if (!present || !free || present * OHIB_PAGE_SIZE <= free)
		return -EBADMSG;
	*u = (struct memory_use){ .total = present * OHIB_PAGE_SIZE, .reserve = min * OHIB_PAGE_SIZE };
	swap_areas(swaps, &u->swap_free, &u->swapped);
	u->swapped = u->swapped > cached ? u->swapped - cached : 0;
	u->in_use = u->total - free;
	/* bitmaps of four bits a page, and their tree */
	meta = present / 8 / OHIB_PAGE_SIZE * 4 + 64;
	away = reserve + meta + PAGES_FOR_IO;
	u->limit = present > away ? (present - away) / 2 * OHIB_PAGE_SIZE : 0;
	u->limit = u->limit > 2 * reserved_size ? u->limit - 2 * reserved_size : 0;
	/* Not all of the slab lets go; what swap has already needs only to be forgotten. */
	drop = kb(meminfo, "Active(file)") + kb(meminfo, "Inactive(file)") +
	       kb(meminfo, "SReclaimable") / 2 + cached;
	u->keep = u->in_use > drop ? u->in_use - drop : 0;
	u->movable = anon > cached ? anon - cached : 0;
	if (u->movable > u->keep)
		u->movable = u->keep;
	return 0;
}

int memory_survey(struct memory_use *u, struct ohib_err *err)
{
	_cleanup_free_ char *meminfo = NULL, *zoneinfo = NULL, *swaps = NULL, *reserved = NULL;
	u64 reserved_size = 1u << 20;
	size_t len;
	int r;

	r = file_read_all("/proc/meminfo", &meminfo, &len);
	if (!r)
		r = file_read_all("/proc/zoneinfo", &zoneinfo, &len);
	if (!r && file_read_all("/proc/swaps", &swaps, &len))
		swaps = strdup("");	/* a kernel without swap */
	if (!file_read_all("/sys/power/reserved_size", &reserved, &len))
		reserved_size = strtoull(reserved, NULL, 10);
	if (!r && !swaps)
		r = -ENOMEM;
	if (!r)
		r = memory_parse(meminfo, zoneinfo, swaps, reserved_size, u);
	return r ? ohib_err_set(err, r, "how much memory is in use cannot be told: %s", strerror(-r)) : 0;
}

u64 memory_excess(const struct memory_use *u)
{
	return u->keep + MEMORY_OWN > u->limit ? u->keep + MEMORY_OWN - u->limit : 0;
}

u64 memory_stuck(const struct memory_use *u, u64 *swap)
{
	u64 excess = memory_excess(u), fixed;

	fixed = excess > u->movable ? excess - u->movable : 0;
	excess -= fixed;
	*swap = excess > u->swap_free ? excess - u->swap_free : 0;
	return fixed;
}

u64 memory_short_of_switch(const struct memory_use *u, u64 initramfs)
{
	/* the next kernel itself takes about as much as this one */
	u64 need = u->keep + u->swapped + RELOADER + initramfs * UNPACKED +
		   (u->movable + u->swapped) / RELOADER_SHARE + u->reserve;

	return need > u->total ? need - u->total : 0;
}
