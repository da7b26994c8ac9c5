// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: open a hostile image and read all of it. The input is an image without the space between
 * its fixed parts: header, environment block, then the data from OHIB_DATA_OFFSET on. Checksums are made
 * good first, as an attacker would, or nothing behind them would ever be reached. What says that it is sealed
 * is looked at as it is, key slots and all, and then sealed by somebody who has the key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/image.h"
#include "image/image_format.h"
#include "image/io.h"
#include "image/sealing.h"
#include "image/unlock.h"

#define FIXED (OHIB_HEADER_BYTES + OHIB_ENV_BYTES)
#define SIZE_MAX_FUZZ (1u << 20)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static bool inside(const u8 *map, size_t size, u64 offset, u64 len)
{
	(void)map;
	/* not the header, which is what says where */
	return offset >= OHIB_DATA_OFFSET && offset <= size && len <= size - offset;
}

static void checks_fix(u8 *map, size_t size, struct ohib_header *h)
{
	struct ohib_chunk_entry *e;

	for (size_t i = 0; i < ARRAY_SIZE(h->sections); i++) {
		struct ohib_section_entry *s = &h->sections[i];

		if (inside(map, size, s->offset, s->stored_len))
			s->check = image_check(map + s->offset, s->stored_len);
	}
	if (!inside(map, size, h->index_offset, h->index_len) || h->index_offset % 8)
		return;
	e = (void *)(map + h->index_offset);
	for (u64 i = 0; i < h->index_len / sizeof(*e); i++)
		if (inside(map, size, e[i].offset, e[i].stored_len) && e[i].stored_len <= 1u << 18)
			e[i].check = image_check(map + e[i].offset, e[i].stored_len);
	h->index_check = image_check(e, h->index_len);
}

/* Parts that lie over each other spoil each other, as they should. */
static void seal(u8 *map, size_t size, struct ohib_header *h, const struct image_keys *keys)
{
	struct aead *late, *early;
	struct ohib_chunk_entry *e;

	if (aead_create(h->aead_alg, keys->late, &late))
		return;
	if (aead_create(h->aead_alg, keys->early, &early))
		abort();
	for (size_t i = 0; i < ARRAY_SIZE(h->sections); i++) {
		struct ohib_section_entry *s = &h->sections[i];

		if (inside(map, size, s->offset, s->stored_len))
			sealing_seal(s->flags & OHIB_SECTION_EARLY ? early : late, h->uuid, SEAL_SECTION, s->id,
				     map + s->offset, s->stored_len, &s->check, &s->nonce);
	}
	if (inside(map, size, h->index_offset, h->index_len) && !(h->index_offset % 8)) {
		e = (void *)(map + h->index_offset);
		for (u64 i = 0; i < h->index_len / sizeof(*e); i++)
			if (inside(map, size, e[i].offset, e[i].stored_len) && e[i].stored_len <= 1u << 18)
				sealing_seal(late, h->uuid, SEAL_CHUNK, i, map + e[i].offset, e[i].stored_len,
					     &e[i].check, &e[i].nonce);
		sealing_seal(late, h->uuid, SEAL_INDEX, 0, e, h->index_len, &h->index_check, &h->index_nonce);
	}
	sealing_header_seal(h, keys);
	aead_free(late);
	aead_free(early);
}

/* The passphrase of nobody: an hour of Argon2id is no finding, so large costs are made small. */
static void unlock(const char *path, struct ohib_header *h)
{
	struct secret *s = secret_create(1), *keys = NULL;

	if (!s)
		abort();
	s->len = 1;
	for (int i = 0; i < OHIB_KEY_SLOTS; i++)
		if (h->key_slots[i].kdf_param[0] > 1 || h->key_slots[i].kdf_param[1] > 256)
			h->key_slots[i].kdf_param[1] = 0;
	h->check = image_xxh64(h, offsetof(struct ohib_header, check));
	if (!ohib_image_unlock(path, 0, s, &keys, NULL))
		abort();
	secret_free(s);
}

static void use(const char *path, const struct secret *keys)
{
	struct ohib_image_info info;
	struct ohib_image *img;
	u8 page[OHIB_PAGE_SIZE];

	ohib_image_peek(path, &info, NULL);
	if (ohib_image_open_sealed(path, keys, &img, NULL))
		return;
	ohib_image_set_cache(img, 1, NULL);
	for (u64 pfn = 0; pfn < 64; pfn++)
		if (ohib_image_has_pfn(img, pfn))
			ohib_image_read_pfn(img, pfn, page, NULL);
	ohib_image_verify(img, 1, NULL);
	ohib_image_close(img);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static int fd = -1;
	static char path[64];
	struct ohib_header *h;
	size_t total;
	u8 *map;

	if (size < FIXED || size > SIZE_MAX_FUZZ)
		return -1;
	if (fd < 0) {
		fd = memfd_create("image", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	total = image_align(OHIB_DATA_OFFSET + size - FIXED);
	if (ftruncate(fd, 0) || ftruncate(fd, (off_t)total))
		abort();
	map = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		abort();
	h = (void *)(map + OHIB_HEADER_A_IN_PAGE);
	memcpy(h, data, OHIB_HEADER_BYTES);
	memcpy(map + OHIB_ENV_OFFSET, data + OHIB_HEADER_BYTES, OHIB_ENV_BYTES);
	memcpy(map + OHIB_DATA_OFFSET, data + FIXED, size - FIXED);
	memcpy(h->magic, OHIB_MAGIC, sizeof(h->magic));
	if (h->check_alg == OHIB_CHECK_AEAD) {
		struct secret *keys = secret_create(sizeof(struct image_keys));

		if (!keys)
			abort();
		unlock(path, h);
		seal(map, total, h, (void *)keys->data);
		h->check = image_xxh64(h, offsetof(struct ohib_header, check));
		use(path, keys);
		secret_free(keys);
	} else {
		checks_fix(map, total, h);
		h->check = image_xxh64(h, offsetof(struct ohib_header, check));
		use(path, NULL);
	}
	munmap(map, total);
	return 0;
}
