// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opens an overlay image and hands out its sections and, by frame number, its pages.
 * Reads: header, sections, chunks. Never: trusts a length, offset or count out of them: all are
 * checked against the device and each other before they are used.
 */
#include <errno.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/reader.h"
#include "image/state.h"
#include "image/unlock.h"
#include "util/cleanup.h"

#define SECTION_BYTES_MAX (1ull << 30)
#define CACHE_DEFAULT (64u << 20)

const u8 ohib_zero_page[OHIB_PAGE_SIZE] __attribute__((aligned(4096)));

static const char *const section_names[OHIB_SEC_MAX] = {
	[OHIB_SEC_NONE] = "none",
	[OHIB_SEC_SNAPSHOT_HEADER] = "snapshot-header",
	[OHIB_SEC_PFN_INDEX] = "pfn-index",
	[OHIB_SEC_KALLSYMS] = "kallsyms",
	[OHIB_SEC_BTF] = "btf",
	[OHIB_SEC_VMCOREINFO] = "vmcoreinfo",
	[OHIB_SEC_CONFIG] = "config",
	[OHIB_SEC_GHOSTS] = "ghosts",
	[OHIB_SEC_SWAP_KEY] = "swap-key",
};

const char *ohib_section_name(enum ohib_section id)
{
	return (unsigned int)id < OHIB_SEC_MAX && section_names[id] ? section_names[id] : "unknown";
}

static void info_fill(const struct ohib_header *h, struct ohib_image_info *info)
{
	*info = (struct ohib_image_info){
		.state = h->state,
		.generation = h->generation,
		.created = h->created,
		.nr_pages = h->nr_pages,
		.nr_zero_pages = h->nr_zero_pages,
		.nr_zero_found = h->nr_zero_found,
		.raw_bytes = h->raw_bytes,
		.stored_bytes = h->stored_bytes,
		.attempts = h->attempts,
	};
	if (h->incompat & OHIB_INCOMPAT_TRIAL) {
		info->trial_offset = h->trial_offset;
		info->trial_bytes = h->trial_bytes;
	}
	/* state.c has made sure that each string ends. */
	memcpy(info->uuid, h->uuid, sizeof(info->uuid));
	snprintf(info->machine_id, sizeof(info->machine_id), "%.32s", h->machine_id);
	snprintf(info->image_kernel, sizeof(info->image_kernel), "%.64s", h->image_kernel);
	snprintf(info->next_kernel, sizeof(info->next_kernel), "%.64s", h->next_kernel);
	snprintf(info->device, sizeof(info->device), "%s", h->device);
	snprintf(info->reason, sizeof(info->reason), "%s", h->reason);
	info->sealed = h->check_alg == OHIB_CHECK_AEAD;
	info->cipher = aead_name(h->aead_alg);
	for (size_t i = 0; i < ARRAY_SIZE(h->key_slots); i++)
		if (h->key_slots[i].type && h->key_slots[i].type < 32)
			info->slots |= 1u << h->key_slots[i].type;
}

int ohib_image_peek(const char *path, struct ohib_image_info *info, struct ohib_err *err)
{
	struct image_state s;
	struct image_dev d;
	int r = image_dev_open(&d, path, IMAGE_DEV_READ, err);

	if (r)
		return r;
	r = image_state_load(&d, &s, err);
	image_dev_close(&d);
	if (!r)
		info_fill(&s.hdr, info);
	return r;
}

/* [offset, offset + len) is inside the image's data and 4 KiB aligned at its start. */
static bool range_ok(const struct ohib_header *h, u64 offset, u64 len)
{
	return !(offset % OHIB_DISK_ALIGN) && offset >= OHIB_DATA_OFFSET &&
	       offset <= h->end_offset && len <= h->end_offset - offset &&
	       image_align(len) <= h->end_offset - offset;
}

/* What a part is checked with: its checksum, or the key, place and tag that it was sealed with. */
struct protection {
	bool early;
	enum seal_part part;
	u64 number;
	const struct ohib_check *check;
	const struct ohib_nonce *nonce;
};

/* 0, or a negative errno; -EBADMSG: damaged. A sealed part is opened in place. */
static int unprotect(const struct ohib_image *img, const struct protection *p, u8 *data, size_t len)
{
	const struct image_keys *keys;
	struct ohib_check got;
	struct aead *a;
	int r;

	if (!img->info.sealed) {
		got = image_check(data, len);
		return image_check_equal(&got, p->check) ? 0 : -EBADMSG;
	}
	if (!img->keys)
		return -ENOKEY;
	keys = (const void *)img->keys->data;
	r = aead_create(img->hdr.aead_alg, p->early ? keys->early : keys->late, &a);
	if (r)
		return r;
	r = sealing_open(a, img->hdr.uuid, p->part, p->number, data, len, p->check, p->nonce);
	aead_free(a);
	return r;
}

