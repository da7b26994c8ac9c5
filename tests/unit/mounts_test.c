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
#include <stdarg.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "restore/engine.h"
#include "test.h"
#include "util/file.h"

#define IMAGE_MIB 8
#define DEV_NAME "ohib-test"

static char dir[64], image[96], loop[96];
static u8 uuid[16] = "\x5e\x1f\x00\x11mounts-test";

static int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

static void make_image(void)
{
	FILE *f;

	strcpy(dir, "/tmp/ohib-mounts-XXXXXX");
	if (!mkdtemp(dir))
		exit(1);
	snprintf(image, sizeof(image), "%s/image", dir);
	if (run("cd %s && mkdir t && cd t && mkdir -p proc sys dev run mnt srv/data etc opt/a opt/b opt/c && cd .. && echo hosts >t/etc/hosts && "
		"echo issue >t/etc/issue && echo here >t/srv/data/file && "
		"mkfs.ext4 -q -U 5e1f0011-6d6f-756e-7473-2d7465737400 -d t image %dM >/dev/null 2>&1", dir, IMAGE_MIB) ||
	    run("cd %s && losetup -f --show image >loop", dir))
		exit(1);
	snprintf(loop, sizeof(loop), "%s/loop", dir);
	f = fopen(loop, "r");
	if (!f || fscanf(f, "%95s", loop) != 1)
		exit(1);
	fclose(f);
}

static void drop_image(void)
{
	run("losetup -d %s; rm -rf %s", loop, dir);
}

/* --- a machine */

static const u8 page_text[] = "contents of a file in memory\n";

static int read_page(void *arg, const struct m_page_src *src, void *buf)
{
	(void)arg;
	memset(buf, 'A' + (int)src->where, 4096);
	if (!src->where)
		memcpy(buf, page_text, sizeof(page_text) - 1);
	return 0;
}

static struct m_dentry *node(struct m_dentry *in, const char *name, u32 mode)
{
	struct m_dentry *d = calloc(1, sizeof(*d));

	d->name = strdup(name);
	d->inode = calloc(1, sizeof(*d->inode));
	d->inode->mode = mode;
	d->inode->nlink = 1;
	d->inode->atime_ns = d->inode->mtime_ns = 1000000000ll * 1000000 + 17;
	if (in)
		vec_push(&in->children, d);
	return d;
}

static struct m_superblock *sb_add(struct machine *m, enum m_fs_kind kind, const char *type,
				   const char *options)
{
	struct m_superblock *sb = calloc(1, sizeof(*sb));

	sb->kind = kind;
	strcpy(sb->fstype, type);
	sb->options = options ? strdup(options) : NULL;
	if (kind == M_FS_TMPFS)
		sb->root = node(NULL, "", S_IFDIR | 0755);
	vec_push(&m->superblocks, sb);
	return sb;
}

static struct m_mount *mnt_add(struct machine *m, struct m_mount *parent, struct m_superblock *sb,
			       const char *where, const char *root, const char *source, u64 flags)
{
	struct m_mount *t = calloc(1, sizeof(*t));

	t->parent = parent;
	t->sb = sb;
	t->mountpoint = strdup(where);
	t->root = strdup(root);
	t->devname = strdup(source);
	t->flags = flags;
	vec_push(&m->mounts, t);
	return t;
}

