// SPDX-License-Identifier: GPL-2.0-only
/* The states of an image, its two headers cut short anywhere, and the block that GRUB reads. */
#include <errno.h>

#include "test.h"
#include "image_make.h"
#include "image/state.h"

#define SIZE (4u << 20)

static u8 before[OHIB_DATA_OFFSET], after[OHIB_DATA_OFFSET];

static void fixed_read(const char *path, u8 *buf)
{
	int fd = open(path, O_RDONLY);

	if (pread(fd, buf, OHIB_DATA_OFFSET, 0) != OHIB_DATA_OFFSET)
		abort();
	close(fd);
}

static void fixed_write(const char *path, const u8 *buf, size_t at, size_t len)
{
	int fd = open(path, O_WRONLY);

	if (pwrite(fd, buf + at, len, (off_t)at) != (ssize_t)len)
		abort();
	close(fd);
}

static enum ohib_state state_of(const char *path, u64 *generation)
{
	struct ohib_image_info info;

	if (ohib_image_peek(path, &info, NULL))
		return 99;
	if (generation)
		*generation = info.generation;
	return info.state;
}

static void make(struct made_image *m)
{
	struct ohib_err err = { 0 };

	made_file(m, SIZE);
	made_list(m, 100);
	if (made_write(m, 32, &err)) {
		printf("%s\n", err.msg);
		abort();
	}
}

TEST(moves)
{
	static const struct {
		enum ohib_state to;
		int result;
		enum ohib_state then;
	} t[] = {
		{ OHIB_STATE_SPENT, -EINVAL, OHIB_STATE_ARMED },
		{ OHIB_STATE_WRITING, -EINVAL, OHIB_STATE_ARMED },
		{ OHIB_STATE_NONE, -EINVAL, OHIB_STATE_ARMED },
		{ OHIB_STATE_RESUMING, 0, OHIB_STATE_RESUMING },
		{ OHIB_STATE_ARMED, 0, OHIB_STATE_ARMED },
		{ OHIB_STATE_RESUMING, 0, OHIB_STATE_RESUMING },
		{ OHIB_STATE_RESUMING, 0, OHIB_STATE_RESUMING },
		{ OHIB_STATE_SPENT, 0, OHIB_STATE_SPENT },
		{ OHIB_STATE_ARMED, -EINVAL, OHIB_STATE_SPENT },
		{ OHIB_STATE_RESUMING, -EINVAL, OHIB_STATE_SPENT },
		{ OHIB_STATE_STALE, -EINVAL, OHIB_STATE_SPENT },
		{ OHIB_STATE_WRITING, 0, OHIB_STATE_WRITING },
		{ OHIB_STATE_STALE, 0, OHIB_STATE_STALE },
		{ OHIB_STATE_ARMED, -EINVAL, OHIB_STATE_STALE },
	};
	struct made_image m;
	struct ohib_image_info info;
	u64 generation, last;

	make(&m);
	CHECK_EQ(state_of(m.path, &last), OHIB_STATE_ARMED);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct ohib_err err = { 0 };

		CHECK_EQ(ohib_image_set_state(m.path, t[i].to, i == 4 ? "no root" : NULL, &err),
			 t[i].result);
		CHECK_EQ(state_of(m.path, &generation), t[i].then);
		CHECK_EQ(generation, last + !t[i].result);
		last = generation;
		if (i == 6) {
			CHECK_EQ(ohib_image_peek(m.path, &info, &err), 0);
			CHECK_EQ(info.attempts, 3);
			CHECK_STR(info.reason, "no root");
		}
	}
	made_free(&m);
}

TEST(armed_image_is_not_written_over)
{
	struct made_image m;
	struct ohib_err err = { 0 };
	u64 first, second;

	make(&m);
	state_of(m.path, &first);
	CHECK_EQ(made_write(&m, 32, &err), -EBUSY);
	CHECK_EQ(state_of(m.path, NULL), OHIB_STATE_ARMED);
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_STALE, "cancelled", NULL), 0);
	CHECK_EQ(made_write(&m, 32, NULL), 0);
	CHECK_EQ(state_of(m.path, &second), OHIB_STATE_ARMED);
	CHECK(second > first);
	made_free(&m);
}

