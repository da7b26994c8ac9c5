// SPDX-License-Identifier: GPL-2.0-only
/*
 * Images in a file: file systems made by mke2fs and debugfs in a file of their own, where the image
 * lies in pieces. What is written through the pieces is read back with debugfs, and e2fsck looks
 * whether anything else was hit.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "test.h"
#include "disk/extfile.h"
#include "disk/node.h"
#include "image/io.h"
#include "image/place.h"
#include "image_make.h"

#define IMAGE_BYTES (12u << 20)

static char dir[40], spec[64];

/* Run a command line in the folder; its exit status. */
__attribute__((format(printf, 1, 2))) static int sh(const char *fmt, ...)
{
	char cmd[1000];
	va_list ap;
	int n = snprintf(cmd, sizeof(cmd), "cd %s && PATH=$PATH:/sbin:/usr/sbin && ", dir);

	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - (size_t)n, fmt, ap);
	va_end(ap);
	return system(cmd);
}

/*
 * A file system of type @type with blocks of @block bytes: small files of which every other is gone, a
 * file that must not change, and an image in their places. @pin: both its files are immutable.
 */
static bool make_fs(const char *type, unsigned int block, bool pin)
{
	/* debugfs waits for a disk, and there may be none below */
	strcpy(dir, access("/dev/shm", W_OK) ? "/tmp/ohib-place-XXXXXX" : "/dev/shm/ohib-place-XXXXXX");
	if (!mkdtemp(dir))
		return false;
	snprintf(spec, sizeof(spec), "%s/fs:/var/overlay.image", dir);
	return !sh("mkdir -p t/var && for i in $(seq 10 49); do head -c 300000 /dev/urandom >t/f$i; done &&"
		   "head -c 3000000 /dev/urandom >t/other && mke2fs -qF -t %s -b %u -d t fs 64M >log &&"
		   "head -c %u /dev/zero | tr '\\0' U >image && head -c 1024 /dev/zero | tr '\\0' '#' >env &&"
		   "{ for i in $(seq 11 2 49); do echo rm f$i; done; echo cd var; echo write image overlay.image;"
		   "echo write env overlay.image.env; } | debugfs -w -f /dev/stdin fs >log 2>&1",
		   type, block, IMAGE_BYTES) &&
	       (!pin || !sh("f=%s && for n in overlay.image overlay.image.env; do"
			    " debugfs -w -R \"sif /var/$n flags $f\" fs >>log 2>&1; done",
			    strcmp(type, "ext4") ? "0x10" : "0x80010"));
}

/* The file system is whole and the bystander is what it was. */
static bool unharmed(void)
{
	return !sh("e2fsck -fn fs >log 2>&1 && debugfs -R 'cat /other' fs 2>>log | cmp - t/other");
}

static void drop_fs(void)
{
	sh("rm -rf %s", dir);
}

static void fill(u8 *p, size_t len)
{
	for (size_t i = 0; i < len / 8; i++)
		((u64 *)p)[i] = made_mix(i);
}

/* What debugfs finds in the two files is what was written, each page in its place. */
static void check_contents(const u8 *want)
{
	u8 *got = malloc(IMAGE_BYTES), env[2 * OHIB_ENV_BYTES];
	char path[64];
	int fd;

	CHECK(!sh("debugfs -R 'dump /var/overlay.image out' fs >log 2>&1 &&"
		  " debugfs -R 'dump /var/overlay.image.env outenv' fs >log 2>&1"));
	snprintf(path, sizeof(path), "%s/out", dir);
	fd = open(path, O_RDONLY);
	CHECK_EQ(read(fd, got, IMAGE_BYTES), IMAGE_BYTES);
	close(fd);
	snprintf(path, sizeof(path), "%s/outenv", dir);
	fd = open(path, O_RDONLY);
	CHECK_EQ(read(fd, env, sizeof(env)), OHIB_ENV_BYTES);
	close(fd);
	CHECK(!memcmp(got, want, OHIB_ENV_OFFSET));
	CHECK(!memcmp(env, want + OHIB_ENV_OFFSET, OHIB_ENV_BYTES));
	CHECK(got[OHIB_ENV_OFFSET] == 'U' && got[OHIB_ENV_OFFSET + 4095] == 'U');
	CHECK(!memcmp(got + 8192, want + 8192, IMAGE_BYTES - 8192));
	free(got);
}

