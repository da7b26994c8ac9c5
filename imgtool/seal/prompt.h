/* SPDX-License-Identifier: GPL-2.0-only */
/* Asking for a secret: on a terminal, or by way of a program that asks. */
#pragma once

#include "seal/secret.h"
#include "util/err.h"
#include "util/types.h"

#define PROMPT_BYTES_MAX 1024u

/*
 * One line from terminal @fd, which does not echo it; when it is no terminal, one line from it without
 * a prompt. Without its end of line. -ENODATA: there is nobody (end of file).
 */
int prompt_read(int fd, const char *prompt, struct secret **out, struct ohib_err *err);

/*
 * What shell command @program, with the prompt as its last argument, writes to its standard output:
 * plymouth, the distribution's askpass. One end of line is cut off. -ENODATA: it gave nothing or failed.
 */
int prompt_program(const char *program, const char *prompt, struct secret **out, struct ohib_err *err);
