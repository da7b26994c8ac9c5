// SPDX-License-Identifier: GPL-2.0-only
/*
 * All pages of an image in stream order: threads read and unpack groups of chunks ahead, the
 * caller's thread hands their pages on.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "image/reader.h"

#define GROUP_BYTES (1u << 20) /* of pages: what one thread reads at a time */
#define THREADS_MAX 16u

struct group {
	u8 *stored, *out;
	bool ready;
};

struct bulk {
	struct ohib_image *img;
	struct ohib_err *err;
	size_t room;   /* of one chunk */
	u64 per_group; /* chunks */
	u64 nr_groups; /* in the image */
	struct group *ring;
	unsigned int nr_ring;

	pthread_mutex_t lock;
	pthread_cond_t may_take, ready;
	u64 taken, done; /* groups */
	int failed;

	struct group *cur; /* what the caller's thread is handing out; group number cur_n */
	u64 cur_n;
};

/* Chunks written one after the other are read with one read. */
static int group_read(struct bulk *b, u64 first, u64 n, u8 *stored, u64 *at)
{
	const struct ohib_chunk_entry *index = b->img->index;
	u64 i = 0, pos = 0;
	int r = 0;

	while (!r && i < n) {
		u64 offset = index[first + i].offset, len = 0, from = pos;

		while (i < n && (!index[first + i].stored_len || !len ||
				 index[first + i].offset == offset + len)) {
			if (index[first + i].stored_len && !len)
				offset = index[first + i].offset;
			at[i] = pos;
			pos += chunk_room(&index[first + i]);
			len += chunk_room(&index[first + i]);
			i++;
		}
		if (len)
			r = image_dev_read(&b->img->dev, offset, stored + from, len);
	}
	return r;
}

static int group_load(struct bulk *b, struct aead *cipher, u64 n, struct group *g,
		      struct ohib_err *err)
{
	u64 first = n * b->per_group, left = b->img->hdr.nr_chunks - first;
	u64 nr = left < b->per_group ? left : b->per_group;
	u64 at[GROUP_BYTES / OHIB_PAGE_SIZE];
	int r = group_read(b, first, nr, g->stored, at);

	if (r)
		return ohib_err_set(err, r, "%s: reading chunk %llu and following: %s",
				    b->img->dev.path, (unsigned long long)first, strerror(-r));
	for (u64 i = 0; !r && i < nr; i++)
		r = image_chunk_unpack(b->img, cipher, first + i, g->stored + at[i],
				       g->out + i * b->room, err);
	return r;
}

static void *loader_main(void *arg)
{
	struct bulk *b = arg;
	struct ohib_err err = {0};
	struct aead *cipher = NULL;
	int bad = image_cipher_create(b->img, &cipher, &err);

	pthread_mutex_lock(&b->lock);
	for (;;) {
		struct group *g;
		u64 n;
		int r;

		while (!b->failed && b->taken < b->nr_groups && b->taken - b->done == b->nr_ring)
			pthread_cond_wait(&b->may_take, &b->lock);
		if (b->failed || b->taken == b->nr_groups)
			break;
		n = b->taken++;
		g = &b->ring[n % b->nr_ring];
		pthread_mutex_unlock(&b->lock);
		r = bad ? bad : group_load(b, cipher, n, g, &err);
		pthread_mutex_lock(&b->lock);
		if (r && !b->failed) {
			b->failed = r;
			ohib_err_set(b->err, r, "%s", err.msg);
			pthread_cond_broadcast(&b->may_take);
		}
		g->ready = true;
		pthread_cond_signal(&b->ready);
	}
	pthread_mutex_unlock(&b->lock);
	aead_free(cipher);
	return NULL;
}

/* Move on to group @n, which is the next one or the one at hand. */
static int group_want(struct bulk *b, u64 n)
{
	int r;

	if (b->cur && b->cur_n == n)
		return 0;
	pthread_mutex_lock(&b->lock);
	if (b->cur) {
		b->cur->ready = false;
		b->done++;
		pthread_cond_broadcast(&b->may_take);
	}
	b->cur = &b->ring[n % b->nr_ring];
	b->cur_n = n;
	while (!b->failed && !b->cur->ready)
		pthread_cond_wait(&b->ready, &b->lock);
	r = b->failed;
	pthread_mutex_unlock(&b->lock);
	return r;
}

