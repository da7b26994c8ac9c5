// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Nth allocation fails, then the Nth transfer, for every N until nothing fails any more. Each time the call
 * must say what failed, or succeed with everything right; nothing may be leaked (LeakSanitizer looks at the end)
 * and no image may be armed that is not whole.
 * The linker puts the functions below in place of the library's calls: see NTH_WRAP in the Makefile.
 */
#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "test.h"
#include "ghost/ghost.h"
#include "image_make.h"
#include "image/state.h"
#include "machine/refusal.h"
#include "typedata/symbols.h"
#include "util/arena.h"
#include "util/map.h"
#include "util/vec.h"

#define SIZE (4u << 20)
#define PAGES 300
#define NTH_MAX 20000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum what { NOTHING, MEMORY, TRANSFER } what;
static unsigned int nth, seen;
static bool broken;	/* a device that failed once fails on */

/* Is this the call that is to fail? Packers allocate nothing, but the writer's thread writes. */
static bool fails(enum what w)
{
	bool yes;

	if (what != w)
		return false;
	pthread_mutex_lock(&lock);
	seen++;
	yes = broken ? seen >= nth : seen == nth;
	pthread_mutex_unlock(&lock);
	return yes;
}

#define WRAP(type, name, args, call, w, code, bad)                                                 \
	type __real_##name args;                                                                   \
	type __wrap_##name args;                                                                   \
	type __wrap_##name args                                                                    \
	{                                                                                          \
		if (fails(w)) {                                                                    \
			errno = code;                                                              \
			return bad;                                                                \
		}                                                                                  \
		return __real_##name call;                                                         \
	}

WRAP(void *, malloc, (size_t n), (n), MEMORY, ENOMEM, NULL)
WRAP(void *, calloc, (size_t k, size_t n), (k, n), MEMORY, ENOMEM, NULL)
WRAP(void *, realloc, (void *p, size_t n), (p, n), MEMORY, ENOMEM, NULL)
WRAP(void *, reallocarray, (void *p, size_t k, size_t n), (p, k, n), MEMORY, ENOMEM, NULL)
WRAP(void *, mmap64, (void *a, size_t n, int prot, int flags, int fd, off_t at), (a, n, prot, flags, fd, at), MEMORY,
     ENOMEM, MAP_FAILED)
WRAP(int, pthread_create, (pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg),
     (t, attr, fn, arg), MEMORY, EAGAIN, EAGAIN)
WRAP(ssize_t, pread64, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), TRANSFER, EIO, -1)
WRAP(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), TRANSFER, EIO, -1)
WRAP(int, fdatasync, (int fd), (fd), TRANSFER, EIO, -1)

/* One step: @run with the Nth call of @w failing, for each N. It gives an error, or does all that it should. */
static void each(const char *name, enum what w, bool stays_broken, int (*run)(void *arg, struct ohib_err *err),
		 void *arg, void (*after)(void *arg, int result))
{
	unsigned int failures = 0, n;
	int r = 0;

	for (n = 1; n < NTH_MAX; n++) {
		struct ohib_err err = { 0 };
		bool reached;

		what = w;
		nth = n;
		seen = 0;
		broken = stays_broken;
		r = run(arg, &err);
		what = NOTHING;
		reached = seen >= nth;
		if (after)
			after(arg, r);
		if (!reached)
			break;
		if (r) {
			failures++;
			if (!err.code || !err.msg[0] || (w == MEMORY && err.code != -ENOMEM && err.code != -EAGAIN)) {
				printf("%s: call %u fails and the error is %d \"%s\"\n", name, n, err.code, err.msg);
				test_failed_here = 1;
			}
		}
	}
	printf("%s: %u calls, %u of them fatal\n", name, n - 1, failures);
	CHECK_EQ(r, 0);
	CHECK(n > 1 && n < NTH_MAX);
	CHECK(failures > 0);
}

static enum ohib_state state_of(const char *path)
{
	struct ohib_image_info info;

	return ohib_image_peek(path, &info, NULL) ? OHIB_STATE_NONE : info.state;
}

static int whole(const char *path)
{
	struct ohib_err err = { 0 };
	struct ohib_image *img;
	int r = ohib_image_open(path, &img, &err);

	if (r)
		return r;
	r = ohib_image_verify(img, 2, &err);
	ohib_image_close(img);
	return r;
}

