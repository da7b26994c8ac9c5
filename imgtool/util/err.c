// SPDX-License-Identifier: GPL-2.0-only
/* An error with its place. */
#include <stdarg.h>
#include <stdio.h>

#include "util/err.h"

static int set(struct ohib_err *e, pid_t pid, int code, const char *fmt, va_list ap)
{
	if (e && !e->code) {
		e->code = code;
		e->pid = pid;
		vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	}
	return code;
}

int ohib_err_set(struct ohib_err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(e, 0, code, fmt, ap);
	va_end(ap);
	return code;
}

int ohib_err_pid(struct ohib_err *e, pid_t pid, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(e, pid, code, fmt, ap);
	va_end(ap);
	return code;
}

void ohib_err_clear(struct ohib_err *e)
{
	e->code = 0;
	e->pid = 0;
	e->msg[0] = '\0';
}
