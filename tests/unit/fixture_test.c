// SPDX-License-Identifier: GPL-2.0-only
/*
 * A real machine of each kernel, cut down to what the translator reads (tests/fuzz/translate), is translated to what it
 * was in the whole image. When the translator has come to read more, the fixtures are to be made anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/fuzz/translate/fixture.h"
#include "test.h"
#include "translate/translate.h"
#include "util/file.h"

#define FIXTURES "tests/fuzz/translate/fixtures/"

static void check_fixture(const char *series)
{
	char path[128], *told = NULL, *want = NULL;
	struct kernel_data *k = NULL;
	struct machine *m = NULL;
	struct ohib_err err = { 0 };
	struct fixture f;
	size_t len;
	FILE *out;
	int r;

	snprintf(path, sizeof(path), FIXTURES "%s.told", series);
	REQUIRE(!file_read_all(path, &want, &len));
	snprintf(path, sizeof(path), FIXTURES "%s.xz", series);
	r = fixture_open(path, &f, &err);
	if (!r)
		r = kernel_data_open_image(f.img, &k, &err);
	if (!r)
		r = machine_from_image(f.img, k, false, &m, &err);
	if (r)
		printf("%s: %s\nmake it anew: tests/fuzz/translate/make %s\n", path, err.msg, series);
	CHECK_EQ(r, 0);
	out = open_memstream(&told, &len);
	if (m && out) {
		fixture_tell(m, out);
		CHECK(m->processes.n > 20);
	}
	if (out)
		fclose(out);
	CHECK_STR(told, want);
	free(told);
	free(want);
	machine_free(m);
	kernel_data_close(k);
	fixture_close(&f);
}

TEST(machine_of_6_1)
{
	check_fixture("6.1");
}

TEST(machine_of_6_12)
{
	check_fixture("6.12");
}

int main(void)
{
	static const struct test_case tests[] = {
		TEST_CASE(machine_of_6_1),
		TEST_CASE(machine_of_6_12),
	};

	return TEST_MAIN(tests);
}
