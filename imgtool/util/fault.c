// SPDX-License-Identifier: GPL-2.0-only
/* Fault points: what tests make go wrong, where and when. Empty unless built with FAULTS=1. */
#include "util/fault.h"

#ifdef OHIB_FAULTS

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>

#include "util/cleanup.h"
#include "util/file.h"

#define WORD "ohib.fault="

static const struct row {
	enum fault f;
	const char *name, *text;
} rows[] = {
#define FAULT(number, name, text) { FAULT_##name, #name, text },
#include "util/faults.def"
#undef FAULT
};

enum action { FAIL, CRASH, CUT };
static const char *const actions[] = { "fail", "crash", "cut" };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_set;
static struct {
	const struct row *row;	/* NULL: none */
	bool any;		/* every point, each time */
	unsigned int count;
	enum action action;
} want;
static unsigned int reached[ARRAY_SIZE(rows)];

static int parse(const char *setting)
{
	char name[32] = "", action[8] = "fail";
	unsigned int count = 1;
	int n = sscanf(setting, "%31[A-Z_]:%u:%7[a-z]", name, &count, action);

	want.row = NULL;
	want.any = n > 0 && !strcmp(name, "ANY");
	for (size_t i = 0; n > 0 && i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name))
			want.row = &rows[i];
	want.count = count;
	for (size_t i = 0; (want.row || want.any) && i < ARRAY_SIZE(actions); i++)
		if (!strcmp(actions[i], action)) {
			want.action = (enum action)i;
			return 0;
		}
	want.row = NULL;
	want.any = false;
	return -EINVAL;
}

int fault_set(const char *setting)
{
	is_set = true;
	memset(reached, 0, sizeof(reached));
	want.row = NULL;
	want.any = false;
	return setting ? parse(setting) : 0;
}

/* The word in a file, which may have zero bytes in it. */
static bool take_from(const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	char *at;

	if (file_read_all(path, &text, &len))
		return false;
	at = memmem(text, len, WORD, strlen(WORD));
	return at && !parse(at + strlen(WORD));
}

static void take_setting(void)
{
	const char *env = getenv("OHIB_FAULT");

	is_set = true;
	if ((!env || parse(env)) && !take_from("/proc/cmdline"))
		take_from("/sys/firmware/dmi/tables/DMI");
}

#define DEBUGCON 0xe9	/* QEMU: -device isa-debugcon,iobase=0xe9,chardev=… */
#define PVPANIC 0x505	/* QEMU: -device pvpanic -action panic=pause */

/*
 * The line is out and the machine stopped within microseconds, which nothing that goes by way of the kernel could
 * promise; and no descriptor is opened. Without these devices nothing happens.
 */
static void stop(const struct row *row, unsigned int count)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "@fault %d %s:%u %s\n", (int)row->f, row->name, count,
			 row->text);

	if (ioperm(DEBUGCON, 1, 1) || ioperm(PVPANIC, 1, 1))
		return;
	for (int i = 0; i < n && i < (int)sizeof(line) - 1; i++)
		outb((unsigned char)line[i], DEBUGCON);
	outb(1, PVPANIC);
	ioperm(DEBUGCON, 1, 0);
	ioperm(PVPANIC, 1, 0);
}

int fault_point(enum fault f, struct ohib_err *err)
{
	const struct row *row = NULL;
	unsigned int count = 0;
	bool hit;

	pthread_mutex_lock(&lock);
	if (!is_set)
		take_setting();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].f == f) {
			row = &rows[i];
			count = ++reached[i];
		}
	hit = want.any || (want.row && want.row == row && want.count == count);
	pthread_mutex_unlock(&lock);
	if (!hit)
		return 0;
	if (want.action == CUT) {
		stop(row, count);
		return 0;
	}
	if (want.action == CRASH)
		abort();
	return ohib_err_set(err, -EIO, "fault point %s:%u", row->name, count);
}

#endif
