// SPDX-License-Identifier: GPL-2.0-only
/* What a snapshot can hold, and what has to leave memory for it: from texts as a kernel gives them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "capture/memory.h"
#include "test.h"

#define MB ((u64)1 << 20)
#define PAGES(n) ((u64)(n) * OHIB_PAGE_SIZE)

/* 1 GiB: 262008 pages, of which 1194 + 16626 are kept back. */
static const char zoneinfo[] =
	"Node 0, zone      DMA\n  per-node stats\n      nr_inactive_anon 1516\n"
	"  pages free     3808\n        boost    0\n        min      171\n        low      219\n"
	"        high     267\n        spanned  4095\n        present  3998\n        managed  3840\n"
	"        cma      0\n        protection: (0, 927, 927, 927, 927)\n      nr_free_pages 3808\n"
	"  pagesets\n    cpu: 0\n              count: 9\n              high:  99999\n              batch: 1\n"
	"Node 0, zone    DMA32\n  pages free     220396\n        boost    0\n        min      11084\n"
	"        low      13855\n        high     16626\n        spanned  1044480\n        present  258010\n"
	"        managed  241523\n        cma      0\n        protection: (0, 0, 0, 0, 0)\n"
	"Node 0, zone   Normal\n  pages free     0\n        boost    0\n        min      32\n        low      32\n"
	"        high     32\n        spanned  0\n        present  0\n        managed  0\n        cma      0\n"
	"        protection: (0, 0, 0, 0, 0)\n";

static int parse(u64 free, u64 anon, u64 file, u64 cached, const char *swaps, struct memory_use *u)
{
	char meminfo[512];

	snprintf(meminfo, sizeof(meminfo),
		 "MemTotal:  981452 kB\nMemFree: %8llu kB\nSwapCached: %llu kB\nActive:  1 kB\n"
		 "Active(anon): %llu kB\nInactive(anon): 0 kB\nActive(file): %llu kB\n"
		 "Inactive(file): 0 kB\nSReclaimable: 10240 kB\nUnevictable:  0 kB\n",
		 (unsigned long long)(free >> 10), (unsigned long long)(cached >> 10),
		 (unsigned long long)(anon >> 10), (unsigned long long)(file >> 10));
	return memory_parse(meminfo, zoneinfo, swaps, MB, u);
}

static const char swaps[] =
	"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	"/dev/vda4                               partition\t524284\t\t0\t\t-2\n"
	"/dev/zram0                              partition\t1048576\t\t0\t\t100\n"
	"/var/swap\\040file                       file\t\t102400\t\t51200\t\t-3\n";

TEST(counts_all_zones)
{
	struct memory_use u;

	REQUIRE(!parse(800 * MB, 10 * MB, 20 * MB, 0, swaps, &u));
	CHECK_EQ(u.total, PAGES(262008));
	CHECK_EQ(u.in_use, PAGES(262008) - 800 * MB);
	/* half of what is neither kept back, nor for bitmaps, nor for I/O; less twice the drivers' part */
	CHECK_EQ(u.limit, PAGES((262008 - 1194 - 16626 - 1024 - 64 - 28) / 2) - 2 * MB);
	CHECK_EQ(u.keep, u.in_use - 20 * MB - 5 * MB);
	CHECK_EQ(u.movable, 10 * MB);
	CHECK_EQ(u.swap_free, 524284 * 1024 + 50 * MB);
}

TEST(little_in_use_needs_nothing)
{
	struct memory_use u;
	u64 swap;

	REQUIRE(!parse(800 * MB, 10 * MB, 20 * MB, 0, "", &u));
	CHECK_EQ(memory_excess(&u), 0);
	CHECK_EQ(memory_stuck(&u, &swap), 0);
	CHECK_EQ(swap, 0);
}