/* Everything that a directory of a tmpfs can have. */
static void fill_run(struct machine *m, struct m_superblock *sb, struct m_mount *mnt)
{
	struct m_dentry *d, *sub, *hard;
	static struct m_xattr x = { (char *)"trusted.ohib", (void *)"value", 5 };
	struct m_path *p = calloc(1, sizeof(*p));
	struct m_sock *s = calloc(1, sizeof(*s));

	d = node(sb->root, "file", S_IFREG | 0640);
	d->inode->uid = 11;
	d->inode->gid = 12;
	d->inode->shmem = calloc(1, sizeof(*d->inode->shmem));
	d->inode->shmem->size = 3 * 4096 + 7;
	vec_push(&d->inode->shmem->pages, ((struct m_page){ 0, { M_PAGE_PFN, 0, 0 } }));
	vec_push(&d->inode->shmem->pages, ((struct m_page){ 3 * 4096, { M_PAGE_PFN, 0, 3 } }));
	vec_push(&d->inode->xattrs, x);
	d->inode->nlink = 2;
	sub = node(sb->root, "sub", S_IFDIR | S_ISVTX | 0777);
	hard = node(sub, "hard", 0);
	hard->inode = d->inode;
	d = node(sub, "link", S_IFLNK | 0777);
	d->inode->symlink = strdup("../file");
	d = node(sub, "null", S_IFCHR | 0666);
	d->inode->rdev = makedev(1, 3);
	node(sub, "fifo", S_IFIFO | 0600);
	node(sub, "dead.sock", S_IFSOCK | 0755)->inode->uid = 5;
	node(sub, "live.sock", S_IFSOCK | 0711)->inode->uid = 6;
	p->mnt = mnt;
	p->path = strdup("/run/sub/live.sock");
	s->path = p;
	vec_push(&m->socks, s);
	node(sb->root, "lock", S_IFDIR | 0755);
}

/* What user space adds to /dev; there is one devtmpfs, so it is the host's too. */
static void fill_dev(struct m_superblock *sb)
{
	struct m_dentry *d, *sub;

	sb->root = node(NULL, "", S_IFDIR | 0755);
	node(sb->root, "null", S_IFCHR | 0666)->inode->rdev = makedev(1, 99);
	node(sb->root, "pts", S_IFDIR | 0755);
	sub = node(sb->root, DEV_NAME, S_IFDIR | 0710);
	sub->inode->gid = 9;
	node(sub, "zero", S_IFCHR | 0640)->inode->rdev = makedev(1, 5);
	node(sub, "dynamic", S_IFCHR | 0640)->inode->rdev = makedev(240, 5);
	node(sub, "fifo", S_IFIFO | 0622);
	d = node(sub, "link", S_IFLNK | 0777);
	d->inode->symlink = strdup("../null");
}

