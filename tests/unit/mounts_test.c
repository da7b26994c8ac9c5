// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mount tree, built in a namespace that looks like an initramfs, from an ext4 image on a loop
 * device. Each case is a process with a namespace of its own.
 * Context: root; /dev is a devtmpfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mounts_make.h"
#include "restore/engine.h"
#include "test.h"
#include "util/file.h"

/* --- a place like an initramfs */

static void enter_initramfs(void)
{
	char where[96];

	snprintf(where, sizeof(where), "%s/initramfs", dir);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mkdir(where, 0755) || mount("initramfs", where, "tmpfs", 0, NULL) || chdir(where) ||
	    run("mkdir -p proc sys dev run usr/bin old work && echo x >usr/bin/sh") ||
	    mount("proc", "proc", "proc", 0, NULL) || mount("sysfs", "sys", "sysfs", 0, NULL) ||
	    mount("udev", "dev", "devtmpfs", 0, NULL) || mount("run", "run", "tmpfs", 0, NULL) ||
	    syscall(SYS_pivot_root, ".", "old") || chdir("/") || umount2("/old", MNT_DETACH) ||
	    rmdir("/work")) {
		perror("initramfs");
		_exit(9);
	}
	mkdir("/dev/pts", 0755);
}

static char *slurp(const char *path)
{
	char *text = NULL;
	size_t len;

	return file_read_all(path, &text, &len) ? strdup("") : text;
}

/* mountinfo with what may differ taken out; the parent is told by its row. */
static char *mounts_seen(void)
{
	static char out[16384];
	char *text = slurp("/proc/self/mountinfo"), *save, *line, opts[256], root[256], where[256];
	char type[64], source[128], super[512], share[128];
	int id, parent, ids[256], n = 0, groups[16], ngroups = 0;
	size_t at = 0;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *rest = strstr(line, " - "), *tag;
		int row = -1, group = 0, g;

		sscanf(line, "%d %d %*s %255s %255s %255s", &id, &parent, root, where, opts);
		sscanf(rest, " - %63s %127s %511s", type, source, super);
		for (int i = 0; i < n; i++)
			if (ids[i] == parent)
				row = i;
		ids[n++] = id;
		strcpy(share, "-");
		tag = strstr(line, " shared:");
		if (tag && tag < rest) {
			group = atoi(tag + 8);
			for (g = 0; g < ngroups && groups[g] != group; g++)
				;
			groups[g] = group;
			ngroups = g == ngroups ? g + 1 : ngroups;
			sprintf(share, "shared:%c", 'a' + g);
		} else if (strstr(line, " unbindable ")) {
			strcpy(share, "unbindable");
		}
		tag = strstr(line, " master:");
		for (g = 0; tag && g < ngroups; g++)
			if (groups[g] == atoi(tag + 8))
				sprintf(share + strlen(share), ",master:%c", 'a' + g);
		at += (size_t)sprintf(out + at, "%d %s %s %s %s %s %s %s\n", row, root, where, opts, share,
				      type, !strcmp(source, loop) ? "LOOP" : source,
				      !strcmp(type, "devtmpfs") ? "*" : super);
	}
	free(text);
	return out;
}

static u8 *image_bytes(int fd)
{
	u8 *b = malloc(IMAGE_MIB << 20);

	if (pread(fd, b, IMAGE_MIB << 20, 0) != IMAGE_MIB << 20)
		CHECK(!"image read");
	return b;
}

static int file_is(struct restore *r, const char *path, const char *want)
{
	int fd = path_open(r, path, O_RDONLY, 0);
	char buf[64] = "";
	ssize_t n = fd < 0 ? fd : read(fd, buf, sizeof(buf) - 1);

	if (n < 0)
		printf("%s: %zd\n", path, n);
	close(fd);
	return !strncmp(buf, want, strlen(want));
}

struct ctx {
	struct machine *m;
	struct restore r;
	struct ohib_err e;
	struct restore_opts o;
	int image_fd;
	u8 *before;
};