TEST(cache_is_no_reason)
{
	struct memory_use u;

	REQUIRE(!parse(100 * MB, 10 * MB, 700 * MB, 0, "", &u));
	CHECK_EQ(memory_excess(&u), 0);
	/* in swap already, and in memory only until somebody needs the place */
	REQUIRE(!parse(100 * MB, 710 * MB, 0, 700 * MB, "", &u));
	CHECK_EQ(memory_excess(&u), 0);
	CHECK_EQ(u.movable, 10 * MB);
}

TEST(too_much_goes_to_swap)
{
	struct memory_use u;
	u64 swap;

	REQUIRE(!parse(100 * MB, 700 * MB, 10 * MB, 0, swaps, &u));
	CHECK_EQ(memory_excess(&u), u.keep + MEMORY_OWN - u.limit);
	CHECK(memory_excess(&u) > 400 * MB && memory_excess(&u) < 550 * MB);
	CHECK_EQ(memory_stuck(&u, &swap), 0);
	CHECK_EQ(swap, 0);
	/* without the room: how much of it */
	REQUIRE(!parse(100 * MB, 700 * MB, 10 * MB, 0, "Filename\n/dev/vda4 partition 102400 0 -2\n", &u));
	CHECK_EQ(memory_stuck(&u, &swap), 0);
	CHECK_EQ(swap, memory_excess(&u) - 100 * MB);
}

TEST(locked_memory_cannot_go)
{
	struct memory_use u;
	u64 swap;

	REQUIRE(!parse(100 * MB, 100 * MB, 10 * MB, 0, swaps, &u));
	CHECK_EQ(memory_stuck(&u, &swap), memory_excess(&u) - 100 * MB);
	CHECK_EQ(swap, 0);
}

TEST(a_switch_needs_all_in_ram)
{
	struct memory_use u;
	u64 lack;

	REQUIRE(!parse(100 * MB, 700 * MB, 10 * MB, 0, "", &u));
	CHECK_EQ(memory_short_of_switch(&u, 20 * MB),
		 u.keep + 64 * MB + 3 * 20 * MB + 700 * MB / 64 + PAGES(171 + 11084 + 32) - PAGES(262008));
	REQUIRE(!parse(200 * MB, 600 * MB, 10 * MB, 0, "", &u));
	CHECK_EQ(memory_short_of_switch(&u, 20 * MB), 0);
	/* what is in swap counts, once */
	REQUIRE(!parse(200 * MB, 600 * MB, 10 * MB, 50 * MB, swaps, &u));
	CHECK_EQ(u.swapped, 0);
	CHECK_EQ(memory_short_of_switch(&u, 20 * MB), 0);
	REQUIRE(!parse(200 * MB, 600 * MB, 10 * MB, 0, "Filename\n/dev/vda4 partition 409600 307200 -2\n", &u));
	CHECK_EQ(u.swapped, 300 * MB);
	lack = u.keep + 300 * MB + 64 * MB + 3 * 20 * MB + 900 * MB / 64 + PAGES(171 + 11084 + 32) - PAGES(262008);
	CHECK_EQ(memory_short_of_switch(&u, 20 * MB), lack);
}

TEST(nonsense_is_an_error)
{
	struct memory_use u;

	CHECK_EQ(memory_parse("", zoneinfo, swaps, MB, &u), -EBADMSG);
	CHECK_EQ(memory_parse("MemFree: 100 kB\n", "", swaps, MB, &u), -EBADMSG);
	CHECK_EQ(memory_parse("MemFree: 99999999 kB\n", zoneinfo, swaps, MB, &u), -EBADMSG);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(counts_all_zones),	  TEST_CASE(little_in_use_needs_nothing),
		TEST_CASE(cache_is_no_reason),	  TEST_CASE(too_much_goes_to_swap),
		TEST_CASE(locked_memory_cannot_go), TEST_CASE(a_switch_needs_all_in_ram),
		TEST_CASE(nonsense_is_an_error),
	};

	return TEST_MAIN(t);
}
