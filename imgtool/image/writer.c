// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes an overlay image: a ring of chunks between the caller (who fills them), threads that
 * compress them and one thread that writes them in stream order with O_DIRECT.
 *
 * A chunk's slot goes filling → full → packed → written and is then filled again. The four counters
 * filled ≥ taken ≥ … ≥ written only grow; slot n % nr_slots belongs to chunk n. The compressed
 * chunks are written from where they were made: one pwritev of many aligned buffers, no copy.
 */
#include <errno.h>
#include <lz4.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "image/io.h"
#include "image/state.h"
#include "image/writer.h"
#include "util/cleanup.h"
#include "util/fault.h"

#define CHUNK_PAGES_DEFAULT 32u
/* LZ4's acceleration when the disk, or when the packers are what the others wait for. */
#define ACCELERATION_SMALL 2
#define ACCELERATION_QUICK 8
#define THREADS_MAX 16u
#define SLOTS_PER_THREAD 12u
#define SLOTS_EXTRA 16u
#define STACK_BYTES (128u << 10)
#define WRITE_BATCH 48
#define TRIAL_ALIGN (1u << 20)

struct slot {
	u8 *raw;      /* chunk_pages pages */
	u8 *packed;   /* room for the worst that LZ4 can make of them, and padding */
	u32 nr_pages; /* pages of the stream */
	u32 nr_data;  /* of them stored: not all zero */
	u64 zero_bits;
	u64 first_page;
	bool is_packed;
	struct ohib_chunk_entry entry;
};

struct ohib_writer {
	struct ohib_writer_opts opts;
	struct image_dev dev;
	struct image_state state;
	u64 cursor; /* where the next part goes */

	u8 *mem; /* one mapping for all that follows */
	size_t mem_len;
	size_t packed_room;
	struct slot *slots;
	unsigned int nr_slots;
	u64 *pfns;
	u64 nr_pfns;
	struct ohib_chunk_entry *index;
	u64 max_chunks;
	u8 *stacks;
	u8 *lz4_states;

	pthread_mutex_t lock;
	pthread_cond_t may_fill, may_pack, may_write;
	u64 filled, taken, written; /* chunks */
	bool no_more;		    /* the last chunk was filled */
	int failed;		    /* negative errno of the first failure */
	char failed_what[160];

	unsigned int nr_threads;
	pthread_t threads[THREADS_MAX + 1];
	unsigned int nr_running;
	struct packer {
		struct ohib_writer *w;
		void *lz4;
	} packers[THREADS_MAX];

	struct slot *fill; /* slot being filled by the caller; NULL: none taken */
	u64 pages_done;
	u64 nr_zero_found;
	u64 stored_bytes;
};

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

/* Parts of the one mapping: sizes are known from the options alone. Run once to add up, once to
 * set. */
static size_t carve(struct ohib_writer *w, u8 *base)
{
	size_t raw = (size_t)w->opts.chunk_pages * OHIB_PAGE_SIZE, at = 0;

#define TAKE(field, bytes)                                                                         \
	do {                                                                                       \
		if (base)                                                                          \
			(field) = (void *)(base + at);                                             \
		at += image_align(bytes);                                                          \
	} while (0)

	TAKE(w->slots, w->nr_slots * sizeof(*w->slots));
	TAKE(w->pfns, w->opts.max_pages * sizeof(u64));
	TAKE(w->index, w->max_chunks * sizeof(*w->index));
	TAKE(w->stacks, (w->nr_threads + 1) * (size_t)STACK_BYTES);
	TAKE(w->lz4_states, w->nr_threads * image_align((u64)LZ4_sizeofState()));
	for (unsigned int i = 0; i < w->nr_slots; i++) {
		u8 *unused __attribute__((unused)), **field;

		field = base ? &w->slots[i].raw : &unused;
		TAKE(*field, raw);
		field = base ? &w->slots[i].packed : &unused;
		TAKE(*field, w->packed_room);
	}
#undef TAKE
	return at;
}