static int write_image(void *arg, struct ohib_err *err)
{
	return made_write(arg, 16, err);
}

/* Whatever is armed is whole, also when the writer was told that it failed. */
static void armed_is_whole(void *arg, int result)
{
	struct made_image *m = arg;
	enum ohib_state s = state_of(m->path);

	if (!result)
		CHECK_EQ(s, OHIB_STATE_ARMED);
	if (s != OHIB_STATE_ARMED)
		return;
	CHECK_EQ(whole(m->path), 0);
	CHECK_EQ(ohib_image_set_state(m->path, OHIB_STATE_STALE, NULL, NULL), 0);
}

TEST(writer)
{
	struct made_image m;

	made_file(&m, SIZE);
	made_list(&m, PAGES);
	each("writer, memory", MEMORY, false, write_image, &m, armed_is_whole);
	each("writer, a transfer fails", TRANSFER, false, write_image, &m, armed_is_whole);
	each("writer, a device breaks", TRANSFER, true, write_image, &m, armed_is_whole);
	made_free(&m);
}

static int count_page(void *arg, u64 pfn, const void *data)
{
	u8 want[4096];

	(void)arg;
	made_page(pfn, want);
	/* frames that the list tells to be zero are */
	return data != ohib_zero_page && memcmp(want, data, sizeof(want)) ? -EUCLEAN : 0;
}

static int read_image(void *arg, struct ohib_err *err)
{
	struct made_image *m = arg;
	struct ohib_image *img;
	u8 page[4096], want[4096];
	void *data = NULL;
	size_t len;
	int r;

	r = ohib_image_open(m->path, &img, err);
	if (r)
		return r;
	r = ohib_image_set_cache(img, 2 * 64 * 4096, err);
	if (!r)
		r = ohib_image_section(img, OHIB_SEC_KALLSYMS, &data, &len, err);
	free(data);
	for (u64 i = 0; !r && i < m->nr; i += 7) {
		u64 pfn = m->pfns[i] & ~OHIB_PFN_ZERO_FLAG;

		r = ohib_image_read_pfn(img, pfn, page, err);
		made_page(pfn, want);
		if (!r && !(m->pfns[i] & OHIB_PFN_ZERO_FLAG))
			CHECK(!memcmp(page, want, sizeof(page)));
	}
	if (!r)
		r = ohib_image_for_each_page(img, 2, count_page, NULL, err);
	if (!r)
		r = ohib_image_verify(img, 2, err);
	ohib_image_close(img);
	return r;
}

TEST(reader)
{
	struct made_image m;

	made_file(&m, SIZE);
	made_list(&m, PAGES);
	REQUIRE(!made_write(&m, 16, NULL));
	each("reader, memory", MEMORY, false, read_image, &m, NULL);
	each("reader, a transfer fails", TRANSFER, false, read_image, &m, NULL);
	each("reader, a device breaks", TRANSFER, true, read_image, &m, NULL);
	made_free(&m);
}

/* Moves, one after the other, on a device that fails: the state is the one before or the one after. */
static enum ohib_state move_from, move_to;

static int move(void *arg, struct ohib_err *err)
{
	struct made_image *m = arg;

	return ohib_image_set_state(m->path, move_to, NULL, err);
}

static void set(const char *path, enum ohib_state to)
{
	if (state_of(path) != to && ohib_image_set_state(path, to, NULL, NULL))
		abort();
}

static void before_or_after(void *arg, int result)
{
	struct made_image *m = arg;
	enum ohib_state s = state_of(m->path);

	if (!result)
		CHECK_EQ(s, move_to);
	else
		CHECK(s == move_from || s == move_to);
	if (s == OHIB_STATE_STALE || s == OHIB_STATE_SPENT)
		REQUIRE(!made_write(m, 16, NULL));
	/* back to where the next one begins */
	if (move_from == OHIB_STATE_ARMED && s == OHIB_STATE_RESUMING)
		set(m->path, OHIB_STATE_ARMED);
	if (move_from == OHIB_STATE_RESUMING)
		set(m->path, OHIB_STATE_RESUMING);
}