/* Whole part into new pages, checked; freed with image_pages_free(…, len). */
static int part_read(const struct ohib_image *img, const char *what, u64 offset, u64 len,
		     const struct protection *p, u8 **out, struct ohib_err *err)
{
	u8 *buf = image_pages_alloc(len);
	int r;

	if (!buf)
		return ohib_err_set(err, -ENOMEM, "%s: out of memory (%llu bytes)", what,
				    (unsigned long long)len);
	r = image_dev_read(&img->dev, offset, buf, image_align(len));
	if (r) {
		image_pages_free(buf, len);
		return ohib_err_set(err, r, "%s: %s at byte %llu: %s", img->dev.path, what,
				    (unsigned long long)offset, strerror(-r));
	}
	r = unprotect(img, p, buf, len);
	if (r) {
		image_pages_free(buf, len);
		return ohib_err_set(err, r, "%s: %s at byte %llu %s", img->dev.path, what,
				    (unsigned long long)offset,
				    r == -ENOKEY ? "cannot be read: the image's keys are forgotten"
						 : "is damaged or was changed");
	}
	*out = buf;
	return 0;
}

static const struct ohib_section_entry *section_find(const struct ohib_image *img,
						     enum ohib_section id)
{
	for (size_t i = 0; i < ARRAY_SIZE(img->hdr.sections); i++)
		if (id && img->hdr.sections[i].id == id)
			return &img->hdr.sections[i];
	return NULL;
}

static int header_usable(const struct ohib_image *img, struct ohib_err *err)
{
	const struct ohib_header *h = &img->hdr;

	if (h->state == OHIB_STATE_NONE || h->state == OHIB_STATE_WRITING)
		return ohib_err_set(err, -ENODATA, "%s: the image was not finished (%s)",
				    img->dev.path, ohib_state_name(h->state));
	if (h->compress_alg > OHIB_COMPRESS_LZ4 ||
	    (h->check_alg == OHIB_CHECK_AEAD ? !h->aead_alg || h->aead_alg > OHIB_AEAD_CHACHA20_POLY1305
					     : h->check_alg != OHIB_CHECK_XXH64 || h->aead_alg))
		return ohib_err_set(err, -ENOTSUP,
				    "%s: image with an algorithm that this program does not know",
				    img->dev.path);
	return 0;
}

static int header_check(const struct ohib_image *img, struct ohib_err *err)
{
	const struct ohib_header *h = &img->hdr;
	const char *bad = NULL;

	if (h->end_offset > img->dev.size || h->end_offset % OHIB_DISK_ALIGN)
		return ohib_err_set(err, -EBADMSG,
				    "%s: the image is longer than the device (%llu > %llu)",
				    img->dev.path, (unsigned long long)h->end_offset,
				    (unsigned long long)img->dev.size);
	if (h->page_size != OHIB_PAGE_SIZE)
		bad = "page size";
	else if (!h->chunk_pages || h->chunk_pages > OHIB_CHUNK_PAGES_MAX)
		bad = "chunk size";
	else if (h->nr_pages >= PFN_RUN_ZERO)
		bad = "page count";
	else if (h->nr_chunks != (h->nr_pages + h->chunk_pages - 1) / h->chunk_pages ||
		 h->index_len != h->nr_chunks * sizeof(struct ohib_chunk_entry) ||
		 !range_ok(h, h->index_offset, h->index_len))
		bad = "chunk index";
	else if (h->incompat & OHIB_INCOMPAT_TRIAL &&
		 (h->trial_offset < h->end_offset || h->trial_offset > img->dev.size ||
		  h->trial_bytes > img->dev.size - h->trial_offset))
		bad = "room of the trial";
	for (size_t i = 0; !bad && i < ARRAY_SIZE(h->sections); i++) {
		const struct ohib_section_entry *e = &h->sections[i];

		if (!e->id)
			continue;
		if (e->flags & ~(OHIB_SECTION_RAW | (img->info.sealed ? OHIB_SECTION_EARLY : 0)) ||
		    !range_ok(h, e->offset, e->stored_len) ||
		    (e->flags & OHIB_SECTION_RAW ? e->raw_len != e->stored_len
						 : e->raw_len > SECTION_BYTES_MAX ||
							   e->stored_len > SECTION_BYTES_MAX) ||
		    section_find(img, e->id) != e)
			bad = ohib_section_name(e->id);
	}
	if (bad)
		return ohib_err_set(err, -EBADMSG, "%s: header: %s is out of bounds", img->dev.path,
				    bad);
	return 0;
}