static int writer_alloc(struct ohib_writer *w)
{
	unsigned int cpus = (unsigned int)get_nprocs();

	w->nr_threads = w->opts.nr_threads ? w->opts.nr_threads : cpus;
	if (w->nr_threads > THREADS_MAX)
		w->nr_threads = THREADS_MAX;
	w->nr_slots = w->nr_threads * SLOTS_PER_THREAD + SLOTS_EXTRA;
	w->max_chunks = (w->opts.max_pages + w->opts.chunk_pages - 1) / w->opts.chunk_pages;
	w->packed_room =
		image_align((u64)LZ4_compressBound((int)(w->opts.chunk_pages * OHIB_PAGE_SIZE)));
	w->mem_len = carve(w, NULL);
	w->mem = image_pages_alloc(w->mem_len);
	if (!w->mem)
		return -ENOMEM;
	carve(w, w->mem);
	for (unsigned int i = 0; i < w->nr_threads; i++)
		w->packers[i] = (struct packer){
			.w = w,
			.lz4 = w->lz4_states + i * image_align((u64)LZ4_sizeofState()),
		};
	return 0;
}

/* The header of a new image over what the device held before (its generation goes on). */
static int header_init(struct ohib_writer *w, struct ohib_err *err)
{
	const struct ohib_writer_opts *o = &w->opts;
	struct ohib_header *h = &w->state.hdr;
	u64 generation = 0;
	enum ohib_state was = OHIB_STATE_NONE;
	struct ohib_err ignored = {0};
	int r = image_state_load(&w->dev, &w->state, &ignored);

	if (!r) {
		generation = h->generation;
		was = h->state;
	} else if (r != -ENODATA && r != -EBADMSG) {
		return ohib_err_set(err, r, "%s", ignored.msg);
	} else {
		w->state.copy = 0;
	}
	if (!image_state_may_move(was, OHIB_STATE_WRITING))
		return ohib_err_set(err, -EBUSY,
				    "%s holds an image that is %s: resume it, or discard it with "
				    "overlayctl cancel",
				    w->dev.path, ohib_state_name(was));

	memset(h, 0, sizeof(*h));
	memcpy(h->magic, OHIB_MAGIC, sizeof(h->magic));
	h->version = OHIB_FORMAT_VERSION;
	h->header_bytes = OHIB_HEADER_BYTES;
	h->generation = generation;
	h->state = was;
	if (getrandom(h->uuid, sizeof(h->uuid), 0) != sizeof(h->uuid))
		return ohib_err_set(err, -EIO, "no random bytes for the image's identity");
	h->created = (u64)time(NULL);
	snprintf(h->machine_id, sizeof(h->machine_id), "%s", o->machine_id ? o->machine_id : "");
	snprintf(h->image_kernel, sizeof(h->image_kernel), "%s", o->image_kernel);
	snprintf(h->next_kernel, sizeof(h->next_kernel), "%s",
		 o->next_kernel ? o->next_kernel : "");
	snprintf(h->device, sizeof(h->device), "%s", o->device ? o->device : o->path);
	h->page_size = OHIB_PAGE_SIZE;
	h->chunk_pages = o->chunk_pages;
	h->compress_alg = OHIB_COMPRESS_LZ4;
	h->check_alg = OHIB_CHECK_XXH64;
	return 0;
}

int ohib_writer_create(const struct ohib_writer_opts *opts, struct ohib_writer **out,
		       struct ohib_err *err)
{
	struct ohib_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return ohib_err_set(err, -ENOMEM, "image writer: out of memory");
	w->opts = *opts;
	w->dev = (struct image_dev)IMAGE_DEV_CLOSED;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->may_fill, NULL);
	pthread_cond_init(&w->may_pack, NULL);
	pthread_cond_init(&w->may_write, NULL);
	if (!w->opts.chunk_pages)
		w->opts.chunk_pages = CHUNK_PAGES_DEFAULT;
	if (w->opts.chunk_pages > OHIB_CHUNK_PAGES_MAX)
		w->opts.chunk_pages = OHIB_CHUNK_PAGES_MAX;

	r = image_dev_open(&w->dev, opts->path, IMAGE_DEV_WRITE, err);
	if (!r && w->dev.size < 2 * OHIB_DATA_OFFSET)
		r = ohib_err_set(err, -ENOSPC, "%s is too small for an image", opts->path);
	if (!r)
		r = header_init(w, err);
	if (!r && writer_alloc(w))
		r = ohib_err_set(err, -ENOMEM, "image writer: out of memory (%zu bytes)",
				 w->mem_len);
	if (!r)
		r = image_state_move(&w->dev, &w->state, OHIB_STATE_WRITING, NULL, err);
	if (r) {
		ohib_writer_destroy(w);
		return r;
	}
	w->cursor = OHIB_DATA_OFFSET;
	*out = w;
	return 0;
}