/* Power cut after the first @n bytes of the second write, in both orders of the copies. */
TEST(torn_headers)
{
	struct made_image m;
	u64 gen_before, gen_after, gen;

	make(&m);
	state_of(m.path, &gen_before);
	fixed_read(m.path, before);
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_RESUMING, NULL, NULL), 0);
	state_of(m.path, &gen_after);
	fixed_read(m.path, after);
	for (int first = 0; first < 2; first++) {
		size_t a = first ? 8192 : 0, b = first ? 0 : 8192;
		/* Copy A is behind 512 bytes of tar and ends 512 before the page does. */
		size_t whole = first ? 3072 : 3584;

		/* 512 bytes at a time of the first copy: the old state holds until it is whole. */
		for (size_t n = 0; n <= 4096; n += 512) {
			fixed_write(m.path, before, 0, OHIB_DATA_OFFSET);
			fixed_write(m.path, after, a, n);
			CHECK_EQ(state_of(m.path, &gen),
				 n >= whole ? OHIB_STATE_RESUMING : OHIB_STATE_ARMED);
			CHECK_EQ(gen, n >= whole ? gen_after : gen_before);
		}
		/* Then of the second one: the new state holds all the time. */
		for (size_t n = 0; n <= 4096; n += 512) {
			fixed_write(m.path, after, b, n);
			CHECK_EQ(state_of(m.path, &gen), OHIB_STATE_RESUMING);
		}
	}
	/* A move out of a torn state writes the stale copy first and ends with two good ones. */
	fixed_write(m.path, before, 0, OHIB_DATA_OFFSET);
	fixed_write(m.path, after, 0, 4096);
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_SPENT, NULL, NULL), 0);
	fixed_read(m.path, after);
	CHECK(!memcmp(after + 512, after + 8192, OHIB_HEADER_BYTES));
	made_free(&m);
}

static const char *env_get(const u8 *fixed, const char *key, char *out)
{
	char block[1025];
	const char *p;
	size_t n;

	memcpy(block, fixed + OHIB_ENV_OFFSET, 1024);
	block[1024] = '\0';
	p = strstr(block, key);
	if (!p || p[-1] != '\n' || p[strlen(key)] != '=')
		return "";
	p += strlen(key) + 1;
	n = strcspn(p, "\n");
	memcpy(out, p, n);
	out[n] = '\0';
	return out;
}

TEST(grub_environment)
{
	struct made_image m;
	char v[1025];

	make(&m);
	fixed_read(m.path, before);
	CHECK(!memcmp(before + OHIB_ENV_OFFSET, "# GRUB Environment Block\n", 25));
	CHECK(before[OHIB_ENV_OFFSET + 1023] == '#');
	CHECK(before[OHIB_ENV_OFFSET + 1024] == 0);
	CHECK_STR(env_get(before, "ohib_state", v), "armed");
	CHECK_STR(env_get(before, "ohib_next", v), "6.12.0-test");
	CHECK_STR(env_get(before, "ohib_image_kernel", v), "6.1.0-test");
	CHECK_STR(env_get(before, "ohib_device", v), "PARTLABEL=overlay");
	CHECK_STR(env_get(before, "ohib_attempts", v), "0");
	CHECK_EQ(strlen(env_get(before, "ohib_uuid", v)), 32);
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_RESUMING, NULL, NULL), 0);
	fixed_read(m.path, before);
	CHECK_STR(env_get(before, "ohib_state", v), "resuming");
	CHECK_STR(env_get(before, "ohib_attempts", v), "1");
	made_free(&m);
}

