// SPDX-License-Identifier: GPL-2.0-only
/* The sections of an image that is being written: packed, checked, and put where the last part ended. */
#include <errno.h>
#include <lz4.h>
#include <stdio.h>
#include <string.h>

#include "image/writer_parts.h"

bool writer_fits(const struct ohib_writer *w, u64 len)
{
	return image_align(len) <= w->dev.size && w->cursor <= w->dev.size - image_align(len);
}

int writer_put(struct ohib_writer *w, const void *data, size_t len)
{
	_Alignas(4096) u8 page[OHIB_DISK_ALIGN];
	const u8 *p = data;
	int r = 0;

	if (!writer_fits(w, len))
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

int writer_protect(struct ohib_writer *w, bool early, enum seal_part part, u64 number, void *data, size_t len,
		   struct ohib_check *check, struct ohib_nonce *nonce)
{
	const struct image_keys *keys;
	struct aead *a;
	int r;

	if (!w->keys) {
		*check = image_check(data, len);
		return 0;
	}
	keys = (const void *)w->keys->data;
	r = aead_create(w->state.hdr.aead_alg, early ? keys->early : keys->late, &a);
	if (r)
		return r;
	r = sealing_seal(a, w->state.hdr.uuid, part, number, data, len, check, nonce);
	aead_free(a);
	return r;
}

/* An entry for section @id; NULL: @err. */
static struct ohib_section_entry *entry_take(struct ohib_header *h, enum ohib_section id,
					     struct ohib_err *err)
{
	struct ohib_section_entry *e = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(h->sections); i++) {
		if (h->sections[i].id == id)
			goto exists;
		if (!e && !h->sections[i].id)
			e = &h->sections[i];
	}
	if (!e)
		ohib_err_set(err, -ENOSPC, "no room for section %s", ohib_section_name(id));
	return e;
exists:
	ohib_err_set(err, -EEXIST, "section %s is in the image already", ohib_section_name(id));
	return NULL;
}

/* @data is as it is to be stored, and may be changed by sealing it. */
static int section_put(struct ohib_writer *w, enum ohib_section id, u8 *data, size_t stored_len,
		       size_t raw_len, u32 flags, struct ohib_err *err)
{
	struct ohib_section_entry *e = entry_take(&w->state.hdr, id, err);
	bool early = w->keys && !w->has_late_key;
	int r;

	if (!e)
		return err ? err->code : -EEXIST;
	*e = (struct ohib_section_entry){
		.id = id,
		.flags = flags | (early ? OHIB_SECTION_EARLY : 0),
		.offset = w->cursor,
		.stored_len = stored_len,
		.raw_len = raw_len,
	};
	r = writer_protect(w, early, SEAL_SECTION, id, data, stored_len, &e->check, &e->nonce);
	if (!r)
		r = writer_put(w, data, stored_len);
	if (r) {
		/* Its place stays taken: what was sealed once is not sealed again under the same nonce. */
		return ohib_err_set(err, r, "%s: section %s: %s", w->dev.path, ohib_section_name(id),
				    r == -ENOSPC ? "the device is too small" : strerror(-r));
	}
	return 0;
}

int writer_section_own(struct ohib_writer *w, enum ohib_section id, void *data, size_t len,
		       struct ohib_err *err)
{
	return section_put(w, id, data, len, len, OHIB_SECTION_RAW, err);
}

int ohib_writer_section(struct ohib_writer *w, enum ohib_section id, const void *data, size_t len,
			bool compress, struct ohib_err *err)
{
	size_t stored_len = len, room = len;
	u8 *own = NULL;
	u32 flags = 0;
	int r = 0;

	if (compress && len)
		r = section_compress(data, len, &own, &stored_len, &room);
	if (!r && !own) {
		flags = OHIB_SECTION_RAW;
		room = len;
		own = image_pages_alloc(room);
		if (own && len)
			memcpy(own, data, len);
	}
	if (!own)
		return ohib_err_set(err, -ENOMEM, "section %s: out of memory", ohib_section_name(id));
	r = section_put(w, id, own, stored_len, len, flags, err);
	image_pages_free(own, room);
	return r;
}
