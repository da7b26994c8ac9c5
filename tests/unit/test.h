/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A unit test is a program: functions declared with TEST(), listed in main's table, counted here.
 *
 *	TEST(adds) { CHECK(1 + 1 == 2); CHECK_EQ(2 + 2, 4); }
 *	int main(void) { static const struct test_case t[] = { TEST_CASE(adds) };
 *		return TEST_MAIN(t); }
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_failed_here;

#define TEST(name) static void test_##name(void)

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #cond);                \
			test_failed_here = 1;                                                      \
		}                                                                                  \
	} while (0)

/* Integers of any width; both are shown in decimal and hexadecimal. */
#define CHECK_EQ(got, want)                                                                        \
	do {                                                                                       \
		long long __g = (long long)(got), __w = (long long)(want);                         \
		if (__g != __w) {                                                                  \
			printf("%s:%d: %s is %lld (0x%llx), not %lld (0x%llx)\n", __FILE__,        \
			       __LINE__, #got, __g, __g, __w, __w);                                \
			test_failed_here = 1;                                                      \
		}                                                                                  \
	} while (0)

#define CHECK_STR(got, want)                                                                       \
	do {                                                                                       \
		const char *__g = (got), *__w = (want);                                            \
		if (!__g || strcmp(__g, __w)) {                                                    \
			printf("%s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #got,      \
			       __g ? __g : "(null)", __w);                                         \
			test_failed_here = 1;                                                      \
		}                                                                                  \
	} while (0)

/* Leave the test at once: what follows makes no sense without it. */
#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #cond);                \
			test_failed_here = 1;                                                      \
			return;                                                                    \
		}                                                                                  \
	} while (0)

struct test_case {
	const char *name;
	void (*fn)(void);
};

static inline int test_run(const struct test_case *cases, size_t n)
{
	int passed = 0, failed = 0;

	for (size_t i = 0; i < n; i++) {
		test_failed_here = 0;
		cases[i].fn();
		printf("%s %s\n", test_failed_here ? "FAIL" : "ok", cases[i].name);
		fflush(stdout);
		if (test_failed_here)
			failed++;
		else
			passed++;
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}

#define TEST_CASE(n) { #n, test_##n }

/* int main() { static const struct test_case t[] = { TEST_CASE(adds), … }; return TEST_MAIN(t); } */
#define TEST_MAIN(t) test_run((t), sizeof(t) / sizeof((t)[0]))