/* As GRUB's save_env would: the value changes, the block keeps its size. */
static void grub_sets(const char *path, const char *from, const char *to)
{
	char block[1025];
	char *p;

	fixed_read(path, before);
	memcpy(block, before + OHIB_ENV_OFFSET, 1024);
	block[1024] = '\0';
	p = strstr(block, from);
	if (!p)
		abort();
	memmove(p + strlen(to), p + strlen(from), strlen(p + strlen(from)));
	memcpy(p, to, strlen(to));
	memcpy(before + OHIB_ENV_OFFSET, block, 1024);
	fixed_write(path, before, OHIB_ENV_OFFSET, 1024);
}

TEST(grub_writes)
{
	struct made_image m;
	struct ohib_image_info info;
	char v[1025];

	make(&m);
	/* It counts the attempt before the reloader does: one, not two. */
	grub_sets(m.path, "ohib_attempts=0", "ohib_attempts=1");
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_RESUMING, NULL, NULL), 0);
	REQUIRE(!ohib_image_peek(m.path, &info, NULL));
	CHECK_EQ(info.attempts, 1);
	/* Two kernels died early. */
	grub_sets(m.path, "ohib_attempts=1", "ohib_attempts=3");
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_RESUMING, NULL, NULL), 0);
	REQUIRE(!ohib_image_peek(m.path, &info, NULL));
	CHECK_EQ(info.attempts, 3);
	/* A loader that cannot count. */
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_RESUMING, NULL, NULL), 0);
	REQUIRE(!ohib_image_peek(m.path, &info, NULL));
	CHECK_EQ(info.attempts, 4);
	/* Discarded in the menu: no way back. */
	grub_sets(m.path, "ohib_state=resuming", "ohib_state=stale");
	CHECK_EQ(state_of(m.path, NULL), OHIB_STATE_STALE);
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_RESUMING, NULL, NULL), -EINVAL);
	CHECK_EQ(made_write(&m, 32, NULL), 0);
	CHECK_EQ(state_of(m.path, NULL), OHIB_STATE_ARMED);
	fixed_read(m.path, before);
	CHECK_STR(env_get(before, "ohib_attempts", v), "0");
	made_free(&m);
}

TEST(discard_is_written_down)
{
	struct made_image m;
	struct ohib_err err = { 0 };

	make(&m);
	CHECK_EQ(ohib_image_discarded(m.path, &err), 0);
	CHECK_EQ(state_of(m.path, NULL), OHIB_STATE_ARMED);
	grub_sets(m.path, "ohib_state=armed", "ohib_state=stale");
	CHECK_EQ(ohib_image_discarded(m.path, &err), 0);
	/* Without the block the headers know by themselves. */
	fixed_read(m.path, after);
	memset(after + OHIB_ENV_OFFSET, 0, 1024);
	fixed_write(m.path, after, OHIB_ENV_OFFSET, 1024);
	CHECK_EQ(state_of(m.path, NULL), OHIB_STATE_STALE);
	made_free(&m);
}

TEST(attempts_are_set_as_the_menu_does)
{
	struct ohib_image_info info;
	struct made_image m;
	char v[1025];

	make(&m);
	fixed_read(m.path, before);
	CHECK_EQ(ohib_image_set_attempts(m.path, 3, NULL), 0);
	REQUIRE(!ohib_image_peek(m.path, &info, NULL));
	CHECK_EQ(info.attempts, 3);
	fixed_read(m.path, after);
	CHECK_STR(env_get(after, "ohib_attempts", v), "3");
	memcpy(after + OHIB_ENV_OFFSET, before + OHIB_ENV_OFFSET, 1024);
	CHECK(!memcmp(before, after, OHIB_DATA_OFFSET));
	made_free(&m);
}

TEST(somebody_else_was_faster)
{
	struct made_image m;
	struct ohib_err err = { 0 };

	make(&m);
	CHECK_EQ(ohib_image_move(m.path, OHIB_STATE_RESUMING, OHIB_STATE_STALE, NULL, &err), -EBUSY);
	CHECK_EQ(state_of(m.path, NULL), OHIB_STATE_ARMED);
	CHECK_EQ(ohib_image_move(m.path, OHIB_STATE_ARMED, OHIB_STATE_STALE, NULL, NULL), 0);
	CHECK_EQ(state_of(m.path, NULL), OHIB_STATE_STALE);
	made_free(&m);
}

