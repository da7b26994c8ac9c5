// SPDX-License-Identifier: GPL-2.0-only
/* Fault points: what tests make go wrong, where and when. Empty unless built with FAULTS=1. */
#include "util/fault.h"

#ifdef OHIB_FAULTS

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

enum action { FAIL, CRASH, CUT, LIST };
static const char *const actions[] = { "fail", "crash", "cut", "list" };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_set;
static struct {
	const struct row *row;	/* NULL: none */
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
	for (size_t i = 0; n > 0 && i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name))
			want.row = &rows[i];
	want.count = count;
	for (size_t i = 0; want.row && i < ARRAY_SIZE(actions); i++)
		if (!strcmp(actions[i], action)) {
			want.action = (enum action)i;
			return 0;
		}
	want.row = NULL;
	return -EINVAL;
}

int fault_set(const char *setting)
{
	is_set = true;
	memset(reached, 0, sizeof(reached));
	want.row = NULL;
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

/* Opened for each line: the image of a hibernate holds no descriptor of it. */
static void tell(const struct row *row, unsigned int count, const char *what)
{
	int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return;
	dprintf(fd, "\r\n@fault %s:%u %s (%s)\r\n", row->name, count, what, row->text);
	close(fd);
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
	hit = want.row && want.row == row && want.count == count && want.action != LIST;
	pthread_mutex_unlock(&lock);
	if (want.row && want.action == LIST)
		tell(row, count, "reached");
	if (!hit)
		return 0;
	if (want.action == CUT) {
		tell(row, count, "cut");
		for (;;)
			pause();
	}
	if (want.action == CRASH)
		abort();
	return ohib_err_set(err, -EIO, "fault point %s:%u", row->name, count);
}

#endif