static void threads_join(struct ohib_writer *w)
{
	while (w->nr_running)
		pthread_join(w->threads[--w->nr_running], NULL);
}

void ohib_writer_destroy(struct ohib_writer *w)
{
	if (!w)
		return;
	if (w->nr_running) {
		fail(w, -ECANCELED, "cancelled");
		threads_join(w);
	}
	image_dev_close(&w->dev);
	image_pages_free(w->mem, w->mem_len);
	pthread_cond_destroy(&w->may_write);
	pthread_cond_destroy(&w->may_pack);
	pthread_cond_destroy(&w->may_fill);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

const u8 *ohib_writer_uuid(const struct ohib_writer *w)
{
	return w->state.hdr.uuid;
}

void ohib_writer_release(struct ohib_writer *w)
{
	image_dev_close(&w->dev);
}

/* The part [cursor, cursor + len) must fit; one page is kept for nothing past the end. */
static bool fits(const struct ohib_writer *w, u64 len)
{
	return image_align(len) <= w->dev.size && w->cursor <= w->dev.size - image_align(len);
}

/* Write an unaligned buffer: whole pages from where they are, the rest by way of a padded page. */
static int write_padded(struct ohib_writer *w, const void *data, size_t len)
{
	_Alignas(4096) u8 page[OHIB_DISK_ALIGN];
	const u8 *p = data;
	int r = 0;

	if (!fits(w, len))
		return -ENOSPC;
	if (!((uintptr_t)p % OHIB_DISK_ALIGN)) {
		size_t whole = len & ~(size_t)(OHIB_DISK_ALIGN - 1);

		if (whole)
			r = image_dev_write(&w->dev, w->cursor, p, whole);
		w->cursor += whole;
		p += whole;
		len -= whole;
	}
	while (!r && len) {
		size_t n = len < sizeof(page) ? len : sizeof(page);

		memset(page, 0, sizeof(page));
		memcpy(page, p, n);
		r = image_dev_write(&w->dev, w->cursor, page, sizeof(page));
		w->cursor += sizeof(page);
		p += n;
		len -= n;
	}
	return r;
}

static int section_compress(const void *data, size_t len, u8 **out, size_t *out_len, size_t *room)
{
	int bound, n;

	*out = NULL;
	if (len > LZ4_MAX_INPUT_SIZE)
		return 0;
	bound = LZ4_compressBound((int)len);
	*room = (size_t)bound;
	*out = image_pages_alloc(*room);
	if (!*out)
		return -ENOMEM;
	n = LZ4_compress_default(data, (char *)*out, (int)len, bound);
	if (n <= 0 || (size_t)n >= len) {
		image_pages_free(*out, *room);
		*out = NULL;
		return 0;
	}
	*out_len = (size_t)n;
	return 0;
}

int ohib_writer_section(struct ohib_writer *w, enum ohib_section id, const void *data, size_t len,
			bool compress, struct ohib_err *err)
{
	struct ohib_header *h = &w->state.hdr;
	struct ohib_section_entry *e = NULL;
	size_t packed_len = 0, room = 0;
	u8 *packed = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(h->sections); i++) {
		if (h->sections[i].id == id)
			return ohib_err_set(err, -EEXIST, "section %s is in the image already",
					    ohib_section_name(id));
		if (!e && !h->sections[i].id)
			e = &h->sections[i];
	}
	if (!e)
		return ohib_err_set(err, -ENOSPC, "no room for section %s", ohib_section_name(id));
	if (compress && len) {
		r = section_compress(data, len, &packed, &packed_len, &room);
		if (r)
			return ohib_err_set(err, r, "section %s: out of memory",
					    ohib_section_name(id));
	}
	*e = (struct ohib_section_entry){
		.id = id,
		.flags = packed ? 0 : OHIB_SECTION_RAW,
		.offset = w->cursor,
		.stored_len = packed ? packed_len : len,
		.raw_len = len,
	};
	e->check = image_check(packed ? packed : data, e->stored_len);
	r = write_padded(w, packed ? packed : data, e->stored_len);
	if (packed)
		image_pages_free(packed, room);
	if (r) {
		memset(e, 0, sizeof(*e));
		return ohib_err_set(err, r, "%s: section %s: %s", w->dev.path,
				    ohib_section_name(id),
				    r == -ENOSPC ? "the device is too small" : strerror(-r));
	}
	return 0;
}