TEST(something_else_was_put_there)
{
	struct made_image m;
	struct ohib_image_info info;

	make(&m);
	fixed_read(m.path, before);
	/* A damaged first copy behind its name: the second one counts. */
	memcpy(after, before, sizeof(after));
	memset(after + OHIB_HEADER_A_IN_PAGE, 0, OHIB_HEADER_BYTES);
	fixed_write(m.path, after, 0, 4096);
	CHECK_EQ(state_of(m.path, NULL), OHIB_STATE_ARMED);
	/* mkswap, for instance: the first page, and no more. */
	memset(after, 0, 4096);
	fixed_write(m.path, after, 0, 4096);
	CHECK_EQ(ohib_image_peek(m.path, &info, NULL), -ENODATA);
	made_free(&m);
}

struct move {
	enum ohib_state to;
	int result;
};

static void moves_make(const char *path, const struct move *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(ohib_image_set_state(path, t[i].to, NULL, NULL), t[i].result);
}

/* An image with room for a trial, on trial after its first attempt. */
static void make_trial(struct made_image *m)
{
	struct ohib_err err = { 0 };

	made_file(m, 48u << 20);
	m->trial = true;
	made_list(m, 100);
	if (made_write(m, 32, &err) || ohib_image_set_state(m->path, OHIB_STATE_RESUMING, NULL, &err) ||
	    ohib_image_set_state(m->path, OHIB_STATE_TRIAL, NULL, &err)) {
		printf("%s\n", err.msg);
		abort();
	}
}

TEST(trial_reverted)
{
	static const struct move t[] = {
		{ OHIB_STATE_SPENT, -EINVAL },	  /* not without the old machine having woken */
		{ OHIB_STATE_RESUMING, -EINVAL }, /* never switched again */
		{ OHIB_STATE_ARMED, -EINVAL },
		{ OHIB_STATE_WRITING, -EINVAL },
		{ OHIB_STATE_REVERTING, 0 },
		{ OHIB_STATE_KEEPING, -EINVAL },  /* the old machine may be running */
		{ OHIB_STATE_RESUMING, -EINVAL },
		{ OHIB_STATE_TRIAL, 0 },	  /* it failed */
		{ OHIB_STATE_REVERTING, 0 },
		{ OHIB_STATE_REVERTING, 0 },	  /* it died */
		{ OHIB_STATE_SPENT, 0 },
		{ OHIB_STATE_TRIAL, -EINVAL },
	};
	struct ohib_image_info info;
	struct made_image m;
	char v[1025];

	make_trial(&m);
	REQUIRE(!ohib_image_peek(m.path, &info, NULL));
	CHECK_EQ(info.state, OHIB_STATE_TRIAL);
	CHECK_EQ(info.attempts, 0); /* those of the switch do not count for the way back */
	CHECK_EQ(info.trial_offset, 1u << 20);
	CHECK_EQ(info.trial_bytes, 47u << 20);
	fixed_read(m.path, before);
	CHECK_STR(env_get(before, "ohib_state", v), "trial");
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_TRIAL, "no room", NULL), 0);
	moves_make(m.path, t, ARRAY_SIZE(t));
	REQUIRE(!ohib_image_peek(m.path, &info, NULL));
	CHECK_EQ(info.state, OHIB_STATE_SPENT);
	CHECK_EQ(info.attempts, 3);
	CHECK_STR(info.reason, "no room");
	made_free(&m);
}