TEST(moves)
{
	static const enum ohib_state t[][2] = {
		{ OHIB_STATE_ARMED, OHIB_STATE_RESUMING },    { OHIB_STATE_ARMED, OHIB_STATE_STALE },
		{ OHIB_STATE_RESUMING, OHIB_STATE_ARMED },    { OHIB_STATE_RESUMING, OHIB_STATE_SPENT },
		{ OHIB_STATE_RESUMING, OHIB_STATE_RESUMING }, { OHIB_STATE_RESUMING, OHIB_STATE_STALE },
	};
	struct made_image m;

	made_file(&m, SIZE);
	made_list(&m, PAGES);
	REQUIRE(!made_write(&m, 16, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char name[80];

		move_from = t[i][0];
		move_to = t[i][1];
		set(m.path, move_from);
		snprintf(name, sizeof(name), "%s to %s", ohib_state_name(move_from), ohib_state_name(move_to));
		each(name, TRANSFER, false, move, &m, before_or_after);
		set(m.path, move_from);
		each(name, TRANSFER, true, move, &m, before_or_after);
	}
	made_free(&m);
}

static int arena_use(void *arg, struct ohib_err *err)
{
	struct arena *a = arena_create();
	VEC(void *) v = { 0 };
	struct map map = { 0 };
	int r = a ? 0 : -ENOMEM;

	(void)arg;
	for (u64 i = 1; !r && i <= 600; i++) {
		char *s = arena_printf(a, "%llu %2000s", (unsigned long long)i, "");

		r = s ? vec_push(&v, s) : -ENOMEM;
		if (!r)
			r = map_put(&map, i, s);
	}
	for (u64 i = 1; i <= v.n; i++) {
		CHECK_EQ(strtoull(v.v[i - 1], NULL, 10), i);
		/* the last one may not have come so far */
		CHECK(map_get(&map, i) == v.v[i - 1] || (r && i == v.n));
	}
	vec_free(&v);
	map_free(&map);
	arena_destroy(a);
	return r ? ohib_err_set(err, r, "arena") : 0;
}

TEST(arena)
{
	each("arena, vector and map", MEMORY, false, arena_use, NULL, NULL);
}

static int symbols_use(void *arg, struct ohib_err *err)
{
	static const char text[] = "ffffffff81000000 T _text\nffffffff81000000 T startup_64\n"
				   "ffffffffc0000000 t first\t[module]\nffffffff82000000 D init_task\n";
	struct symbols *s;
	int r;

	(void)arg;
	r = symbols_parse(text, strlen(text), &s, err);
	if (r)
		return r;
	CHECK_EQ(symbols_addr(s, "init_task"), 0xffffffff82000000ull);
	CHECK(symbols_is(s, 0xffffffff81000000ull, "startup_64"));
	symbols_free(s);
	return 0;
}

TEST(symbols)
{
	each("symbols", MEMORY, false, symbols_use, NULL, NULL);
}

static int ghosts_use(void *arg, struct ohib_err *err)
{
	struct ghosts *g;
	void *data = NULL;
	size_t len = 0;
	int r;

	r = ghosts_collect_process(getpid(), 1 << 20, &data, &len, err);
	if (r)
		return r;
	r = ghosts_parse(data, len, &g, err);
	if (r)
		return r;
	CHECK(ghosts_has(g, *(u64 *)arg));
	ghosts_free(g);
	return 0;
}

TEST(ghosts)
{
	char path[] = "/tmp/ohib-nth-XXXXXX";
	struct stat st;
	int fd = mkstemp(path);
	u64 id;

	REQUIRE(fd >= 0 && !unlink(path) && write(fd, "contents", 8) == 8 && !fstat(fd, &st));
	id = ghost_id(st.st_dev, st.st_ino);
	each("ghosts", MEMORY, false, ghosts_use, &id, NULL);
	close(fd);
}

/* A row that cannot be kept must not make the list look empty: that would be "all can be carried". */
static int refusals_use(void *arg, struct ohib_err *err)
{
	struct refusals list = { 0 };

	(void)arg;
	(void)err;
	refuse(&list, 7, "comm", "object", "reason");
	CHECK(refused(&list));
	refusals_free(&list);
	return 0;
}

TEST(refusals)
{
	for (unsigned int n = 1; n < 5; n++) {
		what = MEMORY;
		nth = n;
		seen = 0;
		broken = false;
		refusals_use(NULL, NULL);
		what = NOTHING;
	}
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(writer),  TEST_CASE(reader), TEST_CASE(moves),    TEST_CASE(arena),
		TEST_CASE(symbols), TEST_CASE(ghosts), TEST_CASE(refusals),
	};

	return TEST_MAIN(t);
}