u64 *ohib_writer_pfns(struct ohib_writer *w)
{
	return w->pfns;
}

u64 ohib_writer_max_pages(const struct ohib_writer *w)
{
	return w->opts.max_pages;
}

/* Compress one chunk; only the slot's owner touches it, so without the lock. */
static void pack(struct ohib_writer *w, struct slot *s, void *lz4, int acceleration)
{
	struct ohib_chunk_entry *e = &s->entry;
	int raw = (int)(s->nr_data * OHIB_PAGE_SIZE), n = 0;

	*e = (struct ohib_chunk_entry){
		.first_page = s->first_page,
		.nr_pages = (u16)s->nr_pages,
		.zero_bits = s->zero_bits,
	};
	if (!raw)
		return;
	/* No smaller in 4 KiB blocks than it was: store it as it is, which is quicker to read. */
	n = LZ4_compress_fast_extState(lz4, (char *)s->raw, (char *)s->packed, raw,
				       (int)w->packed_room, acceleration);
	if (n <= 0 || image_align((u64)n) >= (u64)raw) {
		e->flags = OHIB_CHUNK_RAW;
		e->stored_len = (u32)raw;
		e->check = image_check(s->raw, (size_t)raw);
		return;
	}
	e->stored_len = (u32)n;
	e->check = image_check(s->packed, (size_t)n);
	memset(s->packed + n, 0, image_align((u64)n) - (u64)n);
}