static void in_child(void (*fn)(struct ctx *c))
{
	pid_t pid;
	int st;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		struct ctx c = {};

		c.image_fd = open(image, O_RDONLY);
		c.before = image_bytes(c.image_fd);
		enter_initramfs();
		c.m = make_machine(c.before + 1024);
		c.r.m = c.m;
		c.r.o = &c.o;
		c.r.e = &c.e;
		c.r.root_fd = open("/", O_PATH);
		fn(&c);
		if (test_failed_here && c.e.code)
			printf("error: %d %s\n", c.e.code, c.e.msg);
		fflush(stdout);
		_exit(test_failed_here);
	}
	waitpid(pid, &st, 0);
	CHECK_EQ(st, 0);
	run("rmdir %s/initramfs; rm -rf /dev/" DEV_NAME, dir);
}

static bool image_changed(struct ctx *c)
{
	u8 *now;
	bool changed;

	sync();
	now = image_bytes(c->image_fd);
	changed = memcmp(now, c->before, IMAGE_MIB << 20) != 0;
	free(now);
	return changed;
}

static int is_ro(void)
{
	int fd = open(loop, O_RDONLY), ro = -1;

	ioctl(fd, BLKROGET, &ro);
	close(fd);
	return ro;
}

static void undo(struct ctx *c)
{
	char *before = strdup(mounts_seen());

	REQUIRE(!mounts_build(&c->r));
	CHECK(file_is(&c->r, "/srv/data/file", "here"));
	CHECK(file_is(&c->r, "/mnt/file", "here"));
	CHECK(file_is(&c->r, "/etc/issue", "hosts"));
	CHECK(file_is(&c->r, "/run/sub/link", (char *)page_text));
	CHECK(file_is(&c->r, "/proc/self/comm", "mounts_test"));
	CHECK_EQ(path_open(&c->r, "/etc/new", O_WRONLY | O_CREAT, 0644), -EROFS);
	CHECK_EQ(path_open(&c->r, "/etc/hosts", O_WRONLY, 0644), -EROFS);
	CHECK_EQ(is_ro(), 1);
	CHECK(!image_changed(c));
	CHECK(!access("/dev/" DEV_NAME "/zero", F_OK));
	mounts_undo(&c->r);
	CHECK(access("/dev/" DEV_NAME, F_OK));
	CHECK_STR(mounts_seen(), before);
	CHECK(!image_changed(c));
	CHECK_EQ(is_ro(), 0);
	CHECK(access("/run/overlay-root", F_OK));
	CHECK(!access("/usr/bin/sh", F_OK));
	/* and an ordinary boot can go on */
	CHECK(!mkdir("/root", 0755) && !mount(loop, "/root", "ext4", 0, NULL));
}

TEST(undone_as_it_was)
{
	in_child(undo);
}

static void check_run(void)
{
	struct stat st, st2;
	char buf[4096 * 4];
	int fd;

	CHECK(!stat("/run", &st));
	CHECK_EQ(st.st_mtim.tv_nsec, 17);
	CHECK(!stat("/run/file", &st) && !stat("/run/sub/hard", &st2));
	CHECK_EQ(st.st_ino, st2.st_ino);
	CHECK_EQ(st.st_mode, S_IFREG | 0640);
	CHECK_EQ(st.st_uid, 11);
	CHECK_EQ(st.st_gid, 12);
	CHECK_EQ(st.st_size, 3 * 4096 + 7);
	CHECK_EQ(st.st_blocks, 16);
	CHECK_EQ(st.st_mtim.tv_sec, 1000000);
	CHECK_EQ(getxattr("/run/file", "trusted.ohib", buf, sizeof(buf)), 5);
	fd = open("/run/file", O_RDONLY);
	CHECK_EQ(read(fd, buf, sizeof(buf)), 3 * 4096 + 7);
	close(fd);
	CHECK(!memcmp(buf, page_text, sizeof(page_text) - 1) && !buf[4096] && buf[3 * 4096] == 'D');
	CHECK(!stat("/run/sub", &st));
	CHECK_EQ(st.st_mode, S_IFDIR | S_ISVTX | 0777);
	CHECK_EQ(st.st_mtim.tv_nsec, 17);
	CHECK(!lstat("/run/sub/link", &st));
	CHECK_EQ(st.st_mtim.tv_nsec, 17);
	CHECK_EQ(readlink("/run/sub/link", buf, sizeof(buf)), 7);
	CHECK(!stat("/run/sub/null", &st));
	CHECK_EQ(st.st_rdev, makedev(1, 3));
	CHECK_EQ(st.st_mode, S_IFCHR | 0666);
	CHECK(!stat("/run/sub/fifo", &st) && S_ISFIFO(st.st_mode));
	CHECK(!stat("/run/sub/dead.sock", &st));
	CHECK_EQ(st.st_mode, S_IFSOCK | 0755);
	CHECK_EQ(st.st_uid, 5);
	CHECK(!stat("/run/sub/live.sock", &st));
	CHECK_EQ(st.st_mode, S_IFSOCK | 0711);
	CHECK_EQ(st.st_uid, 6);
}