static int hand_out(struct bulk *b, int (*page)(void *, u64, const void *), void *arg)
{
	const struct ohib_image *img = b->img;
	unsigned int chunk_pages = img->hdr.chunk_pages;
	u64 data_page = 0;
	int r = 0;

	for (size_t i = 0; i < img->nr_runs; i++) {
		const struct pfn_run *run = &img->stream[i];

		for (u32 k = 0; k < run->count; k++) {
			const u8 *data = ohib_zero_page;

			if (run->first != PFN_RUN_ZERO) {
				u64 chunk = data_page / chunk_pages;

				r = group_want(b, chunk / b->per_group);
				if (r)
					return r;
				data = image_chunk_page(&img->index[chunk],
							b->cur->out +
								chunk % b->per_group * b->room,
							(unsigned int)(data_page % chunk_pages));
				data_page++;
			}
			r = page ? page(arg, run->pfn + k, data) : 0;
			if (r)
				return r;
		}
	}
	return 0;
}

int ohib_image_for_each_page(struct ohib_image *img, unsigned int nr_threads,
			     int (*page)(void *arg, u64 pfn, const void *data), void *arg,
			     struct ohib_err *err)
{
	struct bulk b = {.img = img, .err = err, .room = image_chunk_room(img)};
	pthread_t threads[THREADS_MAX];
	unsigned int running = 0;
	size_t group_room;
	u8 *mem;
	int r = 0;

	if (!nr_threads)
		nr_threads = (unsigned int)get_nprocs();
	if (nr_threads > THREADS_MAX)
		nr_threads = THREADS_MAX;
	b.per_group = GROUP_BYTES / b.room ? GROUP_BYTES / b.room : 1;
	b.nr_groups = (img->hdr.nr_chunks + b.per_group - 1) / b.per_group;
	b.nr_ring = 2 * nr_threads + 2;
	group_room = b.per_group * b.room;
	mem = image_pages_alloc(2 * group_room * b.nr_ring);
	b.ring = calloc(b.nr_ring, sizeof(*b.ring));
	if (!mem || !b.ring) {
		r = ohib_err_set(err, -ENOMEM, "reading pages: out of memory");
		goto out;
	}
	for (unsigned int i = 0; i < b.nr_ring; i++) {
		b.ring[i].stored = mem + 2 * i * group_room;
		b.ring[i].out = b.ring[i].stored + group_room;
	}
	pthread_mutex_init(&b.lock, NULL);
	pthread_cond_init(&b.may_take, NULL);
	pthread_cond_init(&b.ready, NULL);
	for (; running < nr_threads; running++) {
		r = -pthread_create(&threads[running], NULL, loader_main, &b);
		if (r)
			break;
	}
	if (running)
		r = hand_out(&b, page, arg);
	else
		ohib_err_set(err, r, "reading pages: no thread: %s", strerror(-r));

	pthread_mutex_lock(&b.lock);
	if (!b.failed)
		b.failed = -ECANCELED; /* whoever still reads ahead may stop */
	pthread_cond_broadcast(&b.may_take);
	pthread_mutex_unlock(&b.lock);
	while (running)
		pthread_join(threads[--running], NULL);
	pthread_cond_destroy(&b.ready);
	pthread_cond_destroy(&b.may_take);
	pthread_mutex_destroy(&b.lock);
out:
	free(b.ring);
	image_pages_free(mem, 2 * group_room * b.nr_ring);
	return r;
}

int ohib_image_verify(struct ohib_image *img, unsigned int nr_threads, struct ohib_err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(img->hdr.sections); i++) {
		void *data;
		size_t len;
		int r;

		if (!img->hdr.sections[i].id)
			continue;
		r = ohib_image_section(img, img->hdr.sections[i].id, &data, &len, err);
		if (r)
			return r;
		free(data);
	}
	return ohib_image_for_each_page(img, nr_threads, NULL, NULL, err);
}
