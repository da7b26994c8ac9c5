// SPDX-License-Identifier: GPL-2.0-only
/* Pages of a swap area read by slot: through extents, only from the right device. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "seal/secret.h"
#include "seal/xts.h"
#include "swap/swap.h"
#include "test.h"

#define SLOTS 300u
#define BEHIND 5000u	/* blocks before the second area */

static char path[] = "/var/tmp/swap-test-XXXXXX";

/* Slot n is in block 2 * n for the first half, and in a row from block 1000 for the second. */
static u64 block_of(u64 slot)
{
	return slot < SLOTS / 2 ? 2 * slot : 1000 + slot - SLOTS / 2;
}

static const u8 key[XTS_KEY_BYTES] = "one half of sixty-four bytes, and then the other, as keys go....";

/* Each page begins with its slot's number, and @base. @xts: encrypted by its place in the area. */
static bool make_device(u64 base, int uuid, struct xts *xts)
{
	static u8 page[OHIB_PAGE_SIZE] __attribute__((aligned(4096)));
	u32 version = 1, last = SLOTS - 1;
	int fd = base ? open(path, O_WRONLY | O_CLOEXEC) : mkstemp(path);
	bool ok = fd >= 0;

	for (u64 slot = 0; ok && slot < SLOTS; slot++) {
		memset(page, (int)(slot & 0xff), sizeof(page));
		memcpy(page, &(u64){ base + slot }, sizeof(slot));
		if (!slot) {
			memcpy(page + 1024, &version, 4);
			memcpy(page + 1028, &last, 4);
			memset(page + 1036, uuid, 16);
			memcpy(page + OHIB_PAGE_SIZE - 10, "SWAPSPACE2", 10);
		}
		if (xts && xts_encrypt(xts, block_of(slot) * 8, page, sizeof(page)))
			ok = false;
		ok = ok && pwrite(fd, page, sizeof(page), (off_t)((base + block_of(slot)) * OHIB_PAGE_SIZE)) ==
		     (ssize_t)sizeof(page);
	}
	if (fd >= 0)
		close(fd);
	return ok;
}

static void make_area(struct m_system *s)
{
	struct m_swap_area a = { .type = 3, .pages = SLOTS, .has_uuid = true, .path = path };

	/* the reader looks in /dev */
	snprintf(a.devname, sizeof(a.devname), "..%s", path);
	memset(a.uuid, 0x5a, sizeof(a.uuid));
	for (u64 slot = 0; slot < SLOTS / 2; slot++)
		(void)!vec_push(&a.extents, ((struct m_swap_extent){ slot, 1, 2 * slot }));
	(void)!vec_push(&a.extents, ((struct m_swap_extent){ SLOTS / 2, SLOTS / 2, 1000 }));
	(void)!vec_push(&s->swaps, a);
}

static void free_area(struct m_system *s)
{
	vec_free(&s->swaps.v[0].extents);
	vec_free(&s->swaps);
}

TEST(every_slot)
{
	struct m_system s = {};
	struct swap_reader *r;
	struct ohib_err err = {};
	u8 page[OHIB_PAGE_SIZE];
	u64 got;

	make_area(&s);
	REQUIRE(!swap_reader_create(&s, NULL, &r));
	for (u64 n = 1; n < 2 * SLOTS; n++) {
		u64 slot = n < SLOTS ? n : 1 + n * 7 % (SLOTS - 1);

		CHECK_EQ(swap_read(r, 3, slot, page, &err), 0);
		memcpy(&got, page, sizeof(got));
		CHECK_EQ(got, slot);
		CHECK_EQ(page[4095], slot & 0xff);
	}
	CHECK_EQ(swap_read(r, 3, SLOTS, page, &err), -EINVAL);
	CHECK_EQ(swap_read(r, 3, ~0ull, page, &err), -EINVAL);
	CHECK_EQ(swap_read(r, 2, 1, page, &err), -ENODEV);
	swap_reader_destroy(r);
	free_area(&s);
}

TEST(another_area_is_not_read)
{
	struct m_system s = {};
	struct swap_reader *r;
	u8 page[OHIB_PAGE_SIZE];

	make_area(&s);
	s.swaps.v[0].uuid[3] ^= 1;
	REQUIRE(!swap_reader_create(&s, NULL, &r));
	CHECK_EQ(swap_read(r, 3, 1, page, NULL), -ENODEV);
	s.swaps.v[0].uuid[3] ^= 1;
	s.swaps.v[0].pages--;
	CHECK_EQ(swap_read(r, 3, 1, page, NULL), -ENODEV);
	s.swaps.v[0].pages++;
	CHECK_EQ(swap_read(r, 3, 1, page, NULL), 0);
	swap_reader_destroy(r);
	free_area(&s);
}

TEST(uuid_from_json)
{
	struct m_system s = {};
	struct json_object *j;
	char text[256];

	make_area(&s);
	s.swaps.v[0].has_uuid = false;
	snprintf(text, sizeof(text), "[1, {\"path\": 5}, {\"path\": \"%s\", \"uuid\": \"xx\"}]", path);
	j = json_tokener_parse(text);
	swap_areas_apply(&s, j);
	CHECK(!s.swaps.v[0].has_uuid);
	json_object_put(j);
	snprintf(text, sizeof(text),
		 "[{\"path\": \"%s\", \"uuid\": \"00112233445566778899aabbccddeeff\"}]", path);
	j = json_tokener_parse(text);
	swap_areas_apply(&s, j);
	CHECK(s.swaps.v[0].has_uuid);
	CHECK_EQ(s.swaps.v[0].uuid[15], 0xff);
	json_object_put(j);
	free_area(&s);
}

