// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stream of pages: a ring of chunks between the caller (who fills them), threads that compress them
 * and one thread that writes them in stream order with O_DIRECT. The compressed chunks are written from
 * where they were made: one pwritev of many aligned buffers, no copy.
 */
#include <errno.h>
#include <lz4.h>
#include <stdio.h>
#include <string.h>

#include "image/writer_parts.h"
#include "util/fault.h"

/* LZ4's acceleration when the disk, or when the packers are what the others wait for. */
#define ACCELERATION_SMALL 2
#define ACCELERATION_QUICK 8
#define WRITE_BATCH 48

static void fail(struct ohib_writer *w, int code, const char *what)
{
	pthread_mutex_lock(&w->lock);
	if (!w->failed) {
		w->failed = code;
		snprintf(w->failed_what, sizeof(w->failed_what), "%s", what);
	}
	pthread_cond_broadcast(&w->may_fill);
	pthread_cond_broadcast(&w->may_pack);
	pthread_cond_broadcast(&w->may_write);
	pthread_mutex_unlock(&w->lock);
}

static void threads_join(struct ohib_writer *w)
{
	while (w->nr_running)
		pthread_join(w->threads[--w->nr_running], NULL);
}

static void ciphers_free(struct ohib_writer *w)
{
	for (unsigned int i = 0; i < w->nr_threads; i++) {
		aead_free(w->packers[i].aead);
		w->packers[i].aead = NULL;
	}
}

void writer_pages_cancel(struct ohib_writer *w)
{
	if (w->nr_running) {
		fail(w, -ECANCELED, "cancelled");
		threads_join(w);
	}
	ciphers_free(w);
}

u64 *ohib_writer_pfns(struct ohib_writer *w)
{
	return w->pfns;
}

u64 ohib_writer_max_pages(const struct ohib_writer *w)
{
	return w->opts.max_pages;
}

/* Seal what is to be stored where it is, or take its checksum. */
static int chunk_protect(struct packer *p, struct slot *s, u8 *stored)
{
	struct ohib_chunk_entry *e = &s->entry;

	if (p->aead)
		return sealing_seal(p->aead, p->w->state.hdr.uuid, SEAL_CHUNK,
				    s->first_page / p->w->opts.chunk_pages, stored, e->stored_len, &e->check,
				    &e->nonce);
	e->check = image_check(stored, e->stored_len);
	return 0;
}

/* Compress and seal one chunk; only the slot's owner touches it, so without the lock. */
static int pack(struct packer *p, struct slot *s, int acceleration)
{
	struct ohib_writer *w = p->w;
	struct ohib_chunk_entry *e = &s->entry;
	int raw = (int)(s->nr_data * OHIB_PAGE_SIZE), n = 0;

	*e = (struct ohib_chunk_entry){
		.first_page = s->first_page,
		.nr_pages = (u16)s->nr_pages,
		.zero_bits = s->zero_bits,
	};
	if (!raw)
		return 0;
	/* No smaller in 4 KiB blocks than it was: store it as it is, which is quicker to read. */
	n = LZ4_compress_fast_extState(p->lz4, (char *)s->raw, (char *)s->packed, raw,
				       (int)w->packed_room, acceleration);
	if (n <= 0 || image_align((u64)n) >= (u64)raw) {
		e->flags = OHIB_CHUNK_RAW;
		e->stored_len = (u32)raw;
		return chunk_protect(p, s, s->raw);
	}
	e->stored_len = (u32)n;
	memset(s->packed + n, 0, image_align((u64)n) - (u64)n);
	return chunk_protect(p, s, s->packed);
}