static void *packer_main(void *arg)
{
	struct packer *p = arg;
	struct ohib_writer *w = p->w;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		int acceleration = w->opts.acceleration;
		struct slot *s;

		while (!w->failed && w->taken == w->filled && !w->no_more)
			pthread_cond_wait(&w->may_pack, &w->lock);
		if (w->failed || w->taken == w->filled)
			break;
		if (!acceleration)
			acceleration = w->filled - w->taken > w->nr_slots / 4 ? ACCELERATION_QUICK
									      : ACCELERATION_SMALL;
		s = &w->slots[w->taken++ % w->nr_slots];
		pthread_mutex_unlock(&w->lock);
		pack(w, s, p->lz4, acceleration);
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
		if (!fits(w, len))
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
	r = pthread_attr_setstack(&attr, w->stacks + (size_t)w->nr_running * STACK_BYTES,
				  STACK_BYTES);
	if (!r)
		r = pthread_create(&w->threads[w->nr_running], &attr, fn, arg);
	if (!r)
		w->nr_running++;
	pthread_attr_destroy(&attr);
	return -r;
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

	r = thread_start(w, writer_main, w);
	for (unsigned int i = 0; !r && i < w->nr_threads; i++) {
		r = thread_start(w, packer_main, &w->packers[i]);
		if (r && i)
			r = 0; /* fewer will do */
	}
	if (r) {
		fail(w, r, "no thread");
		threads_join(w);
		return ohib_err_set(err, r, "image writer: no thread: %s", strerror(-r));
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
	if (w->failed)
		return ohib_err_set(err, w->failed, "%s: writing pages: %s", w->opts.path,
				    w->failed_what);

	h->nr_zero_found = w->nr_zero_found;
	h->nr_chunks = w->filled;
	h->raw_bytes = h->nr_pages * OHIB_PAGE_SIZE;
	h->stored_bytes = w->stored_bytes;
	h->index_offset = w->cursor;
	h->index_len = h->nr_chunks * sizeof(*w->index);
	h->index_check = image_check(w->index, h->index_len);
	r = fault_point(FAULT_INDEX, NULL);
	if (!r)
		r = write_padded(w, w->index, h->index_len);
	if (r)
		return ohib_err_set(err, r, "%s: chunk index: %s", w->opts.path,
				    r == -ENOSPC ? "the device is too small" : strerror(-r));
	/* Not compressed: that would need memory now, and the list is a five-hundredth of the
	 * image. */
	return ohib_writer_section(w, OHIB_SEC_PFN_INDEX, w->pfns, w->nr_pfns * sizeof(u64), false,
				   err);
}

int ohib_writer_trial_room(u64 device, u64 end, u64 wanted, u64 *offset, u64 *bytes)
{
	u64 at = (end + TRIAL_ALIGN - 1) & ~(u64)(TRIAL_ALIGN - 1);
	u64 left = device > at ? (device - at) & ~(u64)(TRIAL_ALIGN - 1) : 0;

	wanted = (wanted + TRIAL_ALIGN - 1) & ~(u64)(TRIAL_ALIGN - 1);
	*offset = at;
	*bytes = wanted ? wanted : left;
	return *bytes < OHIB_TRIAL_MIN || *bytes > left ? -ENOSPC : 0;
}

static int trial_room(struct ohib_writer *w, struct ohib_err *err)
{
	struct ohib_header *h = &w->state.hdr;
	u64 wanted = w->opts.trial_bytes;

	if (ohib_writer_trial_room(w->dev.size, w->cursor, wanted, &h->trial_offset,
				   &h->trial_bytes))
		return ohib_err_set(err, -ENOSPC, "%s has %llu MB left behind the image and a trial "
				    "needs %llu MB: take a larger device, or do without --trial",
				    w->dev.path,
				    (unsigned long long)((w->dev.size - w->cursor) >> 20),
				    (unsigned long long)((wanted ? wanted : OHIB_TRIAL_MIN) >> 20));
	h->incompat |= OHIB_INCOMPAT_TRIAL;
	return 0;
}

int ohib_writer_arm(struct ohib_writer *w, struct ohib_err *err)
{
	int r = w->opts.trial ? trial_room(w, err) : 0;

	if (r)
		return r;
	w->state.hdr.end_offset = w->cursor;
	r = image_dev_flush(&w->dev);
	if (r)
		return ohib_err_set(err, r, "%s: flush: %s", w->opts.path, strerror(-r));
	return image_state_move(&w->dev, &w->state, OHIB_STATE_ARMED, NULL, err);
}

int ohib_writer_abandon(struct ohib_writer *w, const char *reason, struct ohib_err *err)
{
	enum ohib_state was = w->state.hdr.state;
	int r;

	r = image_state_move(&w->dev, &w->state, was == OHIB_STATE_ARMED ? OHIB_STATE_STALE : OHIB_STATE_NONE,
			     reason, err);
	if (r)
		w->state.hdr.state = was; /* it may be that still, and can be tried again */
	return r;
}

bool ohib_writer_may_be_armed(const struct ohib_writer *w)
{
	return w->state.hdr.state == OHIB_STATE_ARMED;
}

void ohib_writer_stats(const struct ohib_writer *w, struct ohib_writer_stats *out)
{
	const struct ohib_header *h = &w->state.hdr;

	*out = (struct ohib_writer_stats){
		.nr_pages = h->nr_pages,
		.nr_zero_pages = h->nr_zero_pages,
		.nr_zero_found = w->nr_zero_found,
		.raw_bytes = h->nr_pages * OHIB_PAGE_SIZE,
		.stored_bytes = w->stored_bytes,
		.disk_bytes = w->cursor,
		.pages_done = w->pages_done,
	};
}
