// SPDX-License-Identifier: GPL-2.0-only
/* A trial's tables, its record on the device, what the kernel says of its layer, and the room it gets. */
#include <errno.h>
#include <sys/sysmacros.h>

#include "test.h"
#include "image_make.h"
#include "trial/trial.h"

static struct ohib_trial_record record(void)
{
	struct ohib_trial_record r = { .nr_disks = 3, .nr_swaps = 1, .chunk = OHIB_TRIAL_CHUNK };

	r.disk[0] = (struct ohib_trial_disk){ 4096000, "PARTUUID=11-22", "overlayctl-vda2" };
	r.disk[1] = (struct ohib_trial_disk){ 2048, "PARTUUID=11-23", "overlayctl-vda3" };
	r.disk[2] = (struct ohib_trial_disk){ 700001, "UUID=6b6601e8", "overlayctl-sdb" };
	r.swap[0] = (struct ohib_trial_swap){ "/dev/vda4", 0x8005, 0 };
	return r;
}

static struct trial_numbers some_numbers(void)
{
	struct trial_numbers n = { .device = makedev(259, 300) };

	n.disk[0] = makedev(254, 2);
	n.disk[1] = makedev(254, 3);
	n.disk[2] = makedev(8, 16);
	n.origin = makedev(253, 0);
	n.cow = makedev(253, 1);
	n.layer = makedev(253, 2);
	return n;
}

static void is_row(const struct dm_table *t, size_t i, u64 start, u64 length, const char *type,
		   const char *params)
{
	REQUIRE(i < t->n);
	CHECK_EQ(t->target[i].start, start);
	CHECK_EQ(t->target[i].length, length);
	CHECK_STR(t->target[i].type, type);
	CHECK_STR(t->target[i].params, params);
}

TEST(tables)
{
	struct ohib_image_info image = { .trial_offset = 300u << 20, .trial_bytes = 100u << 20 };
	struct trial_numbers numbers = some_numbers();
	struct ohib_trial_record r = record();
	struct dm_table t;

	CHECK_EQ(trial_sectors(&r), 4798049);
	trial_table_origin(&r, &numbers, &t);
	CHECK_EQ(t.n, 3);
	is_row(&t, 0, 0, 4096000, "linear", "254:2 0");
	is_row(&t, 1, 4096000, 2048, "linear", "254:3 0");
	is_row(&t, 2, 4098048, 700001, "linear", "8:16 0");
	/* behind the record: 64 KiB */
	trial_table_cow(&image, &numbers, &t);
	CHECK_EQ(t.n, 1);
	is_row(&t, 0, 0, 204800 - 128, "linear", "259:300 614528");
	trial_table_layer(&r, &numbers, false, &t);
	CHECK_EQ(t.n, 1);
	is_row(&t, 0, 0, 4798049, "snapshot", "253:0 253:1 P 8");
	trial_table_layer(&r, &numbers, true, &t);
	is_row(&t, 0, 0, 4798049, "snapshot-merge", "253:0 253:1 P 8");
	trial_table_disk(&r, &numbers, 2, false, &t);
	CHECK_EQ(t.n, 1);
	is_row(&t, 0, 0, 700001, "linear", "253:2 4098048");
	trial_table_disk(&r, &numbers, 2, true, &t);
	is_row(&t, 0, 0, 700001, "linear", "8:16 0");
}

static struct trial_usage said(const char *type, const char *params)
{
	struct dm_target t = { .length = 1 };
	struct trial_usage u;

	strcpy(t.type, type);
	strcpy(t.params, params);
	trial_usage_parse(&t, &u);
	return u;
}

TEST(what_the_kernel_says)
{
	struct trial_usage u = said("snapshot", "16/204672 16");

	CHECK_EQ(u.fill, TRIAL_RUNS);
	CHECK_EQ(u.used, 16);
	CHECK_EQ(u.total, 204672);
	CHECK_EQ(said("snapshot", "Invalid").fill, TRIAL_LOST);
	CHECK_EQ(said("snapshot", "Overflow").fill, TRIAL_LOST);
	CHECK_STR(said("snapshot", "Overflow").told, "Overflow");
	u = said("snapshot-merge", "4096/204672 24");
	CHECK_EQ(u.fill, TRIAL_MERGES);
	CHECK_EQ(u.used, 4072);
	u = said("snapshot-merge", "16/204672 16");
	CHECK_EQ(u.fill, TRIAL_MERGED);
	CHECK_EQ(u.used, 0);
	CHECK_EQ(said("snapshot-merge", "Merge failed").fill, TRIAL_LOST);
	CHECK_EQ(said("linear", "").fill, TRIAL_NONE);
}

static enum trial_level level(u64 used, u64 total)
{
	struct trial_usage u = { .fill = TRIAL_RUNS, .used = used, .total = total };

	return trial_level(&u);
}