static void check_dev(void)
{
	char buf[16] = "";
	struct stat st;

	CHECK(!stat("/dev/null", &st));
	CHECK_EQ(st.st_rdev, makedev(1, 3));
	CHECK(!stat("/dev/" DEV_NAME, &st));
	CHECK_EQ(st.st_mode, S_IFDIR | 0710);
	CHECK_EQ(st.st_gid, 9);
	CHECK(!stat("/dev/" DEV_NAME "/zero", &st));
	CHECK_EQ(st.st_mode, S_IFCHR | 0640);
	CHECK_EQ(st.st_rdev, makedev(1, 5));
	CHECK(access("/dev/" DEV_NAME "/dynamic", F_OK));
	CHECK_EQ(readlink("/dev/" DEV_NAME "/link", buf, sizeof(buf) - 1), 7);
	CHECK_STR(buf, "../null");
}

static void check_whole(struct ctx *c, int old_root)
{
	struct stat st;
	int fd;

	CHECK_STR(mounts_seen(), want_mounts);
	check_run();
	check_dev();
	CHECK_EQ(faccessat(old_root, "usr", F_OK, 0), -1);
	CHECK_EQ(faccessat(old_root, "run/overlay-root", F_OK, 0), -1);
	CHECK_EQ(is_ro(), 0);
	fd = open("/srv/new", O_WRONLY | O_CREAT, 0644);
	CHECK(fd >= 0 && write(fd, "new", 3) == 3 && !fsync(fd));
	close(fd);
	CHECK(image_changed(c));
	CHECK_EQ(open("/mnt/new", O_WRONLY | O_CREAT, 0644), -1);
	CHECK(!stat("/", &st) && st.st_ino == 2);
	unlink("/srv/new");
}

static void over(struct ctx *c)
{
	int old_root = open("/", O_RDONLY | O_DIRECTORY);

	REQUIRE(!mounts_build(&c->r));
	CHECK(!image_changed(c));
	/* the socket's owner makes it in between */
	CHECK_EQ(faccessat(c->r.root_fd, "run/sub/live.sock", F_OK, 0), -1);
	CHECK(!mknodat(c->r.root_fd, "run/sub/live.sock", S_IFSOCK | 0600, 0));
	REQUIRE(!mounts_writable(&c->r));
	REQUIRE(!mounts_switch(&c->r));
	REQUIRE(!mounts_finish(&c->r));
	mounts_free(&c->r);
	check_whole(c, old_root);
}

TEST(over_the_root)
{
	in_child(over);
}

/* An ext4 with orphans is mounted anew after the commit. */
static void twice(struct ctx *c)
{
	int old_root = open("/", O_RDONLY | O_DIRECTORY);

	REQUIRE(!mounts_build(&c->r));
	mounts_undo(&c->r);
	CHECK(!image_changed(c));
	c->r.rw = true;
	REQUIRE(!mounts_build(&c->r));
	REQUIRE(!mounts_switch(&c->r));
	REQUIRE(!mounts_finish(&c->r));
	mounts_free(&c->r);
	check_whole(c, old_root);
}

TEST(after_a_rehearsal)
{
	in_child(twice);
}

/* What a trial does: the machine is mounted from something that is over its disk. */
static char other[96];
static int layers;

static int layer(void *arg, struct restore_disk *disks, size_t nr, struct ohib_err *e)
{
	struct ctx *c = arg;
	int fd = open(other, O_WRONLY);

	(void)e;
	layers++;
	CHECK_EQ(nr, 1);
	CHECK_STR(disks[0].node, loop);
	CHECK(!memcmp(disks[0].fs_uuid, uuid, sizeof(uuid)));
	CHECK_EQ(pwrite(fd, c->before, IMAGE_MIB << 20, 0), IMAGE_MIB << 20);
	CHECK(!fsync(fd));
	close(fd);
	strcpy(disks[0].node, other);
	return 0;
}