static int index_check(const struct ohib_image *img, struct ohib_err *err)
{
	const struct ohib_header *h = &img->hdr;

	for (u64 i = 0; i < h->nr_chunks; i++) {
		const struct ohib_chunk_entry *e = &img->index[i];
		u64 left = h->nr_pages - i * h->chunk_pages;
		u64 nr = left < h->chunk_pages ? left : h->chunk_pages;
		unsigned int data;

		if (e->first_page != i * h->chunk_pages || e->nr_pages != nr ||
		    (nr < 64 && e->zero_bits >> nr) || e->flags & ~OHIB_CHUNK_RAW)
			goto bad;
		data = chunk_data_pages(e);
		if (!data != !e->stored_len ||
		    (e->stored_len && !range_ok(h, e->offset, e->stored_len)) ||
		    e->stored_len > data * OHIB_PAGE_SIZE ||
		    (e->flags & OHIB_CHUNK_RAW && e->stored_len != data * OHIB_PAGE_SIZE))
			goto bad;
		continue;
	bad:
		return ohib_err_set(err, -EBADMSG, "%s: chunk index: entry %llu is out of bounds",
				    img->dev.path, (unsigned long long)i);
	}
	return 0;
}

static int pfns_load(struct ohib_image *img, struct ohib_err *err)
{
	const struct ohib_section_entry *e = section_find(img, OHIB_SEC_PFN_INDEX);
	size_t len;
	void *list;
	int r;

	if (!e || e->raw_len % sizeof(u64))
		return ohib_err_set(err, -EBADMSG, "%s: no usable pfn-index", img->dev.path);
	r = ohib_image_section(img, OHIB_SEC_PFN_INDEX, &list, &len, err);
	if (r)
		return r;
	r = image_runs_build(img, list, len / sizeof(u64), err);
	free(list);
	return r;
}

/* Before anything else of a sealed header is believed: who made it knew the key. */
static int header_authenticate(struct ohib_image *img, const struct secret *keys, struct ohib_err *err)
{
	int r;

	if (!img->info.sealed)
		return 0;
	if (!keys && !img->info.slots)
		return ohib_err_set(err, -ENOKEY, "%s: the image is sealed and its key was destroyed (it is %s)",
				    img->dev.path, ohib_state_name(img->hdr.state));
	if (!keys)
		return ohib_err_set(err, -ENOKEY, "%s: the image is sealed: its key is needed", img->dev.path);
	img->keys = secret_create(sizeof(struct image_keys));
	if (!img->keys)
		return ohib_err_set(err, -ENOMEM, "no memory that can be locked for the image's keys");
	memcpy(img->keys->data, keys->data, sizeof(struct image_keys));
	r = sealing_header_check(&img->hdr, (const void *)img->keys->data);
	if (r)
		return ohib_err_set(err, r, "%s: the image's header was changed after it was sealed",
				    img->dev.path);
	return 0;
}

int ohib_image_open(const char *path, struct ohib_image **out, struct ohib_err *err)
{
	return ohib_image_open_sealed(path, NULL, out, err);
}

int ohib_image_open_sealed(const char *path, const struct secret *keys, struct ohib_image **out,
			   struct ohib_err *err)
{
	struct ohib_image *img = calloc(1, sizeof(*img));
	struct protection index = { .part = SEAL_INDEX };
	struct image_state s;
	int r;

	if (!img)
		return ohib_err_set(err, -ENOMEM, "image: out of memory");
	img->dev = (struct image_dev)IMAGE_DEV_CLOSED;
	pthread_mutex_init(&img->lock, NULL);
	r = image_dev_open(&img->dev, path, IMAGE_DEV_READ, err);
	if (!r)
		r = image_state_load(&img->dev, &s, err);
	if (!r) {
		img->hdr = s.hdr;
		info_fill(&img->hdr, &img->info);
		r = header_usable(img, err);
	}
	if (!r)
		r = header_authenticate(img, keys, err);
	if (!r)
		r = header_check(img, err);
	index.check = &img->hdr.index_check;
	index.nonce = &img->hdr.index_nonce;
	if (!r)
		r = part_read(img, "chunk index", img->hdr.index_offset, img->hdr.index_len, &index,
			      (u8 **)&img->index, err);
	if (!r)
		r = index_check(img, err);
	if (!r)
		r = pfns_load(img, err);
	if (!r)
		r = ohib_image_set_cache(img, CACHE_DEFAULT, err);
	if (r) {
		ohib_image_close(img);
		return r;
	}
	*out = img;
	return 0;
}