static void write_in_pieces(const char *type)
{
	u8 *want = image_pages_alloc(IMAGE_BYTES), *got = image_pages_alloc(IMAGE_BYTES);
	struct iovec iov[IMAGE_BYTES / 32768];
	struct ohib_err err = { 0 };
	struct image_dev d;

	REQUIRE(make_fs(type, 4096, true));
	REQUIRE(!image_dev_open(&d, spec, IMAGE_DEV_WRITE, &err));
	CHECK_EQ(d.size, IMAGE_BYTES);
	CHECK(d.file.extents.n > 4);
	fill(want, IMAGE_BYTES);
	/* one buffer, then pieces that fit into no extent's end */
	CHECK_EQ(image_dev_write(&d, 0, want, IMAGE_BYTES), 0);
	CHECK_EQ(image_dev_read(&d, 0, got, IMAGE_BYTES), 0);
	CHECK(!memcmp(got, want, IMAGE_BYTES));
	for (size_t i = 0; i < IMAGE_BYTES; i++)
		want[i] ^= 0x5a;
	for (size_t i = 0; i < ARRAY_SIZE(iov); i++)
		iov[i] = (struct iovec){ want + i * 32768, 32768 };
	CHECK_EQ(image_dev_writev(&d, 0, iov, ARRAY_SIZE(iov)), 0);
	CHECK_EQ(image_dev_flush(&d), 0);
	memset(got, 0, IMAGE_BYTES);
	for (u64 at = 0; at < IMAGE_BYTES; at += 12288)
		CHECK_EQ(image_dev_read(&d, at, got + at, 12288), 0);
	CHECK(!memcmp(got, want, IMAGE_BYTES));
	/* the end */
	CHECK_EQ(image_dev_write(&d, IMAGE_BYTES, want, 4096), -ENOSPC);
	CHECK_EQ(image_dev_write(&d, IMAGE_BYTES - 4096, want + IMAGE_BYTES - 4096, 8192), -ENOSPC);
	CHECK_EQ(image_dev_read(&d, IMAGE_BYTES - 4096, got, 8192), -ENODATA);
	CHECK_EQ(image_dev_read(&d, UINT64_MAX - 4095, got, 4096), -ENODATA);
	image_dev_close(&d);
	check_contents(want);
	CHECK(unharmed());
	image_pages_free(want, IMAGE_BYTES);
	image_pages_free(got, IMAGE_BYTES);
	drop_fs();
}

TEST(pieces_of_ext4)
{
	write_in_pieces("ext4");
}

TEST(pieces_of_ext2)
{
	write_in_pieces("ext2");
}

TEST(claims)
{
	struct image_dev a, b;
	struct ohib_err err = { 0 };

	REQUIRE(make_fs("ext4", 4096, true));
	REQUIRE(!image_dev_open(&a, spec, IMAGE_DEV_WRITE, &err));
	CHECK_EQ(image_dev_open(&b, spec, IMAGE_DEV_WRITE, NULL), -EBUSY);
	CHECK_EQ(image_dev_open(&b, spec, IMAGE_DEV_CLAIM, NULL), -EBUSY);
	CHECK_EQ(image_dev_open(&b, spec, IMAGE_DEV_READ, &err), 0);
	image_dev_close(&b);
	image_dev_close(&a);
	CHECK_EQ(image_dev_open(&b, spec, IMAGE_DEV_CLAIM, &err), 0);
	image_dev_close(&b);
	drop_fs();
}

static int count_page(void *arg, u64 pfn, const void *data)
{
	u8 page[4096];

	made_page(pfn, page);
	*(u64 *)arg += !memcmp(page, data, 4096);
	return 0;
}