TEST(levels)
{
	struct trial_usage lost = { .fill = TRIAL_LOST };

	CHECK_EQ(level(0, 1600), TRIAL_EASY);
	CHECK_EQ(level(799, 1600), TRIAL_EASY);
	CHECK_EQ(level(800, 1600), TRIAL_HALF);
	CHECK_EQ(level(1200, 1600), TRIAL_HIGH);
	CHECK_EQ(level(1499, 1600), TRIAL_HIGH);
	CHECK_EQ(level(1500, 1600), TRIAL_FULL);
	/* in 100 GB 64 MB are kept free */
	CHECK_EQ(level(209715200 - 131073, 209715200), TRIAL_HIGH);
	CHECK_EQ(level(209715200 - 131072, 209715200), TRIAL_FULL);
	CHECK_EQ(trial_level(&lost), TRIAL_FULL);
}

/* What is behind the image on the device, in bytes that GRUB and dm-snapshot do not look at. */
static void spoil(const char *path, u64 at)
{
	int fd = open(path, O_RDWR);
	u8 b;

	if (pread(fd, &b, 1, (off_t)at) != 1)
		abort();
	b ^= 1;
	if (pwrite(fd, &b, 1, (off_t)at) != 1)
		abort();
	close(fd);
}

TEST(record_on_the_device)
{
	struct ohib_image_info image = { .trial_offset = 1u << 20, .trial_bytes = 2u << 20, .uuid = "abc" };
	struct ohib_trial_record r = record(), back;
	struct made_image m;
	u8 page[4096];
	int fd;

	made_file(&m, 4u << 20);
	m.pfns = NULL;
	fd = open(m.path, O_RDWR);
	memset(page, 0x55, sizeof(page));
	CHECK_EQ(pwrite(fd, page, sizeof(page), (1u << 20) + OHIB_TRIAL_STORE), 4096);
	CHECK_EQ(trial_record_read(m.path, &image, &back, NULL), -ENODATA);
	CHECK_EQ(trial_record_write(m.path, &image, &r, NULL), 0);
	CHECK_EQ(trial_record_read(m.path, &image, &back, NULL), 0);
	CHECK(!memcmp(&r, &back, sizeof(r)));
	/* the store of an earlier trial is none any more: it begins with zeros */
	CHECK_EQ(pread(fd, page, sizeof(page), (1u << 20) + OHIB_TRIAL_STORE), 4096);
	for (size_t i = 0; i < sizeof(page); i++)
		if (page[i])
			CHECK(!"the store is empty");
	close(fd);
	image.uuid[0] = 'x';
	CHECK_EQ(trial_record_read(m.path, &image, &back, NULL), -ENODATA);
	image.uuid[0] = 'a';
	spoil(m.path, (1u << 20) + 50);
	CHECK_EQ(trial_record_read(m.path, &image, &back, NULL), -EBADMSG);
	image.trial_bytes = 0;
	CHECK_EQ(trial_record_write(m.path, &image, &r, NULL), -ENODATA);
	made_free(&m);
}

TEST(record_makes_sense)
{
	struct ohib_image_info image = { .trial_offset = 1u << 20, .trial_bytes = 2u << 20, .uuid = "abc" };
	struct ohib_trial_record r;
	struct made_image m;

	made_file(&m, 4u << 20);
	m.pfns = NULL;
	r = record();
	r.nr_disks = 0;
	CHECK_EQ(trial_record_write(m.path, &image, &r, NULL), -EINVAL);
	r.nr_disks = OHIB_TRIAL_DISKS + 1;
	CHECK_EQ(trial_record_write(m.path, &image, &r, NULL), -EINVAL);
	r = record();
	r.disk[1].sectors = 0;
	CHECK_EQ(trial_record_write(m.path, &image, &r, NULL), -EINVAL);
	r = record();
	strcpy(r.disk[1].name, "vg-root");
	CHECK_EQ(trial_record_write(m.path, &image, &r, NULL), -EINVAL);
	r = record();
	memset(r.disk[0].spec, 'x', sizeof(r.disk[0].spec));
	CHECK_EQ(trial_record_write(m.path, &image, &r, NULL), -EINVAL);
	made_free(&m);
}

TEST(room)
{
	u64 offset, bytes;

	/* all there is, from the next megabyte on */
	CHECK_EQ(ohib_writer_trial_room((200u << 20) + 4096, (50u << 20) + 1, 0, &offset, &bytes), 0);
	CHECK_EQ(offset, 51u << 20);
	CHECK_EQ(bytes, 149u << 20);
	CHECK_EQ(ohib_writer_trial_room(200u << 20, 50u << 20, 64u << 20, &offset, &bytes), 0);
	CHECK_EQ(offset, 50u << 20);
	CHECK_EQ(bytes, 64u << 20);
	CHECK_EQ(ohib_writer_trial_room(200u << 20, 150u << 20, 64u << 20, &offset, &bytes), -ENOSPC);
	CHECK_EQ(ohib_writer_trial_room(200u << 20, 169u << 20, 0, &offset, &bytes), -ENOSPC);
	CHECK_EQ(ohib_writer_trial_room(200u << 20, 168u << 20, 0, &offset, &bytes), 0);
	CHECK_EQ(ohib_writer_trial_room(200u << 20, 300u << 20, 0, &offset, &bytes), -ENOSPC);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(tables),
		TEST_CASE(what_the_kernel_says),
		TEST_CASE(levels),
		TEST_CASE(record_on_the_device),
		TEST_CASE(record_makes_sense),
		TEST_CASE(room),
	};

	return TEST_MAIN(t);
}
