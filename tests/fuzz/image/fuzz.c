// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: open a hostile image and read all of it. The input is an image without the space between
 * its fixed parts: header, environment block, then the data from OHIB_DATA_OFFSET on. Checksums are made
 * good first, as an attacker would, or nothing behind them would ever be reached.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/image.h"
#include "image/image_format.h"
#include "image/io.h"

#define FIXED (OHIB_HEADER_BYTES + OHIB_ENV_BYTES)
#define SIZE_MAX_FUZZ (1u << 20)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static bool inside(const u8 *map, size_t size, u64 offset, u64 len)
{
	(void)map;
	return offset <= size && len <= size - offset;
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

static void use(const char *path)
{
	struct ohib_image_info info;
	struct ohib_image *img;
	u8 page[OHIB_PAGE_SIZE];

	ohib_image_peek(path, &info, NULL);
	if (ohib_image_open(path, &img, NULL))
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
	checks_fix(map, total, h);
	h->check = image_xxh64(h, offsetof(struct ohib_header, check));
	use(path);
	munmap(map, total);
	return 0;
}
