/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the reader share; not for anyone else. */
#pragma once

#include <pthread.h>

#include "image/image.h"
#include "image/image_format.h"
#include "image/io.h"
#include "image/sealing.h"
#include "seal/secret.h"

/* Frames that follow each other and pages that follow each other; first == ~0: frames of zeros. */
struct pfn_run {
	u64 pfn;
	u32 count;
	u32 first;		/* data page of the stream */
};
#define PFN_RUN_ZERO UINT32_MAX

struct chunk_cache;

struct ohib_image {
	struct image_dev dev;
	struct ohib_header hdr;
	struct ohib_image_info info;
	struct ohib_chunk_entry *index;	/* hdr.nr_chunks, checked */
	struct pfn_run *runs;		/* sorted by pfn, none overlaps another */
	size_t nr_runs;
	struct pfn_run *stream;		/* the same in stream order; mostly the same array */
	pthread_mutex_t lock;		/* of the cache and its cipher */
	struct chunk_cache *cache;
	struct secret *keys;		/* struct image_keys; NULL: not sealed */
	struct aead *cipher;
};

/* Bytes on disk of chunk @e with the padding; 0: nothing is stored. */
static inline u64 chunk_room(const struct ohib_chunk_entry *e)
{
	return image_align(e->stored_len);
}

static inline unsigned int chunk_data_pages(const struct ohib_chunk_entry *e)
{
	return e->nr_pages - (unsigned int)__builtin_popcountll(e->zero_bits);
}

/* A cipher for one thread's chunks; NULL in @out when the image is not sealed. -ENOKEY: they are forgotten. */
int image_cipher_create(const struct ohib_image *img, struct aead **out, struct ohib_err *err);

/*
 * Check and unpack chunk @n, whose stored bytes are at @stored, into @out (room for the pages that
 * are not zero, in order). A sealed one is opened where it is stored. -EBADMSG.
 */
int image_chunk_unpack(const struct ohib_image *img, struct aead *cipher, u64 n, u8 *stored, u8 *out,
		       struct ohib_err *err);
/* Page @slot of a chunk unpacked to @out. */
const u8 *image_chunk_page(const struct ohib_chunk_entry *e, const u8 *out, unsigned int slot);

/* The lookup of @n list entries into img->runs and img->stream. -EBADMSG: not a list of this image. */
int image_runs_build(struct ohib_image *img, const u64 *list, u64 n, struct ohib_err *err);
/* The run with frame @pfn; NULL: it is not in the image. */
const struct pfn_run *image_run_find(const struct ohib_image *img, u64 pfn);

/* Room that any chunk of this image needs, stored and unpacked. */
size_t image_chunk_room(const struct ohib_image *img);

int image_cache_create(struct ohib_image *img, size_t bytes, struct chunk_cache **out);
void image_cache_destroy(struct chunk_cache *c);
/* The unpacked bytes of chunk @n; valid until the next call. Caller holds img->lock. */
int image_cache_get(struct ohib_image *img, u64 n, const u8 **out, struct ohib_err *err);
