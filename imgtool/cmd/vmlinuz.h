/* SPDX-License-Identifier: GPL-2.0-only */
/* The type data (BTF) of a kernel that is not running, out of its file. */
#pragma once

#include "util/err.h"
#include "util/types.h"

/*
 * @kernel: a release with its vmlinuz in /boot, or a file: raw BTF, an ELF vmlinux, or a bzImage
 * (compressed with xz, zstd or gzip). *btf is to be freed by the caller.
 */
int vmlinuz_btf(const char *kernel, void **btf, size_t *len, struct ohib_err *err);
