// SPDX-License-Identifier: GPL-2.0-only
/* Hash map from a non-zero u64 to a pointer: open addressing, grows at half full. */
#include <errno.h>
#include <stdlib.h>

#include "util/map.h"

static size_t slot_of(const struct map *m, u64 key)
{
	size_t i = (key * 0x9e3779b97f4a7c15ull) >> 20 & (m->cap - 1);

	while (m->slots[i].key && m->slots[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

void *map_get(const struct map *m, u64 key)
{
	return m->cap && key ? m->slots[slot_of(m, key)].value : NULL;
}

static int grow(struct map *m)
{
	struct map bigger = { .cap = m->cap ? m->cap * 2 : 64 };
	size_t i;

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (i = 0; i < m->cap; i++)
		if (m->slots[i].key)
			bigger.slots[slot_of(&bigger, m->slots[i].key)] = m->slots[i];
	bigger.n = m->n;
	free(m->slots);
	*m = bigger;
	return 0;
}

int map_put(struct map *m, u64 key, void *value)
{
	size_t i;

	if (!key)
		return -EINVAL;
	if (m->n * 2 >= m->cap && grow(m))
		return -ENOMEM;
	i = slot_of(m, key);
	if (!m->slots[i].key) {
		m->slots[i].key = key;
		m->n++;
	}
	m->slots[i].value = value;
	return 0;
}

void map_free(struct map *m)
{
	free(m->slots);
	*m = (struct map){};
}