TEST(an_image)
{
	struct made_image m = { 0 };
	struct ohib_image_info info;
	struct ohib_err err = { 0 };
	struct ohib_image *img;
	u64 good = 0, zeros = 0;

	REQUIRE(make_fs("ext4", 4096, true));
	strcpy(m.path, spec);
	CHECK_EQ(ohib_image_peek(spec, &info, NULL), -ENODATA);
	made_list(&m, 2000);
	CHECK_EQ(made_write(&m, 0, &err), 0);
	REQUIRE(!ohib_image_open(spec, &img, &err));
	CHECK_EQ(ohib_image_verify(img, 2, &err), 0);
	CHECK_EQ(ohib_image_for_each_page(img, 2, count_page, &good, &err), 0);
	for (u64 i = 0; i < m.nr; i++)
		zeros += i % 11 == 3;
	CHECK(good >= m.nr - zeros && good <= m.nr);
	ohib_image_close(img);
	CHECK(!sh("debugfs -R 'cat /var/overlay.image.env' fs 2>log | grep -qx ohib_state=armed"));
	CHECK_EQ(ohib_image_set_state(spec, OHIB_STATE_STALE, "a test", &err), 0);
	CHECK(!sh("debugfs -R 'cat /var/overlay.image.env' fs 2>log | grep -qx ohib_state=stale"));
	CHECK_EQ(ohib_image_peek(spec, &info, &err), 0);
	CHECK_EQ(info.state, OHIB_STATE_STALE);
	CHECK(unharmed());
	free(m.pfns);
	drop_fs();
}

/* Locks and keys know nothing of where the image is; spending it destroys the slots in both its headers. */
TEST(a_sealed_image)
{
	const struct kdf_cost cost = { .passes = 1, .kib = 64, .lanes = 1 };
	struct secret *s = secret_create(8), *keys = NULL;
	struct ohib_locks locks = { .nr = 1 };
	struct made_image m = { .locks = &locks };
	struct ohib_err err = { 0 };
	struct ohib_image *img;
	u64 good = 0;

	REQUIRE(make_fs("ext4", 4096, true) && s);
	memcpy(s->data, "a secret", 8);
	s->len = 8;
	CHECK_EQ(ohib_lock_make(OHIB_SLOT_PASSPHRASE, s, &cost, &locks.v[0], &err), 0);
	strcpy(m.path, spec);
	made_list(&m, 500);
	CHECK_EQ(made_write(&m, 0, &err), 0);
	CHECK_EQ(ohib_image_open(spec, &img, NULL), -ENOKEY);
	REQUIRE(!ohib_image_unlock(spec, 0, s, &keys, &err));
	REQUIRE(!ohib_image_open_sealed(spec, keys, &img, &err));
	CHECK_EQ(ohib_image_verify(img, 2, &err), 0);
	CHECK_EQ(ohib_image_for_each_page(img, 2, count_page, &good, &err), 0);
	CHECK(good > 400);
	ohib_image_close(img);
	CHECK_EQ(ohib_image_set_state(spec, OHIB_STATE_RESUMING, NULL, &err), 0);
	CHECK_EQ(ohib_image_set_state(spec, OHIB_STATE_SPENT, NULL, &err), 0);
	secret_free(keys);
	keys = NULL;
	CHECK_EQ(ohib_image_unlock(spec, 0, s, &keys, NULL), -ENOKEY);
	CHECK(unharmed());
	secret_free(keys);
	secret_free(s);
	free(m.pfns);
	drop_fs();
}

static int finds(const char *what, struct ohib_err *err)
{
	struct extfile file;
	int r;

	ohib_err_clear(err);
	r = place_find(what, &file, err);
	extfile_free(&file);
	return r;
}

