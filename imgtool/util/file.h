/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole small files, as procfs and sysfs have them. */
#pragma once

#include "util/types.h"

/* All of a file of unknown length, with a NUL behind; to be freed by the caller. */
int file_read_all(const char *path, char **data, size_t *len);
