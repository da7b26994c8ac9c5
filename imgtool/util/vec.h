/* SPDX-License-Identifier: GPL-2.0-only */
/* Growing array of any element type: VEC(struct foo *) v; vec_push(&v, p). */
#pragma once

#include <errno.h>
#include <stdlib.h>

#include "util/types.h"

#define VEC(type)                                                                                  \
	struct {                                                                                   \
		type *v;                                                                           \
		size_t n, cap;                                                                     \
	}

static inline int vec_grow(void **v, size_t *cap, size_t elem)
{
	size_t want = *cap ? *cap * 2 : 16;
	void *p = reallocarray(*v, want, elem);

	if (!p)
		return -ENOMEM;
	*v = p;
	*cap = want;
	return 0;
}

/* 0 or -ENOMEM; the vector is unchanged on failure. */
#define vec_push(vec, item)                                                                        \
	({                                                                                         \
		int __r = 0;                                                                       \
		if ((vec)->n == (vec)->cap)                                                        \
			__r = vec_grow((void **)&(vec)->v, &(vec)->cap, sizeof(*(vec)->v));        \
		if (!__r)                                                                          \
			(vec)->v[(vec)->n++] = (item);                                             \
		__r;                                                                               \
	})

#define vec_free(vec)                                                                              \
	do {                                                                                       \
		free((vec)->v);                                                                    \
		(vec)->v = NULL;                                                                   \
		(vec)->n = (vec)->cap = 0;                                                         \
	} while (0)

/* @item is declared by the caller; break and continue work as in any loop. */
#define vec_foreach(item, vec)                                                                     \
	for (size_t __i = 0; __i < (vec)->n && ((item) = (vec)->v[__i], 1); __i++)