static void *packer_main(void *arg)
{
	struct packer *p = arg;
	struct ohib_writer *w = p->w;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		int acceleration = w->opts.acceleration;
		struct slot *s;
		int r;

		while (!w->failed && w->taken == w->filled && !w->no_more)
			pthread_cond_wait(&w->may_pack, &w->lock);
		if (w->failed || w->taken == w->filled)
			break;
		if (!acceleration)
			acceleration = w->filled - w->taken > w->nr_slots / 4 ? ACCELERATION_QUICK
									      : ACCELERATION_SMALL;
		s = &w->slots[w->taken++ % w->nr_slots];
		pthread_mutex_unlock(&w->lock);
		r = pack(p, s, acceleration);
		if (r) {
			fail(w, r, "sealing a chunk");
			return NULL;
		}
		pthread_mutex_lock(&w->lock);
		s->is_packed = true;
		if (s == &w->slots[w->written % w->nr_slots])
			pthread_cond_signal(&w->may_write);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Chunks packed in a row from w->written on; gives them their places on the device. */
static unsigned int batch_collect(struct ohib_writer *w, struct iovec *iov, int *n_iov, u64 *len)
{
	unsigned int n = 0;

	*n_iov = 0;
	*len = 0;
	/* Never the whole ring: the packers need slots while this batch is on its way. */
	while (n < WRITE_BATCH && n < w->nr_slots / 3 && w->written + n < w->taken) {
		struct slot *s = &w->slots[(w->written + n) % w->nr_slots];
		u64 room;

		if (!s->is_packed)
			break;
		room = image_align(s->entry.stored_len);
		s->entry.offset = s->entry.stored_len ? w->cursor + *len : 0;
		if (room) {
			iov[*n_iov].iov_base = s->entry.flags & OHIB_CHUNK_RAW ? s->raw : s->packed;
			iov[*n_iov].iov_len = room;
			(*n_iov)++;
		}
		*len += room;
		w->index[w->written + n] = s->entry;
		w->stored_bytes += s->entry.stored_len;
		n++;
	}
	return n;
}

static void *writer_main(void *arg)
{
	struct ohib_writer *w = arg;
	struct iovec iov[WRITE_BATCH];

	pthread_mutex_lock(&w->lock);
	for (;;) {
		unsigned int n = 0;
		int n_iov, r = 0;
		u64 len;

		while (!w->failed) {
			n = batch_collect(w, iov, &n_iov, &len);
			if (n || (w->no_more && w->written == w->filled))
				break;
			pthread_cond_wait(&w->may_write, &w->lock);
		}
		if (w->failed || !n)
			break;
		pthread_mutex_unlock(&w->lock);
		if (!writer_fits(w, len))
			r = -ENOSPC;
		else if (n_iov)
			r = image_dev_writev(&w->dev, w->cursor, iov, n_iov);
		if (r) {
			fail(w, r, r == -ENOSPC ? "the device is too small" : strerror(-r));
			return NULL;
		}
		pthread_mutex_lock(&w->lock);
		w->cursor += len;
		for (unsigned int i = 0; i < n; i++)
			w->slots[(w->written + i) % w->nr_slots].is_packed = false;
		w->written += n;
		pthread_cond_signal(&w->may_fill);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static int thread_start(struct ohib_writer *w, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r)
		return -r;
	r = pthread_attr_setstack(&attr, w->stacks + (size_t)w->nr_running * WRITER_STACK_BYTES,
				  WRITER_STACK_BYTES);
	if (!r)
		r = pthread_create(&w->threads[w->nr_running], &attr, fn, arg);
	if (!r)
		w->nr_running++;
	pthread_attr_destroy(&attr);
	return -r;
}

/* Each packer has its own; made only now, as they hold the late key. */
static int ciphers_create(struct ohib_writer *w)
{
	const struct image_keys *keys;
	int r = 0;

	if (!w->keys)
		return 0;
	if (!w->has_late_key)
		return -ENOKEY;
	keys = (const void *)w->keys->data;
	for (unsigned int i = 0; !r && i < w->nr_threads; i++)
		r = aead_create(w->state.hdr.aead_alg, keys->late, &w->packers[i].aead);
	return r;
}

int ohib_writer_pages_begin(struct ohib_writer *w, u64 nr_pfns, struct ohib_err *err)
{
	struct ohib_header *h = &w->state.hdr;
	int r;

	if (nr_pfns > w->opts.max_pages)
		return ohib_err_set(err, -E2BIG, "the snapshot has more pages than the machine");
	w->nr_pfns = nr_pfns;
	for (u64 i = 0; i < nr_pfns; i++)
		if (w->pfns[i] & OHIB_PFN_ZERO_FLAG)
			h->nr_zero_pages++;
	h->nr_pages = nr_pfns - h->nr_zero_pages;

	r = ciphers_create(w);
	if (!r)
		r = thread_start(w, writer_main, w);
	for (unsigned int i = 0; !r && i < w->nr_threads; i++) {
		r = thread_start(w, packer_main, &w->packers[i]);
		if (r && i)
			r = 0; /* fewer will do */
	}
	if (r) {
		fail(w, r, "no thread");
		threads_join(w);
		return ohib_err_set(err, r, "image writer: no thread or no cipher: %s", strerror(-r));
	}
	return 0;
}

void *ohib_writer_page(struct ohib_writer *w)
{
	if (!w->fill) {
		struct slot *s;
		bool failed;

		pthread_mutex_lock(&w->lock);
		while (!w->failed && w->filled - w->written == w->nr_slots)
			pthread_cond_wait(&w->may_fill, &w->lock);
		failed = w->failed;
		pthread_mutex_unlock(&w->lock);
		if (failed || w->pages_done == w->state.hdr.nr_pages)
			return NULL;
		s = &w->slots[w->filled % w->nr_slots];
		s->nr_pages = s->nr_data = 0;
		s->zero_bits = 0;
		s->first_page = w->pages_done;
		w->fill = s;
	}
	return w->fill->raw + (size_t)w->fill->nr_data * OHIB_PAGE_SIZE;
}

static bool page_is_zero(const u8 *page)
{
	u64 first;

	memcpy(&first, page, sizeof(first));
	return !first && !memcmp(page, page + sizeof(first), OHIB_PAGE_SIZE - sizeof(first));
}

static void fill_end(struct ohib_writer *w)
{
	w->fill = NULL;
	pthread_mutex_lock(&w->lock);
	w->filled++;
	pthread_cond_signal(&w->may_pack);
	pthread_mutex_unlock(&w->lock);
}

void ohib_writer_page_done(struct ohib_writer *w)
{
	struct slot *s = w->fill;

	if (page_is_zero(s->raw + (size_t)s->nr_data * OHIB_PAGE_SIZE)) {
		s->zero_bits |= 1ull << s->nr_pages;
		w->nr_zero_found++;
	} else {
		s->nr_data++;
	}
	s->nr_pages++;
	w->pages_done++;
	if (s->nr_pages == w->opts.chunk_pages || w->pages_done == w->state.hdr.nr_pages)
		fill_end(w);
}

int ohib_writer_pages_end(struct ohib_writer *w, struct ohib_err *err)
{
	struct ohib_header *h = &w->state.hdr;
	int r;

	pthread_mutex_lock(&w->lock);
	w->no_more = true;
	if (!w->failed && w->pages_done != h->nr_pages) {
		w->failed = -EPIPE;
		snprintf(w->failed_what, sizeof(w->failed_what),
			 "the stream ended after %llu of %llu pages",
			 (unsigned long long)w->pages_done, (unsigned long long)h->nr_pages);
	}
	pthread_cond_broadcast(&w->may_pack);
	pthread_cond_broadcast(&w->may_write);
	pthread_mutex_unlock(&w->lock);
	threads_join(w);
	ciphers_free(w);
	if (w->failed)
		return ohib_err_set(err, w->failed, "%s: writing pages: %s", w->opts.path,
				    w->failed_what);

	h->nr_zero_found = w->nr_zero_found;
	h->nr_chunks = w->filled;
	h->raw_bytes = h->nr_pages * OHIB_PAGE_SIZE;
	h->stored_bytes = w->stored_bytes;
	h->index_offset = w->cursor;
	h->index_len = h->nr_chunks * sizeof(*w->index);
	r = fault_point(FAULT_INDEX, NULL);
	if (!r)
		r = writer_protect(w, false, SEAL_INDEX, 0, w->index, h->index_len, &h->index_check,
				   &h->index_nonce);
	if (!r)
		r = writer_put(w, w->index, h->index_len);
	if (r)
		return ohib_err_set(err, r, "%s: chunk index: %s", w->opts.path,
				    r == -ENOSPC ? "the device is too small" : strerror(-r));
	/* Not compressed: that would need memory now, and the list is a five-hundredth of the
	 * image. */
	return writer_section_own(w, OHIB_SEC_PFN_INDEX, w->pfns, w->nr_pfns * sizeof(u64), err);
}
