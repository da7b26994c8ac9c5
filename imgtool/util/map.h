/* SPDX-License-Identifier: GPL-2.0-only */
/* Hash map from a non-zero u64 (an address, an inode number) to a pointer. */
#pragma once

#include "util/types.h"

struct map {
	struct map_slot {
		u64 key;
		void *value;
	} *slots;
	size_t n, cap;
};

void *map_get(const struct map *m, u64 key);		/* NULL: not there */
int map_put(struct map *m, u64 key, void *value);	/* adds or replaces; -ENOMEM */
void map_free(struct map *m);				/* the values are the caller's */
