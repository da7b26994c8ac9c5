// SPDX-License-Identifier: GPL-2.0-only
/* The chunks of an image that are unpacked in memory: as many as fit, the longest unused goes
 * first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/reader.h"

#define NOWHERE UINT32_MAX

struct cache_slot {
	u64 chunk;
	u32 prev, next; /* in order of use */
	u8 *data;	/* allocated at first use */
};

struct chunk_cache {
	u32 *where; /* chunk → slot or NOWHERE */
	struct cache_slot *slots;
	u32 nr_slots, used;
	u32 head, tail; /* last used first */
	u8 *stored;	/* one chunk as it is on disk */
	size_t room;
};

int image_cache_create(struct ohib_image *img, size_t bytes, struct chunk_cache **out)
{
	size_t room = image_chunk_room(img), nr = bytes / room;
	struct chunk_cache *c = calloc(1, sizeof(*c));
	u64 chunks = img->hdr.nr_chunks;

	if (!c)
		return -ENOMEM;
	if (!nr)
		nr = 1;
	if (nr > chunks)
		nr = chunks ? chunks : 1;
	c->room = room;
	c->nr_slots = (u32)nr;
	c->head = c->tail = NOWHERE;
	c->slots = calloc(nr, sizeof(*c->slots));
	c->where = malloc((chunks ? chunks : 1) * sizeof(*c->where));
	c->stored = image_pages_alloc(room);
	if (!c->slots || !c->where || !c->stored) {
		image_cache_destroy(c);
		return -ENOMEM;
	}
	memset(c->where, 0xff, chunks * sizeof(*c->where));
	*out = c;
	return 0;
}

void image_cache_destroy(struct chunk_cache *c)
{
	if (!c)
		return;
	for (u32 i = 0; i < c->used; i++)
		free(c->slots[i].data);
	free(c->slots);
	free(c->where);
	image_pages_free(c->stored, c->room);
	free(c);
}

static void unlink_slot(struct chunk_cache *c, u32 i)
{
	struct cache_slot *s = &c->slots[i];

	if (s->prev != NOWHERE)
		c->slots[s->prev].next = s->next;
	else
		c->head = s->next;
	if (s->next != NOWHERE)
		c->slots[s->next].prev = s->prev;
	else
		c->tail = s->prev;
}

static void link_first(struct chunk_cache *c, u32 i)
{
	struct cache_slot *s = &c->slots[i];

	s->prev = NOWHERE;
	s->next = c->head;
	if (c->head != NOWHERE)
		c->slots[c->head].prev = i;
	else
		c->tail = i;
	c->head = i;
}

/* A slot that holds nothing and is in no list; NOWHERE: out of memory. */
static u32 slot_take(struct chunk_cache *c)
{
	u32 i;

	if (c->used < c->nr_slots) {
		u8 *data = malloc(c->room);

		if (data) {
			c->slots[c->used].data = data;
			return c->used++;
		}
		if (!c->used)
			return NOWHERE;
		c->nr_slots = c->used; /* do with what there is */
	}
	i = c->tail;
	unlink_slot(c, i);
	if (c->slots[i].chunk != UINT64_MAX)
		c->where[c->slots[i].chunk] = NOWHERE;
	return i;
}

int image_cache_get(struct ohib_image *img, u64 n, const u8 **out, struct ohib_err *err)
{
	const struct ohib_chunk_entry *e = &img->index[n];
	struct chunk_cache *c = img->cache;
	u32 i = c->where[n];
	int r = 0;

	if (i != NOWHERE) {
		if (c->head != i) {
			unlink_slot(c, i);
			link_first(c, i);
		}
		*out = c->slots[i].data;
		return 0;
	}
	i = slot_take(c);
	if (i == NOWHERE)
		return ohib_err_set(err, -ENOMEM, "chunk cache: out of memory");
	c->slots[i].chunk = UINT64_MAX;
	link_first(c, i);
	if (e->stored_len) {
		r = image_dev_read(&img->dev, e->offset, c->stored, chunk_room(e));
		if (r)
			return ohib_err_set(err, r, "%s: chunk %llu at byte %llu: %s",
					    img->dev.path, (unsigned long long)n,
					    (unsigned long long)e->offset, strerror(-r));
	}
	r = image_chunk_unpack(img, img->cipher, n, c->stored, c->slots[i].data, err);
	if (r)
		return r;
	c->slots[i].chunk = n;
	c->where[n] = i;
	*out = c->slots[i].data;
	return 0;
}