static struct machine *make_machine(const u8 *super)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct m_mount *rootfs, *root, *sys, *dev, *run, *lock, *t;
	struct m_superblock *ext4, *tmpfs;
	struct m_superblock *devtmpfs;
	const u64 nosuid = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME;

	m->read_page = read_page;
	rootfs = mnt_add(m, NULL, sb_add(m, M_FS_INTERNAL, "rootfs", NULL), "/", "/", "none", 0);
	ext4 = sb_add(m, M_FS_BLOCK, "ext4", "errors=remount-ro");
	memcpy(ext4->uuid, uuid, 16);
	ext4->has_uuid = true;
	ext4->ident = memcpy(malloc(1024), super, 1024);
	ext4->ident_len = ext4->ident_offset = 1024;
	strcpy(ext4->devname, "sdx1");
	root = mnt_add(m, rootfs, ext4, "/", "/", "/dev/sdx1", MS_RELATIME);
	root->peer_group = 1;
	sys = mnt_add(m, root, sb_add(m, M_FS_KERNEL, "sysfs", NULL), "/sys", "/", "sysfs", nosuid);
	sys->peer_group = 2;
	mnt_add(m, sys, sb_add(m, M_FS_KERNEL, "securityfs", NULL), "/sys/kernel/security", "/",
		"securityfs", nosuid);
	mnt_add(m, root, sb_add(m, M_FS_KERNEL, "proc", NULL), "/proc", "/", "proc", nosuid);
	devtmpfs = sb_add(m, M_FS_DEVTMPFS, "devtmpfs", "mode=755");
	fill_dev(devtmpfs);
	dev = mnt_add(m, root, devtmpfs, "/dev", "/", "udev", MS_NOSUID | MS_RELATIME);
	mnt_add(m, dev, sb_add(m, M_FS_DEVPTS, "devpts", "gid=5,mode=620,ptmxmode=000"), "/dev/pts",
		"/", "devpts", MS_NOSUID | MS_NOEXEC | MS_NOATIME);
	tmpfs = sb_add(m, M_FS_TMPFS, "tmpfs", "size=4096k,nr_inodes=1000,mode=755");
	run = mnt_add(m, root, tmpfs, "/run", "/", "tmpfs", nosuid);
	run->peer_group = 7;
	fill_run(m, tmpfs, run);
	tmpfs = sb_add(m, M_FS_TMPFS, "tmpfs", "size=5120k");
	tmpfs->readonly = true;
	lock = mnt_add(m, run, tmpfs, "/run/lock", "/", "tmpfs", MS_NOSUID);
	/* over it; a part of the disk; a file over a file; the part again as a peer */
	mnt_add(m, lock, sb_add(m, M_FS_TMPFS, "tmpfs", "size=64k"), "/run/lock", "/", "over",
		MS_RELATIME | MS_NODIRATIME);
	mnt_add(m, root, ext4, "/mnt", "/srv/data", "/dev/sdx1", MS_RDONLY | MS_NOATIME)->peer_group = 1;
	/* a slave of the disk that is shared itself, with a peer of another part; a slave of that */
	t = mnt_add(m, root, ext4, "/opt/a", "/srv", "/dev/sdx1", MS_RELATIME);
	t->peer_group = 3;
	t->master_group = 1;
	t = mnt_add(m, root, ext4, "/opt/b", "/", "/dev/sdx1", MS_RELATIME);
	t->peer_group = 3;
	t->master_group = 1;
	mnt_add(m, root, ext4, "/opt/c", "/srv", "/dev/sdx1", MS_RELATIME)->master_group = 3;
	mnt_add(m, root, ext4, "/etc/issue", "/etc/hosts", "/dev/sdx1", MS_RELATIME)->unbindable = true;
	return m;
}

static const char *const want_mounts =
	"-1 / / rw,relatime shared:a ext4 LOOP rw,errors=remount-ro\n"
	"0 / /sys rw,nosuid,nodev,noexec,relatime shared:b sysfs sysfs rw\n"
	"1 / /sys/kernel/security rw,nosuid,nodev,noexec,relatime - securityfs securityfs rw\n"
	"0 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n"
	"0 / /dev rw,nosuid,relatime - devtmpfs udev *\n"
	"4 / /dev/pts rw,nosuid,noexec,noatime - devpts devpts rw,gid=5,mode=620,ptmxmode=000\n"
	"0 / /run rw,nosuid,nodev,noexec,relatime shared:c tmpfs tmpfs rw,size=4096k,nr_inodes=1000,mode=755\n"
	"6 / /run/lock rw,nosuid - tmpfs tmpfs ro,size=5120k\n"
	"7 / /run/lock rw,nodiratime,relatime - tmpfs over rw,size=64k\n"
	"0 /srv/data /mnt ro,noatime shared:a ext4 LOOP rw,errors=remount-ro\n"
	"0 /srv /opt/a rw,relatime shared:d,master:a ext4 LOOP rw,errors=remount-ro\n"
	"0 / /opt/b rw,relatime shared:d,master:a ext4 LOOP rw,errors=remount-ro\n"
	"0 /srv /opt/c rw,relatime -,master:d ext4 LOOP rw,errors=remount-ro\n"
	"0 /etc/hosts /etc/issue rw,relatime unbindable ext4 LOOP rw,errors=remount-ro\n";

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
		TEST_CASE(disk_missing),
		TEST_CASE(two_disks_with_one_uuid),
		TEST_CASE(used_in_between),
	};

	make_image();
	atexit(drop_image);
	return TEST_MAIN(t);
}
