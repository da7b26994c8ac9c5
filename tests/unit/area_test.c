// SPDX-License-Identifier: GPL-2.0-only
/* The swap area at the end of the overlay device: where it lies, what device-mapper makes it of, how it begins. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "capture/area.h"
#include "dm/dm.h"
#include "swap/header.h"
#include "test.h"

#define MB ((u64)1 << 20)

TEST(behind_the_image)
{
	struct area a;
	u64 lack;

	/* all that could go, and 32 MB; whole megabytes, at the end of a device with an odd end */
	CHECK_EQ(area_layout(2048 * MB + 5 * 512, 500 * MB, 400 * MB, 700 * MB - 7, &a, &lack), 0);
	CHECK_EQ(a.bytes, 732 * MB);
	CHECK_EQ(a.offset, (2048 - 732) * MB);
	CHECK_EQ(lack, 0);
	/* the least is an eighth and 32 MB over what has to go */
	CHECK_EQ(area_layout(2048 * MB, 500 * MB, 400 * MB, 400 * MB, &a, &lack), 0);
	CHECK_EQ(a.bytes, 482 * MB);
	/* the image's share comes first: half as much again as it wants */
	CHECK_EQ(area_layout(1300 * MB, 500 * MB, 400 * MB, 700 * MB, &a, &lack), 0);
	CHECK_EQ(a.offset, 750 * MB);
	CHECK_EQ(a.bytes, 550 * MB);
	CHECK_EQ(area_layout(1200 * MB, 500 * MB, 400 * MB, 700 * MB, &a, &lack), 0);
	CHECK_EQ(a.bytes, 482 * MB);
	/* just enough, and a little less */
	CHECK_EQ(area_layout(982 * MB, 500 * MB, 400 * MB, 700 * MB, &a, &lack), 0);
	CHECK_EQ(a.offset, 500 * MB);
	CHECK_EQ(area_layout(982 * MB, 500 * MB + 1, 400 * MB, 700 * MB, &a, &lack), -ENOSPC);
	CHECK_EQ(a.bytes, 0);
	CHECK_EQ(lack, 1);
	/* not even the image */
	CHECK_EQ(area_layout(100 * MB, 500 * MB, 400 * MB, 700 * MB, &a, &lack), -ENOSPC);
	CHECK_EQ(lack, 882 * MB);
	/* no more than a header can tell of */
	CHECK_EQ(area_layout(~0ull, 0, (u64)1 << 50, (u64)1 << 51, &a, &lack), 0);
	CHECK(a.bytes / OHIB_PAGE_SIZE <= UINT32_MAX);
}

TEST(header)
{
	u8 page[OHIB_PAGE_SIZE], uuid[16] = "0123456789abcde";
	struct swap_header h;

	memset(page, 0xff, sizeof(page));
	area_header(482 * MB, uuid, page);
	REQUIRE(swap_header_parse(page, &h));
	CHECK_EQ(h.pages, 482 * 256);
	CHECK(!memcmp(h.uuid, uuid, sizeof(uuid)));
	/* no bad pages, no label */
	for (size_t i = 1052; i < OHIB_PAGE_SIZE - 10; i++)
		CHECK_EQ(page[i], 0);
}

TEST(tables)
{
	struct area a = { .offset = 1566 * MB, .bytes = 482 * MB };
	u8 key[XTS_KEY_BYTES];
	struct dm_table t;

	area_table(&a, NULL, makedev(259, 300), &t);
	CHECK_EQ(t.n, 1);
	CHECK_EQ(t.target[0].start, 0);
	CHECK_EQ(t.target[0].length, 482 * 2048);
	CHECK_STR(t.target[0].type, "linear");
	CHECK_STR(t.target[0].params, "259:300 3207168");
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (u8)(i * 3 + 200);
	area_table(&a, key, makedev(254, 3), &t);
	CHECK_STR(t.target[0].type, "crypt");
	CHECK_STR(t.target[0].params,
		  "aes-xts-plain64 c8cbced1d4d7dadde0e3e6e9eceff2f5f8fbfe0104070a0d101316191c1f2225"
		  "282b2e3134373a3d404346494c4f5255585b5e6164676a6d707376797c7f8285 0 254:3 3207168");
}

/* Without one there is nothing to put away, and nothing to tell of. */
TEST(none)
{
	struct json_object *config = json_object_new_object();
	struct area a = { .offset = MB, .bytes = MB };
	struct ohib_err err = { 0 };
	char node[80];
	u64 used;

	json_object_object_add(config, "swap_areas", json_object_new_array());
	CHECK(!area_find(node, &used));
	CHECK_EQ(area_end(&err), 0);
	CHECK_EQ(area_tell(&a, false, config, &err), -ENODEV);
	json_object_put(config);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(behind_the_image), TEST_CASE(header), TEST_CASE(tables), TEST_CASE(none),
	};

	return TEST_MAIN(t);
}