static void layered(struct ctx *c)
{
	struct stat st, st2;
	int fd;

	c->o.layer = layer;
	c->o.arg = c;
	CHECK(!stat(other, &st));
	REQUIRE(!mounts_build(&c->r));
	CHECK_EQ(layers, 1);
	CHECK_EQ(path_open(&c->r, "/etc/new", O_WRONLY | O_CREAT, 0644), -EROFS);
	REQUIRE(!mounts_writable(&c->r));
	REQUIRE(!mounts_switch(&c->r));
	REQUIRE(!mounts_finish(&c->r));
	mounts_free(&c->r);
	fd = open("/srv/new", O_WRONLY | O_CREAT, 0644);
	CHECK(fd >= 0 && write(fd, "new", 3) == 3 && !fsync(fd) && !fstat(fd, &st2));
	CHECK_EQ(st2.st_dev, st.st_rdev);
	close(fd);
	CHECK(!image_changed(c));
}

TEST(over_a_layer)
{
	FILE *f;

	REQUIRE(!run("truncate -s %dM %s.2 && losetup -f --show %s.2 >%s/loop2", IMAGE_MIB, image, image,
		     dir));
	snprintf(other, sizeof(other), "%s/loop2", dir);
	f = fopen(other, "r");
	REQUIRE(f && fscanf(f, "%95s", other) == 1);
	fclose(f);
	in_child(layered);
	run("losetup -d %s", other);
}

static void missing(struct ctx *c)
{
	struct m_mount *m;

	vec_foreach(m, &c->m->mounts)
		if (m->sb->kind == M_FS_BLOCK)
			m->sb->uuid[3] = 0x12;
	CHECK_EQ(mounts_build(&c->r), -ENODEV);
	CHECK(strstr(c->e.msg, "5e1f0012-6d6f"));
	mounts_undo(&c->r);
	CHECK_EQ(is_ro(), 0);
}

TEST(disk_missing)
{
	in_child(missing);
}

static void two(struct ctx *c)
{
	CHECK_EQ(mounts_build(&c->r), -ENOTUNIQ);
	CHECK(strstr(c->e.msg, loop));
	mounts_undo(&c->r);
}

TEST(two_disks_with_one_uuid)
{
	REQUIRE(!run("cp %s %s.2 && losetup -f --show %s.2 >%s/loop2", image, image, image, dir));
	in_child(two);
	run("losetup -d $(cat %s/loop2)", dir);
}

static void not_taken(struct ctx *c, const char *reason)
{
	int ret = mounts_build(&c->r);

	CHECK(ret < 0 && strstr(c->e.msg, reason));
	mounts_undo(&c->r);
	CHECK_EQ(is_ro(), 0);
}

static void used(struct ctx *c)
{
	CHECK(!mkdir("/root", 0755) && !mount(loop, "/root", "ext4", 0, NULL) && !umount("/root"));
	not_taken(c, "was mounted since");
}

static void in_use(struct ctx *c)
{
	CHECK(!mkdir("/root", 0755) && !mount(loop, "/root", "ext4", 0, NULL));
	not_taken(c, "is mounted, or was not unmounted since");
}

static void unclean(struct ctx *c)
{
	struct m_superblock *sb;

	vec_foreach(sb, &c->m->superblocks)
		if (sb->ident)
			sb->ident[0x60] |= 4;
	not_taken(c, "was not clean when");
}

static void untold(struct ctx *c)
{
	struct m_superblock *sb;

	vec_foreach(sb, &c->m->superblocks)
		sb->ident = NULL;
	not_taken(c, "does not tell");
}

TEST(used_in_between)
{
	in_child(used);
	in_child(in_use);
	in_child(unclean);
	in_child(untold);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(undone_as_it_was),
		TEST_CASE(over_the_root),
		TEST_CASE(after_a_rehearsal),
		TEST_CASE(over_a_layer),
		TEST_CASE(disk_missing),
		TEST_CASE(two_disks_with_one_uuid),
		TEST_CASE(used_in_between),
	};

	make_image();
	atexit(drop_image);
	return TEST_MAIN(t);
}
