/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the writer share; not for anyone else. */
#pragma once

#include <pthread.h>

#include "image/io.h"
#include "image/sealing.h"
#include "image/state.h"
#include "image/unlock.h"
#include "image/writer.h"

#define WRITER_THREADS_MAX 16u
#define WRITER_STACK_BYTES (128u << 10)

/*
 * A chunk's slot goes filling → full → packed → written and is then filled again. The four counters
 * filled ≥ taken ≥ … ≥ written only grow; slot n % nr_slots belongs to chunk n.
 */
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
	struct ohib_locks locks;
	struct secret *keys; /* struct image_keys; NULL: not sealed */
	bool has_late_key;

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
	pthread_t threads[WRITER_THREADS_MAX + 1];
	unsigned int nr_running;
	struct packer {
		struct ohib_writer *w;
		void *lz4;
		struct aead *aead; /* NULL: not sealed */
	} packers[WRITER_THREADS_MAX];

	struct slot *fill; /* slot being filled by the caller; NULL: none taken */
	u64 pages_done;
	u64 nr_zero_found;
	u64 stored_bytes;
};

/* The part [cursor, cursor + len) must fit; one page is kept for nothing past the end. */
bool writer_fits(const struct ohib_writer *w, u64 len);
/* Write an unaligned buffer: whole pages from where they are, the rest by way of a padded page. */
int writer_put(struct ohib_writer *w, const void *data, size_t len);

/*
 * Seal a part in place, or take its checksum. An early part is one from before memory was copied.
 * Returns 0 or a negative errno of libgcrypt.
 */
int writer_protect(struct ohib_writer *w, bool early, enum seal_part part, u64 number, void *data, size_t len,
		   struct ohib_check *check, struct ohib_nonce *nonce);

/* A section out of memory that may be changed by sealing it. */
int writer_section_own(struct ohib_writer *w, enum ohib_section id, void *data, size_t len,
		       struct ohib_err *err);

/* End the threads, if there are any: what they have at hand is lost. */
void writer_pages_cancel(struct ohib_writer *w);