TEST(trial_kept)
{
	static const struct move t[] = {
		{ OHIB_STATE_KEEPING, 0 },
		{ OHIB_STATE_TRIAL, 0 }, /* nothing was merged */
		{ OHIB_STATE_KEEPING, 0 },
		{ OHIB_STATE_KEEPING, 0 }, /* it goes on */
		{ OHIB_STATE_REVERTING, -EINVAL },
		{ OHIB_STATE_STALE, -EINVAL },	   { OHIB_STATE_WRITING, -EINVAL },
		{ OHIB_STATE_ARMED, -EINVAL },	   { OHIB_STATE_RESUMING, -EINVAL },
		{ OHIB_STATE_SPENT, 0 },	   { OHIB_STATE_WRITING, 0 },
	};
	struct made_image m;

	make_trial(&m);
	moves_make(m.path, t, ARRAY_SIZE(t));
	made_free(&m);
	/* without a trial there is nothing to keep */
	make(&m);
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_KEEPING, NULL, NULL), -EINVAL);
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_TRIAL, NULL, NULL), -EINVAL);
	made_free(&m);
}

TEST(trial_in_the_menu)
{
	struct ohib_image_info info;
	struct made_image m;
	char v[1025];

	make_trial(&m);
	grub_sets(m.path, "ohib_attempts=0", "ohib_attempts=2");
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_REVERTING, NULL, NULL), 0);
	REQUIRE(!ohib_image_peek(m.path, &info, NULL));
	CHECK_EQ(info.attempts, 2);
	grub_sets(m.path, "ohib_state=reverting", "ohib_state=stale");
	CHECK_EQ(state_of(m.path, NULL), OHIB_STATE_STALE);
	made_free(&m);
	/* what is being merged cannot be discarded, whatever the menu knew */
	make_trial(&m);
	fixed_read(m.path, after);
	CHECK_EQ(ohib_image_set_state(m.path, OHIB_STATE_KEEPING, NULL, NULL), 0);
	fixed_write(m.path, after, OHIB_ENV_OFFSET, 1024);
	grub_sets(m.path, "ohib_state=trial", "ohib_state=stale");
	CHECK_EQ(state_of(m.path, NULL), OHIB_STATE_KEEPING);
	/* and before the merge goes on the menu does know */
	CHECK_EQ(ohib_image_move(m.path, OHIB_STATE_KEEPING, OHIB_STATE_KEEPING, NULL, NULL), 0);
	fixed_read(m.path, after);
	CHECK_STR(env_get(after, "ohib_state", v), "keeping");
	made_free(&m);
}

TEST(no_room_for_a_trial)
{
	struct ohib_err err = { 0 };
	struct made_image m;

	made_file(&m, 32u << 20);
	m.trial = true;
	made_list(&m, 100);
	CHECK_EQ(made_write(&m, 32, &err), -ENOSPC);
	CHECK(strstr(err.msg, "a trial needs 32 MB"));
	CHECK_EQ(state_of(m.path, NULL), OHIB_STATE_WRITING);
	made_free(&m);
}

TEST(begins_as_tar)
{
	struct made_image m;
	char cmd[200], line[100] = "";
	FILE *p;

	make(&m);
	snprintf(cmd, sizeof(cmd), "head -c 8192 %s | tar -xOf - overlayctl.env | head -n 2 | tail -n 1",
		 m.path);
	p = popen(cmd, "r");
	CHECK(p && fgets(line, sizeof(line), p));
	CHECK_EQ(pclose(p), 0);
	CHECK_STR(line, "ohib_state=armed\n");
	made_free(&m);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(moves),
		TEST_CASE(armed_image_is_not_written_over),
		TEST_CASE(torn_headers),
		TEST_CASE(grub_environment),
		TEST_CASE(grub_writes),
		TEST_CASE(discard_is_written_down),
		TEST_CASE(attempts_are_set_as_the_menu_does),
		TEST_CASE(somebody_else_was_faster),
		TEST_CASE(something_else_was_put_there),
		TEST_CASE(trial_reverted),
		TEST_CASE(trial_kept),
		TEST_CASE(trial_in_the_menu),
		TEST_CASE(no_room_for_a_trial),
		TEST_CASE(begins_as_tar),
	};

	return TEST_MAIN(t);
}
