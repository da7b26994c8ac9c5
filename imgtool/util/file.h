/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole files into memory. */
#pragma once

#include "util/types.h"

/*
 * All of @path, whose size need not be known (proc, sysfs), NUL-terminated behind its @len bytes; to be
 * freed by the caller. Negative errno.
 */
int file_read_all(const char *path, char **data, size_t *len);