void ohib_image_forget_keys(struct ohib_image *img)
{
	pthread_mutex_lock(&img->lock);
	aead_free(img->cipher);
	img->cipher = NULL;
	secret_free(img->keys);
	img->keys = NULL;
	pthread_mutex_unlock(&img->lock);
}

void ohib_image_close(struct ohib_image *img)
{
	if (!img)
		return;
	ohib_image_forget_keys(img);
	image_cache_destroy(img->cache);
	if (img->stream != img->runs)
		free(img->stream);
	free(img->runs);
	if (img->index)
		image_pages_free(img->index, img->hdr.index_len);
	image_dev_close(&img->dev);
	pthread_mutex_destroy(&img->lock);
	free(img);
}

const struct ohib_image_info *ohib_image_info(const struct ohib_image *img)
{
	return &img->info;
}

int ohib_image_set_cache(struct ohib_image *img, size_t bytes, struct ohib_err *err)
{
	struct chunk_cache *c;
	int r = image_cache_create(img, bytes, &c);

	if (r)
		return ohib_err_set(err, r, "chunk cache: out of memory");
	pthread_mutex_lock(&img->lock);
	image_cache_destroy(img->cache);
	img->cache = c;
	pthread_mutex_unlock(&img->lock);
	return 0;
}

/* As it is stored, opened; freed with image_pages_free(…, e->stored_len). */
static int section_read(struct ohib_image *img, enum ohib_section id, const struct ohib_section_entry **entry,
			u8 **stored, struct ohib_err *err)
{
	const struct ohib_section_entry *e = section_find(img, id);
	const char *name = ohib_section_name(id);
	struct protection p = { .part = SEAL_SECTION, .number = id };

	if (!e)
		return ohib_err_set(err, -ENODATA, "%s: the image has no section %s", img->dev.path,
				    name);
	p.early = e->flags & OHIB_SECTION_EARLY;
	p.check = &e->check;
	p.nonce = &e->nonce;
	*entry = e;
	return part_read(img, name, e->offset, e->stored_len, &p, stored, err);
}

int ohib_image_section(struct ohib_image *img, enum ohib_section id, void **data, size_t *len,
		       struct ohib_err *err)
{
	const struct ohib_section_entry *e;
	const char *name = ohib_section_name(id);
	_cleanup_free_ u8 *raw = NULL;
	u8 *stored = NULL;
	int r = section_read(img, id, &e, &stored, err);

	if (r)
		return r;
	raw = malloc(e->raw_len + 1);
	if (!raw) {
		r = ohib_err_set(err, -ENOMEM, "section %s: out of memory (%llu bytes)", name,
				 (unsigned long long)e->raw_len);
	} else if (e->flags & OHIB_SECTION_RAW) {
		memcpy(raw, stored, e->raw_len);
	} else if (LZ4_decompress_safe((char *)stored, (char *)raw, (int)e->stored_len,
				       (int)e->raw_len) != (int)e->raw_len) {
		r = ohib_err_set(err, -EBADMSG, "%s: section %s is damaged (LZ4)", img->dev.path,
				 name);
	}
	image_pages_free(stored, e->stored_len);
	if (r)
		return r;
	raw[e->raw_len] = '\0'; /* so that text can be used as it is */
	*len = e->raw_len;
	*data = no_free_ptr(raw);
	return 0;
}

int ohib_image_section_secret(struct ohib_image *img, enum ohib_section id, struct secret **out, struct ohib_err *err)
{
	const struct ohib_section_entry *e;
	u8 *stored = NULL;
	int r = section_read(img, id, &e, &stored, err);

	if (r)
		return r;
	*out = NULL;
	if (!(e->flags & OHIB_SECTION_RAW) || e->raw_len > OHIB_PAGE_SIZE)
		r = ohib_err_set(err, -EBADMSG, "%s: section %s is no key", img->dev.path, ohib_section_name(id));
	else if (!(*out = secret_create(e->raw_len)))
		r = ohib_err_set(err, -ENOMEM, "section %s: no memory that can be locked", ohib_section_name(id));
	if (!r) {
		memcpy((*out)->data, stored, e->raw_len);
		(*out)->len = e->raw_len;
	}
	explicit_bzero(stored, e->stored_len);
	image_pages_free(stored, e->stored_len);
	return r;
}