static void apply(struct m_system *s, const char *uuid_byte, s64 offset, bool encrypted, int times)
{
	struct json_object *list = json_object_new_array(), *o;
	char uuid[33] = "";

	for (int i = 0; i < 16; i++)
		strcat(uuid, uuid_byte);
	for (int i = 0; i < times; i++) {
		o = json_object_new_object();
		json_object_object_add(o, "path", json_object_new_string(path));
		json_object_object_add(o, "uuid", json_object_new_string(uuid));
		json_object_object_add(o, "offset", json_object_new_int64(offset));
		json_object_object_add(o, "encrypted", json_object_new_boolean(encrypted));
		json_object_array_add(list, o);
	}
	s->swaps.v[0].has_uuid = false;
	swap_areas_apply(s, list);
	json_object_put(list);
}

/* An area that began in the middle of what holds it now, behind another one. */
TEST(on_another_device)
{
	static const s64 bad[] = { -4096, 4095, INT64_MAX & ~4095ll };
	u8 page[OHIB_PAGE_SIZE];
	struct m_system s = {};
	struct swap_reader *r;
	u64 got;

	REQUIRE(make_device(BEHIND, 0xa5, NULL));
	make_area(&s);
	apply(&s, "a5", BEHIND * OHIB_PAGE_SIZE, false, 1);
	CHECK(s.swaps.v[0].passing && s.swaps.v[0].has_uuid);
	REQUIRE(!swap_reader_create(&s, NULL, &r));
	for (u64 slot = 1; slot < SLOTS; slot++) {
		CHECK_EQ(swap_read(r, 3, slot, page, NULL), 0);
		memcpy(&got, page, sizeof(got));
		CHECK_EQ(got, slot + BEHIND);
	}
	swap_reader_destroy(r);
	free_area(&s);

	/* said twice it has not moved twice; the other one's UUID is not there */
	make_area(&s);
	apply(&s, "a5", BEHIND * OHIB_PAGE_SIZE, false, 2);
	CHECK_EQ(s.swaps.v[0].extents.v[1].start_block, BEHIND + 2);
	memset(s.swaps.v[0].uuid, 0x5a, 16);
	REQUIRE(!swap_reader_create(&s, NULL, &r));
	CHECK_EQ(swap_read(r, 3, 1, page, NULL), -ENODEV);
	swap_reader_destroy(r);
	free_area(&s);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		make_area(&s);
		apply(&s, "5a", bad[i], false, 1);
		CHECK(s.swaps.v[0].passing && !s.swaps.v[0].has_uuid);
		CHECK_EQ(s.swaps.v[0].extents.v[1].start_block, 2);
		REQUIRE(!swap_reader_create(&s, NULL, &r));
		CHECK_EQ(swap_read(r, 3, 1, page, NULL), -ENODEV);
		swap_reader_destroy(r);
		free_area(&s);
	}
}

TEST(encrypted)
{
	struct secret *s_key = secret_create(XTS_KEY_BYTES);
	u8 page[OHIB_PAGE_SIZE];
	struct m_system s = {};
	struct swap_reader *r;
	struct xts *x;
	u64 got;

	REQUIRE(s_key);
	memcpy(s_key->data, key, sizeof(key));
	s_key->len = sizeof(key);
	REQUIRE(!xts_create(key, &x));
	REQUIRE(make_device(2 * BEHIND, 0xcc, x));
	xts_free(x);
	make_area(&s);
	apply(&s, "cc", 2 * BEHIND * OHIB_PAGE_SIZE, true, 1);
	CHECK(s.swaps.v[0].encrypted && s.swaps.v[0].has_uuid);
	REQUIRE(!swap_reader_create(&s, s_key, &r));
	for (u64 slot = 1; slot < SLOTS; slot++) {
		CHECK_EQ(swap_read(r, 3, slot, page, NULL), 0);
		memcpy(&got, page, sizeof(got));
		CHECK_EQ(got, slot + 2 * BEHIND);
		CHECK_EQ(page[4095], slot & 0xff);
	}
	swap_reader_destroy(r);

	/* without it, with half of it or another one it is not found */
	REQUIRE(!swap_reader_create(&s, NULL, &r));
	CHECK_EQ(swap_read(r, 3, 1, page, NULL), -ENODEV);
	swap_reader_destroy(r);
	for (int i = 0; i < 2; i++) {
		s_key->len = i ? XTS_KEY_BYTES : XTS_KEY_BYTES / 2;
		s_key->data[0] ^= (u8)i;
		REQUIRE(!swap_reader_create(&s, s_key, &r));
		CHECK_EQ(swap_read(r, 3, 1, page, NULL), -ENODEV);
		swap_reader_destroy(r);
	}
	free_area(&s);

	/* nor is it when it was not said that it is encrypted */
	make_area(&s);
	apply(&s, "cc", 2 * BEHIND * OHIB_PAGE_SIZE, false, 1);
	REQUIRE(!swap_reader_create(&s, s_key, &r));
	CHECK_EQ(swap_read(r, 3, 1, page, NULL), -ENODEV);
	swap_reader_destroy(r);
	free_area(&s);
	secret_free(s_key);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(every_slot),
		TEST_CASE(another_area_is_not_read),
		TEST_CASE(uuid_from_json),
		TEST_CASE(on_another_device),
		TEST_CASE(encrypted),
	};
	int r;

	if (!make_device(0, 0x5a, NULL)) {
		printf("%s cannot be made\n0 passed, 1 failed\n", path);
		return 1;
	}
	r = TEST_MAIN(t);
	unlink(path);
	return r;
}
