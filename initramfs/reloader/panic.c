// SPDX-License-Identifier: GPL-2.0-only
/* During a trial a panic starts the machine anew, which brings the old one back. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reloader/trial.h"

#define PANIC "/proc/sys/kernel/panic"
#define SECONDS "10\n"

static bool is(const char *value)
{
	int fd = open(PANIC, O_RDONLY | O_CLOEXEC);
	char text[16] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return n > 0 && !strcmp(text, value);
}

static bool set(const char *value)
{
	int fd = open(PANIC, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, value, strlen(value)) > 0;

	if (fd >= 0)
		close(fd);
	return done;
}

bool panic_restarts(void)
{
	return is("0\n") && set(SECONDS);
}

void panic_as_before(void)
{
	/* Somebody else's value is left alone; what cannot be written stays as it is. */
	if (is(SECONDS))
		set("0\n");
}
