// SPDX-License-Identifier: GPL-2.0-only
/* The layers of block devices, read from a sysfs of the test's own. */
#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk/stack.h"
#include "test.h"

static char sys[64];

/* A file (or with @text NULL a folder) and the folders that lead to it. */
static void put(const char *text, const char *fmt, ...)
{
	char path[400];
	va_list ap;
	size_t n = (size_t)snprintf(path, sizeof(path), "%s/", sys);
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - n, fmt, ap);
	va_end(ap);
	for (char *p = path + n; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	if (!text) {
		mkdir(path, 0700);
		return;
	}
	f = fopen(path, "w");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static void device(const char *name, const char *number)
{
	char to[100], path[200], line[64];

	snprintf(line, sizeof(line), "%s\n", number);
	put(line, "devices/%s/dev", name);
	snprintf(line, sizeof(line), "MAJOR=1\nDEVNAME=%s\n", strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
	put(line, "devices/%s/uevent", name);
	snprintf(to, sizeof(to), "../../devices/%s", name);
	snprintf(path, sizeof(path), "%s/dev/block/%s", sys, number);
	if (symlink(to, path))
		perror(path);
}

static void slave(const char *of, const char *name)
{
	char to[100], path[200];

	put(NULL, "devices/%s/slaves", of);
	snprintf(to, sizeof(to), "../../%s", name);
	snprintf(path, sizeof(path), "%s/devices/%s/slaves/%s", sys, of,
		 strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
	if (symlink(to, path))
		perror(path);
}

static void dm(const char *node, const char *number, const char *name, const char *uuid)
{
	device(node, number);
	put(name, "devices/%s/dm/name", node);
	put(uuid, "devices/%s/dm/uuid", node);
}

/* Two disks with a partition each: RAID 1, on it LUKS, on it LVM. */
static void machine(void)
{
	put(NULL, "dev/block");
	device("vda", "8:0");
	device("vda/vda1", "8:1");
	put("1\n", "devices/vda/vda1/partition");
	device("vdb", "8:16");
	device("vdb/vdb1", "8:17");
	put("1\n", "devices/vdb/vdb1/partition");
	device("md0", "9:0");
	put("raid1\n", "devices/md0/md/level");
	slave("md0", "vda/vda1");
	slave("md0", "vdb/vdb1");
	dm("dm-0", "254:0", "cryptroot\n", "CRYPT-LUKS2-1234-cryptroot\n");
	slave("dm-0", "md0");
	dm("dm-1", "254:1", "vg-root\n", "LVM-abcdef\n");
	slave("dm-1", "dm-0");
	dm("dm-2", "254:2", "overlayctl-vda1\n", "\n");
	slave("dm-2", "vda/vda1");
	dm("dm-3", "254:3", "mpatha\n", "mpath-360\n");
	slave("dm-3", "vda");
	device("bcache0", "252:0");
	slave("bcache0", "vdb");
	device("loop0", "7:0");
	put("/x\n", "devices/loop0/loop/backing_file");
}

static struct disk_layer l[DISK_LAYERS_MAX];

TEST(none)
{
	CHECK_EQ(disk_stack(sys, "8:0", l), 0);
	CHECK_EQ(disk_stack(sys, "8:1", l), 0);
	CHECK_EQ(disk_stack(sys, "8:99", l), -ENODEV);
}

TEST(all_of_them)
{
	REQUIRE(disk_stack(sys, "254:1", l) == 3);
	CHECK_EQ(l[0].kind, DISK_LVM);
	CHECK_STR(l[0].name, "vg-root");
	CHECK_STR(l[0].number, "254:1");
	CHECK_EQ(l[1].kind, DISK_CRYPT);
	CHECK_STR(l[1].name, "cryptroot");
	CHECK_EQ(l[2].kind, DISK_MD);
	CHECK_STR(l[2].name, "md0");
}

TEST(a_partition_of_one)
{
	device("md0/md0p1", "259:0");
	put("1\n", "devices/md0/md0p1/partition");
	REQUIRE(disk_stack(sys, "259:0", l) == 1);
	CHECK_EQ(l[0].kind, DISK_MD);
}

TEST(others)
{
	REQUIRE(disk_stack(sys, "254:2", l) == 1);
	CHECK_EQ(l[0].kind, DISK_LINEAR);
	REQUIRE(disk_stack(sys, "254:3", l) == 1);
	CHECK_EQ(l[0].kind, DISK_OTHER);
	CHECK_STR(l[0].name, "mpatha");
	REQUIRE(disk_stack(sys, "252:0", l) == 1);
	CHECK_EQ(l[0].kind, DISK_OTHER);
	CHECK_STR(l[0].name, "bcache0");
	REQUIRE(disk_stack(sys, "7:0", l) == 1);
	CHECK_EQ(l[0].kind, DISK_OTHER);
}

/* A circle, which no kernel has, is an end all the same. */
TEST(without_end)
{
	dm("dm-8", "254:8", "a\n", "LVM-a\n");
	dm("dm-9", "254:9", "b\n", "LVM-b\n");
	slave("dm-8", "dm-9");
	slave("dm-9", "dm-8");
	CHECK_EQ(disk_stack(sys, "254:8", l), -E2BIG);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(none), TEST_CASE(all_of_them), TEST_CASE(a_partition_of_one), TEST_CASE(others),
		TEST_CASE(without_end),
	};
	char remove[100];
	int r;

	strcpy(sys, "/tmp/stack-test.XXXXXX");
	if (!mkdtemp(sys))
		return 1;
	machine();
	r = TEST_MAIN(t);
	snprintf(remove, sizeof(remove), "rm -rf %s", sys);
	return system(remove) || r;
}
