/* SPDX-License-Identifier: GPL-2.0-only */
/* Scope-bound freeing for user space code (GNU C cleanup attribute). */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Take a pointer out of a _cleanup_ variable, so that it is not freed at the end of the scope. */
#define no_free_ptr(p)                                                                             \
	({                                                                                         \
		__typeof__(p) __taken = (p);                                                       \
		(p) = NULL;                                                                        \
		__taken;                                                                           \
	})

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)
#define _cleanup_fclose_ _cleanup_(cleanup_fclose)
