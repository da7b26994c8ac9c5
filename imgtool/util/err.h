/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An error with its place. Library code fills one in and returns the negative errno; only the
 * commands and the reloader print it.
 */
#pragma once

#include "util/types.h"

struct ohib_err {
	int code;	/* negative errno; 0 while nothing has failed */
	pid_t pid;	/* process it is about; 0: none */
	char msg[480];	/* object and reason, one line, no full stop */
};

/*
 * Record a failure and return @code. The first failure wins: a later one does not overwrite it, so
 * that the cause is what is reported. @e may be NULL.
 */
int ohib_err_set(struct ohib_err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int ohib_err_pid(struct ohib_err *e, pid_t pid, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void ohib_err_clear(struct ohib_err *e);
