// SPDX-License-Identifier: GPL-2.0-only
/* Contents of deleted files: collected from this process, written back, and damaged in every byte. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ghost/ghost.h"
#include "image/ghosts_format.h"
#include "test.h"

#define FOLDER "/var/tmp"
#define MAX (64u << 20)
#define SPARSE (20u << 20)

static int nameless(u64 *id)
{
	char path[] = FOLDER "/ghost-test-XXXXXX";
	int fd = mkstemp(path);
	struct stat st;

	if (fd >= 0) {
		unlink(path);
		fstat(fd, &st);
		*id = ghost_id(st.st_dev, st.st_ino);
	}
	return fd;
}

static struct ghosts *collected(void)
{
	struct ohib_err err = {};
	struct ghosts *g = NULL;
	void *data;
	size_t len;

	if (ghosts_collect_process(getpid(), MAX, &data, &len, &err) ||
	    ghosts_parse(data, len, &g, &err))
		printf("%s\n", err.msg);
	return g;
}

TEST(contents_come_back)
{
	u64 id, other, sparse_id;
	int fd = nameless(&id), sparse = nameless(&sparse_id), out = nameless(&other);
	const struct timespec ts[2] = { { 1000, 5 }, { -7, 250 } };
	struct ohib_err err = {};
	struct ghosts *g;
	struct stat st;
	char buf[64];

	REQUIRE(fd >= 0 && sparse >= 0 && out >= 0);
	CHECK_EQ(write(fd, "hello", 5), 5);
	CHECK_EQ(fchmod(fd, 0741), 0);
	CHECK_EQ(futimens(fd, ts), 0);
	CHECK_EQ(ftruncate(sparse, SPARSE), 0);
	CHECK_EQ(pwrite(sparse, "deep", 4, SPARSE / 2), 4);
	g = collected();
	REQUIRE(g);
	CHECK(ghosts_has(g, id));
	CHECK(ghosts_has(g, sparse_id));
	CHECK(!ghosts_has(g, id + 1));
	CHECK_EQ(ghosts_write(g, id, out, &err), 0);
	CHECK_EQ(fstat(out, &st), 0);
	CHECK_EQ(st.st_size, 5);
	CHECK_EQ(st.st_mode & 07777, 0741);
	CHECK_EQ(st.st_mtim.tv_sec, -7);
	CHECK_EQ(st.st_mtim.tv_nsec, 250);
	CHECK_EQ(pread(out, buf, sizeof(buf), 0), 5);
	CHECK(!memcmp(buf, "hello", 5));
	CHECK_EQ(ftruncate(out, 0), 0);
	CHECK_EQ(ghosts_write(g, sparse_id, out, &err), 0);
	CHECK_EQ(fstat(out, &st), 0);
	CHECK_EQ(st.st_size, SPARSE);
	CHECK(st.st_blocks < 1024);
	CHECK_EQ(pread(out, buf, 6, SPARSE / 2 - 1), 6);
	CHECK(!memcmp(buf, "\0deep\0", 6));
	CHECK_EQ(ghosts_write(g, id + 1, out, &err), -ENOENT);
	ghosts_free(g);
	close(fd);
	close(sparse);
	close(out);
}

static int removed_folder(u64 *id)
{
	char path[] = FOLDER "/ghost-test-XXXXXX";
	int fd = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY) : -1;
	struct stat st;

	if (fd >= 0) {
		rmdir(path);
		fstat(fd, &st);
		*id = ghost_id(st.st_dev, st.st_ino);
	}
	return fd;
}

TEST(a_folder_comes_back)
{
	const struct timespec ts[2] = { { 1000, 5 }, { 2000, 6 } };
	struct ohib_err err = {};
	struct ghosts *g;
	u64 id, other;
	struct stat st;
	int fd = removed_folder(&id), out = -1;

	REQUIRE(fd >= 0);
	CHECK_EQ(fchmod(fd, 02711), 0);
	CHECK_EQ(fsetxattr(fd, "user.test", "value", 5, 0), 0);
	CHECK_EQ(futimens(fd, ts), 0);
	g = collected();
	REQUIRE(g);
	CHECK(ghosts_has(g, id));
	out = removed_folder(&other);
	CHECK_EQ(ghosts_write(g, id, out, &err), 0);
	CHECK_EQ(fstat(out, &st), 0);
	CHECK_EQ(st.st_mode, S_IFDIR | 02711);
	CHECK_EQ(st.st_mtim.tv_sec, 2000);
	CHECK_EQ(fgetxattr(out, "user.test", NULL, 0), 5);
	ghosts_free(g);
	close(fd);
	close(out);
}

/* It could be made, but not opened for writing any more. */
TEST(what_is_immutable_is_told)
{
	int flags = FS_IMMUTABLE_FL, none = 0, fd;
	struct ohib_err err = {};
	void *data = NULL;
	size_t len;
	u64 id;

	fd = nameless(&id);
	REQUIRE(fd >= 0);
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags)) {
		printf("no immutable files here\n");
	} else {
		CHECK_EQ(ghosts_collect_process(getpid(), MAX, &data, &len, &err), -EPERM);
		CHECK(strstr(err.msg, "ghost-test"));
		CHECK_EQ(ioctl(fd, FS_IOC_SETFLAGS, &none), 0);
	}
	close(fd);
}

TEST(too_much_is_told)
{
	struct ohib_err err = {};
	void *data = NULL;
	size_t len = 0;
	u64 id;
	int fd = nameless(&id);
	static char block[4096];

	REQUIRE(fd >= 0);
	for (int i = 0; i < 64; i++)
		CHECK_EQ(write(fd, block, sizeof(block)), sizeof(block));
	CHECK_EQ(ghosts_collect_process(getpid(), 100000, &data, &len, &err), -EFBIG);
	CHECK(strstr(err.msg, "ghost-test"));
	close(fd);
}

TEST(nothing_gives_no_section)
{
	struct ohib_err err = {};
	void *data = &err;
	size_t len = 1;

	CHECK_EQ(ghosts_collect_process(getpid(), MAX, &data, &len, &err), 0);
	CHECK(!data && !len);
}

/* Whatever byte is changed, and wherever it is cut: no crash, and no read outside (ASan looks on). */
TEST(damage_is_found_or_harmless)
{
	struct ohib_err err = {};
	void *data;
	size_t len;
	u64 id;
	int fd = nameless(&id), out = nameless(&id);

	REQUIRE(fd >= 0 && out >= 0);
	CHECK_EQ(write(fd, "contents", 8), 8);
	fsetxattr(fd, "user.test", "value", 5, 0);
	REQUIRE(!ghosts_collect_process(getpid(), MAX, &data, &len, &err));
	for (size_t i = 0; i < 2 * len; i++) {
		size_t n = i < len ? len : i - len;
		u8 *copy = malloc(n + 1);
		struct ghosts *g;

		memcpy(copy, data, n);
		if (i < len)
			copy[i] ^= 0x81;
		ohib_err_clear(&err);
		if (!ghosts_parse(copy, n, &g, &err)) {
			CHECK(i < len);
			ghosts_free(g);
		}
	}
	free(data);
	close(fd);
	close(out);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(contents_come_back),
		TEST_CASE(a_folder_comes_back),
		TEST_CASE(what_is_immutable_is_told),
		TEST_CASE(too_much_is_told),
		TEST_CASE(nothing_gives_no_section),
		TEST_CASE(damage_is_found_or_harmless),
	};

	return TEST_MAIN(t);
}
