// SPDX-License-Identifier: GPL-2.0-only
/* Where in a mount tree a path leads, and what is refused since its name leads elsewhere. */
#include <stdlib.h>

#include "test.h"
#include "translate/xlate.h"

enum { ROOTFS, ROOT, TMP, INNER, OVER, BESIDE, NR };

/* rootfs, the root on it; /tmp and /tmp/in, over both another /tmp; /tmpfs beside. */
static void make(struct xlate *x, struct machine *m, struct m_mount mounts[NR])
{
	static char *const places[NR] = { "/", "/", "/tmp", "/tmp/in", "/tmp", "/tmpfs" };
	static const int parents[NR] = { -1, ROOTFS, ROOT, TMP, TMP, ROOT };

	x->m = m;
	for (int i = 0; i < NR; i++) {
		mounts[i] = (struct m_mount){
			.mountpoint = places[i], .parent = parents[i] < 0 ? NULL : &mounts[parents[i]],
		};
		REQUIRE(!vec_push(&m->mounts, &mounts[i]));
	}
}

static size_t refusals(struct xlate *x, struct m_mount *mnt, char *path, bool unlinked)
{
	size_t before = x->m->refusals.list.n;

	xlate_in_reach(x, &(struct m_path){ .mnt = mnt, .path = path, .unlinked = unlinked });
	return x->m->refusals.list.n - before;
}

TEST(where_a_path_leads)
{
	struct m_mount mounts[NR];
	struct machine m = { 0 };
	struct xlate x = { 0 };

	make(&x, &m, mounts);
	CHECK(xlate_mount_at(&x, "/") == &mounts[ROOT]);
	CHECK(xlate_mount_at(&x, "/srv/tmp") == &mounts[ROOT]);
	CHECK(xlate_mount_at(&x, "/tmp") == &mounts[OVER]);
	CHECK(xlate_mount_at(&x, "/tmp/in/file") == &mounts[OVER]);
	CHECK(xlate_mount_at(&x, "/tmpfs") == &mounts[BESIDE]);
	CHECK(xlate_mount_at(&x, "/tmpfs/tmp") == &mounts[BESIDE]);
	vec_free(&m.mounts);
}

TEST(what_cannot_be_reached_is_refused)
{
	struct m_mount mounts[NR];
	struct machine m = { 0 };
	struct xlate x = { 0 };

	make(&x, &m, mounts);
	CHECK_EQ(refusals(&x, &mounts[ROOT], "/srv", false), 0);
	CHECK_EQ(refusals(&x, &mounts[OVER], "/tmp/in/file", false), 0);
	CHECK_EQ(refusals(&x, &mounts[OVER], "/tmp/in/file", true), 0);
	CHECK_EQ(refusals(&x, &mounts[BESIDE], "/tmpfs", false), 0);
	CHECK_EQ(refusals(&x, &mounts[ROOTFS], "/", false), 1);
	CHECK_EQ(refusals(&x, &mounts[ROOT], "/tmp/file", false), 1);
	CHECK_EQ(refusals(&x, &mounts[TMP], "/tmp/file", true), 1);
	CHECK_EQ(refusals(&x, &mounts[INNER], "/tmp/in", false), 1);
	/* what stood where something is mounted now, and is gone */
	CHECK_EQ(refusals(&x, &mounts[ROOT], "/tmp", true), 0);
	CHECK_EQ(refusals(&x, NULL, "/srv", false), 1);
	vec_free(&m.mounts);
	refusals_free(&m.refusals);
}

int main(void)
{
	static const struct test_case tests[] = {
		TEST_CASE(where_a_path_leads),
		TEST_CASE(what_cannot_be_reached_is_refused),
	};

	return TEST_MAIN(tests);
}
