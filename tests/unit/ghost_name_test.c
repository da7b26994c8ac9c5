// SPDX-License-Identifier: GPL-2.0-only
/* Files that get a name for a moment: what the kernel shows of them, and what becomes of the others. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "restore/ghost.h"
#include "test.h"

static char folder[64], path[128], link_text[256];
static struct restore r;
static struct ohib_err err;

static struct m_path *begin(const char *name)
{
	static struct m_path p;

	snprintf(folder, sizeof(folder), "/var/tmp/ghost-name-XXXXXX");
	if (!mkdtemp(folder))
		exit(1);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	r = (struct restore){ .e = &err, .root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) };
	p = (struct m_path){ .path = path, .unlinked = true };
	return &p;
}

static void end(int fd)
{
	char command[96];

	close(fd);
	close(r.root_fd);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	CHECK_EQ(system(command), 0);
}

static const char *shown(int fd)
{
	char link[40];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, link_text, sizeof(link_text) - 1);
	link_text[n < 0 ? 0 : n] = '\0';
	return link_text;
}

/* "PATH (deleted)", no link, and nothing but @left in the folder. */
static void check_gone(int fd, const char *left)
{
	char want[160], command[128], names[256] = "";
	struct stat st;
	FILE *f;

	snprintf(want, sizeof(want), "%s (deleted)", path);
	CHECK_STR(shown(fd), want);
	CHECK(!fstat(fd, &st) && (st.st_nlink == 0 || S_ISDIR(st.st_mode)));
	snprintf(command, sizeof(command), "ls -A %s", folder);
	f = popen(command, "r");
	REQUIRE(f);
	names[fread(names, 1, sizeof(names) - 1, f)] = '\0';
	pclose(f);
	CHECK_STR(names, left);
}

TEST(a_name_that_is_free)
{
	struct timespec then[2] = { { 1000, 1 }, { 2000, 2 } };
	struct m_path *p = begin("daemon");
	struct stat st;
	int fd;

	CHECK(!utimensat(AT_FDCWD, folder, then, 0));
	fd = ghost_create(&r, p, false);
	REQUIRE(fd >= 0);
	check_gone(fd, "");
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK(!stat(folder, &st) && st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 2);
	end(fd);
}

TEST(a_name_that_another_file_has)
{
	struct m_path *p = begin("daemon");
	int other = open(path, O_RDWR | O_CREAT, 0600), fd;
	struct stat was, is;

	CHECK_EQ(write(other, "new", 3), 3);
	CHECK(!fstat(other, &was));
	fd = ghost_create(&r, p, false);
	REQUIRE(fd >= 0);
	check_gone(fd, "daemon\n");
	CHECK(!stat(path, &is) && is.st_ino == was.st_ino && is.st_size == 3 && is.st_nlink == 1);
	CHECK(!fstat(fd, &is) && is.st_ino != was.st_ino && is.st_size == 0);
	close(other);
	end(fd);
}

TEST(a_name_that_a_folder_has)
{
	struct m_path *p = begin("daemon");
	struct stat st;
	int fd;

	CHECK(!mkdir(path, 0755));
	fd = ghost_create(&r, p, false);
	REQUIRE(fd >= 0);
	CHECK(!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_nlink == 0);
	CHECK(!stat(path, &st) && S_ISDIR(st.st_mode));
	end(fd);
}

TEST(a_folder_that_is_gone_too)
{
	struct m_path *p = begin("below/deeper/daemon");
	int fd = ghost_create(&r, p, false);

	REQUIRE(fd >= 0);
	check_gone(fd, "");
	end(fd);
}

TEST(a_removed_folder)
{
	struct m_path *p = begin("home");
	int fd = ghost_create_folder(&r, p);

	REQUIRE(fd >= 0);
	check_gone(fd, "");
	CHECK_EQ(mkdirat(fd, "sub", 0700), -1);
	end(fd);
}

TEST(a_folder_that_another_was_made_in_place_of)
{
	struct m_path *p = begin("home");
	char inside[160];
	int fd;

	snprintf(inside, sizeof(inside), "%s/file", path);
	CHECK(!mkdir(path, 0755));
	close(open(inside, O_RDWR | O_CREAT, 0600));
	fd = ghost_create_folder(&r, p);
	REQUIRE(fd >= 0);
	check_gone(fd, "home\n");
	CHECK(!access(inside, F_OK));
	end(fd);
}

TEST(what_a_power_cut_left_stays)
{
	struct m_path *p = begin("daemon");
	char left[160];
	int fd;

	snprintf(left, sizeof(left), "%s.overlay-0", path);
	close(open(left, O_RDWR | O_CREAT, 0600));
	close(open(path, O_RDWR | O_CREAT, 0600));
	fd = ghost_create(&r, p, false);
	REQUIRE(fd >= 0);
	check_gone(fd, "daemon\ndaemon.overlay-0\n");
	end(fd);
}

TEST(a_name_for_what_has_another)
{
	struct m_path *p = begin("first");
	char second[160];
	struct stat st;
	int of, fd;

	snprintf(second, sizeof(second), "%s/second", folder);
	of = open(second, O_RDWR | O_CREAT, 0600);
	fd = ghost_rename(&r, p, of);
	REQUIRE(fd >= 0);
	CHECK(!fstat(fd, &st) && st.st_nlink == 1);
	snprintf(second, sizeof(second), "%s (deleted)", path);
	CHECK_STR(shown(fd), second);
	close(of);
	end(fd);
}

TEST(one_that_may_get_a_name)
{
	struct m_path *p = begin("#123");
	char named[160];
	int fd = ghost_create(&r, p, true);

	REQUIRE(fd >= 0);
	snprintf(named, sizeof(named), "%s/named", folder);
	CHECK_EQ(linkat(fd, "", AT_FDCWD, named, AT_EMPTY_PATH), 0);
	CHECK(!access(named, F_OK));
	end(fd);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(a_name_that_is_free),
		TEST_CASE(a_name_that_another_file_has),
		TEST_CASE(a_name_that_a_folder_has),
		TEST_CASE(a_folder_that_is_gone_too),
		TEST_CASE(a_removed_folder),
		TEST_CASE(a_folder_that_another_was_made_in_place_of),
		TEST_CASE(what_a_power_cut_left_stays),
		TEST_CASE(a_name_for_what_has_another),
		TEST_CASE(one_that_may_get_a_name),
	};

	if (geteuid()) {
		printf("ghost_name: needs root\n0 passed, 0 failed\n");
		return 0;
	}
	return TEST_MAIN(t);
}
