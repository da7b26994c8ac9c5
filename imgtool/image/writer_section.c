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
	r = writer_put(w, packed ? packed : data, e->stored_len);
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
