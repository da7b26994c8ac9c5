// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes an overlay image: what belongs to all of it, from claiming the device to arming. Its sections
 * are writer_section.c, its pages writer_pages.c.
 */
#include <errno.h>
#include <lz4.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "image/keyslot.h"
#include "image/writer_parts.h"
#include "seal/derive.h"
#include "util/cleanup.h"
#include "util/fault.h"

#define CHUNK_PAGES_DEFAULT 32u
#define SLOTS_PER_THREAD 12u
#define SLOTS_EXTRA 16u
#define TRIAL_ALIGN (1u << 20)

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
	TAKE(w->stacks, (w->nr_threads + 1) * (size_t)WRITER_STACK_BYTES);
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
	if (w->nr_threads > WRITER_THREADS_MAX)
		w->nr_threads = WRITER_THREADS_MAX;
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
	if (o->locks && o->locks->nr) {
		h->check_alg = OHIB_CHECK_AEAD;
		h->aead_alg = o->aead_alg ? o->aead_alg : aead_best();
	}
	return 0;
}

/* The key for what comes before memory is copied. */
static int keys_init(struct ohib_writer *w, struct ohib_err *err)
{
	int r;

	if (!w->opts.locks || !w->opts.locks->nr)
		return 0;
	if (w->opts.locks->nr > OHIB_KEY_SLOTS)
		return ohib_err_set(err, -E2BIG, "an image has %d key slots, %u were asked for",
				    OHIB_KEY_SLOTS, w->opts.locks->nr);
	w->locks = *w->opts.locks;
	w->keys = secret_create(sizeof(struct image_keys));
	if (!w->keys)
		return ohib_err_set(err, -ENOMEM, "no memory that can be locked for the image's keys");
	r = derive_new_key(((struct image_keys *)w->keys->data)->early);
	return r ? ohib_err_set(err, r, "no random bytes for the image's keys") : 0;
}

int ohib_writer_snapshot_taken(struct ohib_writer *w, struct ohib_err *err)
{
	int r;

	if (!w->keys)
		return 0;
	r = derive_new_key(((struct image_keys *)w->keys->data)->late);
	w->has_late_key = !r;
	return r ? ohib_err_set(err, r, "no random bytes for the image's keys") : 0;
}

void ohib_writer_forget_keys(struct ohib_writer *w)
{
	writer_pages_cancel(w);
	secret_free(w->keys);
	w->keys = NULL;
	w->has_late_key = false;
	explicit_bzero(&w->locks, sizeof(w->locks));
}

/* Key slots and the header's own tag, over all that does not change any more. */
static int header_seal(struct ohib_writer *w, struct ohib_err *err)
{
	const struct image_keys *keys;
	int r = w->has_late_key ? 0 : -ENOKEY;

	if (!w->keys)
		return 0;
	keys = (const void *)w->keys->data;
	for (unsigned int i = 0; !r && i < w->locks.nr; i++)
		r = keyslot_wrap(&w->state.hdr, i, &w->locks.v[i], keys);
	if (!r)
		r = sealing_header_seal(&w->state.hdr, keys);
	return r ? ohib_err_set(err, r, "sealing the header: %s", strerror(-r)) : 0;
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

	r = image_dev_open(&w->dev, opts->path, opts->room ? IMAGE_DEV_SHARE : IMAGE_DEV_WRITE, err);
	if (!r && opts->room && opts->room < w->dev.size)
		w->dev.size = opts->room;
	if (!r && w->dev.size < 2 * OHIB_DATA_OFFSET)
		r = ohib_err_set(err, -ENOSPC, "%s is too small for an image", opts->path);
	if (!r)
		r = header_init(w, err);
	if (!r)
		r = keys_init(w, err);
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

void ohib_writer_destroy(struct ohib_writer *w)
{
	if (!w)
		return;
	ohib_writer_forget_keys(w);
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

int ohib_writer_spend(struct ohib_writer *w, bool *on_trial, struct ohib_err *err)
{
	int r = image_state_load(&w->dev, &w->state, err);

	*on_trial = !r && ohib_state_on_trial(w->state.hdr.state);
	if (!r)
		r = image_state_move(&w->dev, &w->state, OHIB_STATE_SPENT, NULL, err);
	image_dev_close(&w->dev);
	return r;
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

	w->state.hdr.end_offset = w->cursor;
	/* Behind all that is in the sealed part, the trial's room too. */
	if (!r)
		r = header_seal(w, err);
	ohib_writer_forget_keys(w);
	if (r)
		return r;
	r = image_dev_flush(&w->dev);
	if (r)
		return ohib_err_set(err, r, "%s: flush: %s", w->opts.path, strerror(-r));
	return image_state_move(&w->dev, &w->state, OHIB_STATE_ARMED, NULL, err);
}

int ohib_writer_abandon(struct ohib_writer *w, const char *reason, struct ohib_err *err)
{
	enum ohib_state was = w->state.hdr.state;
	int r;

	image_state_destroy_keys(&w->state.hdr);
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
