// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: pages of swap areas that a hostile image tells of. The input is one area with its extents, the slots to be
 * read, JSON of its UUID, and the first bytes of the device that is found.
 */
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "seal/secret.h"
#include "seal/xts.h"
#include "swap/swap.h"
#include "util/types.h"

#define EXTENTS_MAX 32u
#define DEVICE_PAGES 16u
#define DEVICE_BYTES (DEVICE_PAGES * OHIB_PAGE_SIZE)

struct input {
	u8 nr_extents, nr_slots, json_len, type;
	u64 pages;
	u8 uuid[16];
} __attribute__((packed));

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static char path[] = "/var/tmp/swap-fuzz-XXXXXX";

static void remove_device(void)
{
	unlink(path);
}

static size_t take(const u8 **data, size_t *size, void *to, size_t len)
{
	if (len > *size)
		len = *size;
	memcpy(to, *data, len);
	*data += len;
	*size -= len;
	return len;
}

/* A header that is right, then what the input has. */
static void make_device(int fd, const struct input *in, const u8 *data, size_t size)
{
	static u8 device[DEVICE_BYTES];
	u32 version = 1, last = (u32)in->pages - 1;

	memset(device, 0, sizeof(device));
	memcpy(device, data, size < sizeof(device) ? size : sizeof(device));
	memcpy(device + 1024, &version, 4);
	memcpy(device + 1028, &last, 4);
	memcpy(device + 1036, in->uuid, 16);
	memcpy(device + OHIB_PAGE_SIZE - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, device, sizeof(device), 0) != sizeof(device))
		abort();
}

static void apply(struct m_system *s, const u8 *text, size_t len)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = json_tokener_parse_ex(tok, (const char *)text, (int)len);

	swap_areas_apply(s, o);
	json_object_put(o);
	json_tokener_free(tok);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct secret *key;
	static int fd = -1;
	struct m_swap_area a = { .has_uuid = true, .path = (char *)"/dev/swap" };
	struct m_system s = { 0 };
	struct swap_reader *r;
	struct input in = { 0 };
	u8 text[256], page[OHIB_PAGE_SIZE];
	u64 slots[256] = { 0 };
	size_t nr;

	if (fd < 0) {
		key = secret_create(XTS_KEY_BYTES);
		if (!key)
			abort();
		memset(key->data, 0x5c, XTS_KEY_BYTES / 2);
		key->len = XTS_KEY_BYTES;
		fd = mkstemp(path);
		atexit(remove_device);
		if (fd < 0)
			abort();
	}
	if (take(&data, &size, &in, sizeof(in)) < sizeof(in))
		return -1;
	a.type = in.type;
	a.pages = in.pages;
	memcpy(a.uuid, in.uuid, sizeof(a.uuid));
	snprintf(a.devname, sizeof(a.devname), "..%s", path); /* the reader looks in /dev */
	for (u8 i = 0; i < in.nr_extents % EXTENTS_MAX; i++) {
		struct m_swap_extent e = { 0 };

		take(&data, &size, &e, sizeof(e));
		if (vec_push(&a.extents, e))
			abort();
	}
	nr = take(&data, &size, slots, in.nr_slots * sizeof(u64)) / sizeof(u64);
	if (vec_push(&s.swaps, a))
		abort();
	apply(&s, text, take(&data, &size, text, in.json_len));
	make_device(fd, &in, data, size);
	if (!swap_reader_create(&s, key, &r)) {
		for (size_t i = 0; i < nr; i++)
			swap_read(r, i % 4 == 3 ? in.type + 1u : in.type, slots[i], page, NULL);
		swap_reader_destroy(r);
	}
	vec_free(&s.swaps.v[0].extents);
	vec_free(&s.swaps);
	return 0;
}
