/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes that nobody else may see: locked in memory, in no core dump, zeros in a process that is forked, wiped
 * when they are freed.
 */
#pragma once

#include "util/types.h"

struct secret {
	size_t len, room;
	u8 data[];
};

/* Zeroed, with @room bytes and len 0; NULL: out of memory that can be locked. */
struct secret *secret_create(size_t room);
/* NULL is allowed. */
void secret_free(struct secret *s);

static inline void cleanup_secret(struct secret **s)
{
	secret_free(*s);
}
#define _cleanup_secret_ __attribute__((cleanup(cleanup_secret)))