int ohib_image_section_size(const struct ohib_image *img, enum ohib_section id, u64 *raw,
			    u64 *stored)
{
	const struct ohib_section_entry *e = section_find(img, id);

	if (!e)
		return -ENODATA;
	*raw = e->raw_len;
	*stored = e->stored_len;
	return 0;
}

size_t image_chunk_room(const struct ohib_image *img)
{
	return (size_t)img->hdr.chunk_pages * OHIB_PAGE_SIZE;
}

int image_cipher_create(const struct ohib_image *img, struct aead **out, struct ohib_err *err)
{
	int r;

	*out = NULL;
	if (!img->info.sealed)
		return 0;
	if (!img->keys)
		return ohib_err_set(err, -ENOKEY, "%s: the image's keys are forgotten", img->dev.path);
	r = aead_create(img->hdr.aead_alg, ((const struct image_keys *)img->keys->data)->late, out);
	return r ? ohib_err_set(err, r, "%s: no cipher: %s", img->info.cipher, strerror(-r)) : 0;
}

/* Sealed, or with a checksum. */
static bool chunk_is_whole(const struct ohib_image *img, struct aead *cipher, u64 n, u8 *stored)
{
	const struct ohib_chunk_entry *e = &img->index[n];
	struct ohib_check got;

	if (img->info.sealed)
		return cipher && !sealing_open(cipher, img->hdr.uuid, SEAL_CHUNK, n, stored, e->stored_len,
					       &e->check, &e->nonce);
	got = image_check(stored, e->stored_len);
	return image_check_equal(&got, &e->check);
}

int image_chunk_unpack(const struct ohib_image *img, struct aead *cipher, u64 n, u8 *stored, u8 *out,
		       struct ohib_err *err)
{
	const struct ohib_chunk_entry *e = &img->index[n];
	int raw = (int)(chunk_data_pages(e) * OHIB_PAGE_SIZE);

	if (!raw)
		return 0;
	if (!chunk_is_whole(img, cipher, n, stored))
		return ohib_err_set(
			err, -EBADMSG, "%s: chunk %llu at byte %llu is damaged or was changed",
			img->dev.path, (unsigned long long)n, (unsigned long long)e->offset);
	if (e->flags & OHIB_CHUNK_RAW)
		memcpy(out, stored, (size_t)raw);
	else if (LZ4_decompress_safe((const char *)stored, (char *)out, (int)e->stored_len, raw) !=
		 raw)
		return ohib_err_set(err, -EBADMSG, "%s: chunk %llu at byte %llu is damaged (LZ4)",
				    img->dev.path, (unsigned long long)n,
				    (unsigned long long)e->offset);
	return 0;
}

const u8 *image_chunk_page(const struct ohib_chunk_entry *e, const u8 *out, unsigned int slot)
{
	u64 before = e->zero_bits & ((1ull << slot) - 1);

	if (e->zero_bits >> slot & 1)
		return ohib_zero_page;
	return out + (size_t)(slot - (unsigned int)__builtin_popcountll(before)) * OHIB_PAGE_SIZE;
}

int ohib_image_read_pfn(struct ohib_image *img, u64 pfn, void *page, struct ohib_err *err)
{
	const struct pfn_run *run = image_run_find(img, pfn);
	const struct ohib_chunk_entry *e;
	const u8 *chunk;
	u64 data_page;
	int r;

	if (!run)
		return ohib_err_set(err, -ENODATA, "frame 0x%llx is not in the image",
				    (unsigned long long)pfn);
	if (run->first == PFN_RUN_ZERO) {
		memset(page, 0, OHIB_PAGE_SIZE);
		return 0;
	}
	data_page = run->first + (pfn - run->pfn);
	e = &img->index[data_page / img->hdr.chunk_pages];
	pthread_mutex_lock(&img->lock);
	/* Made when it is needed: a process that was forked before does not have it. */
	r = img->cipher ? 0 : image_cipher_create(img, &img->cipher, err);
	if (!r)
		r = image_cache_get(img, data_page / img->hdr.chunk_pages, &chunk, err);
	if (!r)
		memcpy(page,
		       image_chunk_page(e, chunk, (unsigned int)(data_page % img->hdr.chunk_pages)),
		       OHIB_PAGE_SIZE);
	pthread_mutex_unlock(&img->lock);
	return r;
}
