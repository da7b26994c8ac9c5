/* SPDX-License-Identifier: GPL-2.0-only */
/* Bump allocator: everything of one machine is allocated together and freed together. */
#pragma once

#include "util/types.h"

struct arena;

struct arena *arena_create(void); /* NULL: out of memory */
void arena_destroy(struct arena *a);

/* Zeroed, 16-byte aligned memory that lives as long as the arena; NULL: out of memory. */
void *arena_alloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *s);
void *arena_memdup(struct arena *a, const void *p, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