TEST(refusals)
{
	struct ohib_err err = { 0 };
	char other[80];

	REQUIRE(make_fs("ext4", 4096, false));
	CHECK_EQ(finds(spec, &err), -EPERM);
	CHECK(strstr(err.msg, "overlayctl image create") != NULL);
	sh("debugfs -w -R 'sif /var/overlay.image flags 0x80010' fs >log 2>&1");
	CHECK_EQ(finds(spec, &err), -EPERM); /* .env is not pinned */
	sh("debugfs -w -R 'sif /var/overlay.image.env flags 0x80010' fs >log 2>&1");
	CHECK_EQ(finds(spec, &err), 0);
	snprintf(other, sizeof(other), "%s/fs:/var/nothing", dir);
	CHECK_EQ(finds(other, &err), -ENODATA);
	snprintf(other, sizeof(other), "%s/fs:/other", dir);
	CHECK_EQ(finds(other, &err), -ENODATA); /* it has no .env */
	snprintf(other, sizeof(other), "%s/fs:/var", dir);
	CHECK_EQ(finds(other, &err), -EOPNOTSUPP);
	snprintf(other, sizeof(other), "%s/image:/var/overlay.image", dir);
	CHECK_EQ(finds(other, &err), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "no ext2, ext3 or ext4") != NULL);
	snprintf(other, sizeof(other), "%s/gone:/var/overlay.image", dir);
	CHECK_EQ(finds(other, &err), -ENOENT);
	/* a hole; no blocks where the last ones ought to be; blocks that the device has not */
	sh("cp fs fs2 && debugfs -w -R 'punch /var/overlay.image 700 701' fs2 >log 2>&1");
	snprintf(other, sizeof(other), "%s/fs2:/var/overlay.image", dir);
	CHECK_EQ(finds(other, &err), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "not all of its blocks") != NULL);
	sh("cp fs fs2 && debugfs -w -R 'sif /var/overlay.image size %u' fs2 >log 2>&1", IMAGE_BYTES + 8192);
	CHECK_EQ(finds(other, &err), -EOPNOTSUPP);
	sh("cp fs fs2 && debugfs -w -R 'sif /var/overlay.image.env block[5] 0x7fffffff' fs2 >log 2>&1");
	CHECK_EQ(finds(other, &err), -EBADMSG);
	sh("cp fs fs2 && debugfs -w -R 'sif /var/overlay.image size 20480' fs2 >log 2>&1");
	CHECK_EQ(finds(other, &err), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "size") != NULL);
	/* half of the metadata overwritten */
	sh("cp fs fs2 && head -c 200000 /dev/urandom | dd of=fs2 bs=4096 seek=1 conv=notrunc 2>log");
	CHECK(finds(other, &err) < 0);
	drop_fs();

	REQUIRE(make_fs("ext4", 1024, true));
	CHECK_EQ(finds(spec, &err), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "1024 bytes") != NULL);
	drop_fs();
}

TEST(paths)
{
	CHECK(!place_path("/dev/vda2"));
	CHECK(!place_path("PARTLABEL=overlay"));
	CHECK(!place_path("/dev/disk/by-path/pci-0000:00:1f.2-ata-1"));
	CHECK(!place_path(":/x"));
	CHECK_STR(place_path("/dev/vda1:/overlay.image"), "/overlay.image");
	CHECK_STR(place_path("UUID=12-ab:/a/b"), "/a/b");
}

/* The file system that /tmp is on, as far as it is one for us: both ways to ask must lead to the same blocks. */
TEST(a_mounted_file)
{
	char real[PATH_MAX], number[32], node[DISK_NODE_LEN];
	struct extfile told, found, two;
	const char *paths[1];
	struct ohib_err err = { 0 };
	struct statfs fs;
	struct stat st;
	u8 buf[65536], uuid[16];
	int fd, r;

	strcpy(dir, "/tmp/ohib-place-XXXXXX");
	REQUIRE(mkdtemp(dir));
	snprintf(real, sizeof(real), "%s/file", dir);
	fd = open(real, O_RDWR | O_CREAT, 0600);
	REQUIRE(fd >= 0 && !fstatfs(fd, &fs) && !fstat(fd, &st));
	fill(buf, sizeof(buf));
	CHECK_EQ(write(fd, buf, sizeof(buf)), sizeof(buf));
	CHECK_EQ(fsync(fd), 0);
	if (fs.f_type == 0xef53 && fs.f_bsize == 4096) {
		CHECK_EQ(extfile_ask_kernel(fd, real, &told, &err), 0);
		CHECK_EQ(told.size, sizeof(buf));
		CHECK(!told.pinned);
		snprintf(number, sizeof(number), "%u:%u", major(st.st_dev), minor(st.st_dev));
		paths[0] = real;
		r = disk_node(number, node) || access(node, R_OK) ? -ENOENT :
			extfile_find(node, paths, 1, &found, uuid, &err);
		/* /tmp may be a mount of its own, its root elsewhere */
		if (!r) {
			CHECK(extfile_same_place(&told, &found));
			extfile_free(&found);
		}
		CHECK_EQ(ftruncate(fd, 2 * sizeof(buf)), 0);
		CHECK_EQ(extfile_ask_kernel(fd, real, &two, NULL), -EOPNOTSUPP);
		CHECK(!extfile_same_place(&told, &two));
		extfile_free(&told);
		extfile_free(&two);
	}
	close(fd);
	drop_fs();
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(paths),	     TEST_CASE(pieces_of_ext4), TEST_CASE(pieces_of_ext2),
		TEST_CASE(claims),	     TEST_CASE(an_image),	TEST_CASE(refusals),
		TEST_CASE(a_sealed_image),   TEST_CASE(a_mounted_file),
	};

	return TEST_MAIN(t);
}
