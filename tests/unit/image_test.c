// SPDX-License-Identifier: GPL-2.0-only
/* The image container: what was written is read, and what was damaged is told. */
#include <errno.h>
#include <sys/mman.h>

#include "test.h"
#include "image_make.h"
#include "image/state.h"
#include "seal/secret.h"

#define SIZE (24u << 20)

struct seen {
	const struct made_image *m;
	u64 at, bad;
};

static int seen_page(void *arg, u64 pfn, const void *data)
{
	struct seen *s = arg;
	u64 entry = s->m->pfns[s->at++];
	u8 want[4096];

	if (entry & OHIB_PFN_ZERO_FLAG)
		memset(want, 0, sizeof(want));
	else
		made_page(pfn, want);
	s->bad += (entry & ~OHIB_PFN_ZERO_FLAG) != pfn || memcmp(want, data, sizeof(want));
	return 0;
}

static void check_pages(struct made_image *m, unsigned int threads)
{
	struct ohib_err err = { 0 };
	struct ohib_image *img;
	struct seen s = { .m = m };
	u8 page[4096], want[4096];
	u64 bad = 0;

	REQUIRE(!ohib_image_open(m->path, &img, &err));
	CHECK_EQ(ohib_image_for_each_page(img, threads, seen_page, &s, &err), 0);
	CHECK_EQ(s.at, m->nr);
	CHECK_EQ(s.bad, 0);
	CHECK_EQ(ohib_image_set_cache(img, 3 * 64 * 4096, &err), 0);
	for (u64 i = 0; i < 2 * m->nr; i++) {
		/* upwards, then in no order */
		u64 k = i < m->nr ? i : made_mix(i) % m->nr, pfn = m->pfns[k] & ~OHIB_PFN_ZERO_FLAG;

		if (m->pfns[k] & OHIB_PFN_ZERO_FLAG)
			memset(want, 0, sizeof(want));
		else
			made_page(pfn, want);
		bad += ohib_image_read_pfn(img, pfn, page, &err) != 0 ||
		       memcmp(page, want, sizeof(page)) != 0;
	}
	CHECK_EQ(bad, 0);
	CHECK_STR(err.msg, "");
	CHECK(!ohib_image_has_pfn(img, 0));
	CHECK(!ohib_image_has_pfn(img, 1ull << 40));
	CHECK_EQ(ohib_image_read_pfn(img, 1ull << 40, page, &err), -ENODATA);
	ohib_image_close(img);
}

TEST(round_trip)
{
	static const struct {
		u64 pages;
		unsigned int chunk, threads;
	} t[] = { { 0, 16, 1 },	   { 1, 16, 1 },   { 3, 1, 2 },	    { 64, 64, 2 },
		  { 65, 32, 3 },   { 1000, 5, 4 }, { 3001, 32, 2 }, { 3001, 64, 1 } };

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct made_image m;
		struct ohib_err err = { 0 };

		made_file(&m, SIZE);
		made_list(&m, t[i].pages);
		CHECK_EQ(made_write(&m, t[i].chunk, &err), 0);
		CHECK_STR(err.msg, "");
		check_pages(&m, t[i].threads);
		made_free(&m);
	}
}

TEST(unsorted_list)
{
	struct made_image m;
	struct ohib_err err = { 0 };

	made_file(&m, SIZE);
	made_list(&m, 500);
	for (u64 i = 0; i < 250; i++) {
		u64 k = made_mix(i) % 500, tmp = m.pfns[i];

		m.pfns[i] = m.pfns[k];
		m.pfns[k] = tmp;
	}
	CHECK_EQ(made_write(&m, 32, &err), 0);
	check_pages(&m, 2);
	made_free(&m);
}

TEST(info_and_sections)
{
	struct made_image m;
	struct ohib_err err = { 0 };
	struct ohib_image *img;
	const struct ohib_image_info *info;
	struct secret *key;
	void *data;
	size_t len;

	made_file(&m, SIZE);
	made_list(&m, 2000);
	REQUIRE(!made_write(&m, 32, &err));
	REQUIRE(!ohib_image_open(m.path, &img, &err));
	info = ohib_image_info(img);
	CHECK_EQ(info->state, OHIB_STATE_ARMED);
	CHECK_STR(info->image_kernel, "6.1.0-test");
	CHECK_STR(info->next_kernel, "6.12.0-test");
	CHECK_STR(info->device, "PARTLABEL=overlay");
	CHECK_EQ(info->nr_pages + info->nr_zero_pages, 2000);
	CHECK(info->nr_zero_found > 100);
	CHECK(info->stored_bytes < info->raw_bytes / 2);
	CHECK_EQ(ohib_image_section(img, OHIB_SEC_KALLSYMS, &data, &len, &err), 0);
	CHECK_EQ(len, 10000);
	CHECK(((char *)data)[9999] == 'x');
	free(data);
	CHECK_EQ(ohib_image_section(img, OHIB_SEC_VMCOREINFO, &data, &len, &err), 0);
	CHECK_STR(data, "A=1\n");
	free(data);
	CHECK_EQ(ohib_image_section_secret(img, OHIB_SEC_VMCOREINFO, &key, &err), 0);
	CHECK(key && key->len == 4 && !memcmp(key->data, "A=1\n", 4));
	secret_free(key);
	CHECK_EQ(ohib_image_section_secret(img, OHIB_SEC_KALLSYMS, &key, &err), -EBADMSG);
	CHECK(!key);
	CHECK_EQ(ohib_image_section_secret(img, OHIB_SEC_SWAP_KEY, &key, &err), -ENODATA);
	CHECK_EQ(ohib_image_section(img, OHIB_SEC_GHOSTS, &data, &len, &err), -ENODATA);
	ohib_err_clear(&err);
	CHECK_EQ(ohib_image_verify(img, 2, &err), 0);
	ohib_image_close(img);
	made_free(&m);
}

TEST(device_too_small)
{
	struct ohib_err err = { 0 };
	struct made_image m;
	struct ohib_image_info info;

	made_file(&m, 2u << 20);
	made_list(&m, 3000);
	CHECK_EQ(made_write(&m, 32, &err), -ENOSPC);
	CHECK_EQ(ohib_image_peek(m.path, &info, NULL), 0);
	CHECK_EQ(info.state, OHIB_STATE_WRITING);
	made_free(&m);
	made_file(&m, 8192);
	made_list(&m, 1);
	ohib_err_clear(&err);
	CHECK_EQ(made_write(&m, 32, &err), -ENOSPC);
	made_free(&m);
}

/* Behind its room there is somebody else's: 0xee. */
static u64 changed_behind(const char *path, u64 room, u64 size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	u64 bad = 0;
	u8 page[4096];

	for (u64 at = room; at < size; at += sizeof(page)) {
		bad += pread(fd, page, sizeof(page), (off_t)at) != sizeof(page);
		for (size_t i = 0; i < sizeof(page); i++)
			bad += page[i] != 0xee;
	}
	close(fd);
	return bad;
}

TEST(stays_in_its_room)
{
	static const u64 rooms[] = { 1u << 20, 2u << 20, 64u << 20 };

	for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
		u64 size = rooms[i] + (4u << 20);
		struct ohib_image_info info;
		struct ohib_err err = { 0 };
		struct made_image m;
		u8 page[4096];
		int fd;

		made_file(&m, size);
		fd = open(m.path, O_WRONLY | O_CLOEXEC);
		memset(page, 0xee, sizeof(page));
		for (u64 at = rooms[i]; at < size; at += sizeof(page))
			CHECK_EQ(pwrite(fd, page, sizeof(page), (off_t)at), sizeof(page));
		close(fd);
		made_list(&m, 3000);
		m.room = rooms[i];
		m.trial = true;
		CHECK_EQ(made_write(&m, 32, &err), i < 2 ? -ENOSPC : 0);
		if (i == 2) {
			CHECK_EQ(ohib_image_peek(m.path, &info, NULL), 0);
			CHECK_EQ(info.trial_offset + info.trial_bytes, rooms[i]);
			m.trial = false;
			check_pages(&m, 2);
		}
		CHECK_EQ(changed_behind(m.path, rooms[i], size), 0);
		made_free(&m);
	}
}

/* Open, and read everything: what a user of a damaged image may run into. */
static int use(const char *path)
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

TEST(truncated)
{
	struct made_image m;
	struct ohib_err err = { 0 };
	struct ohib_image *img;
	struct image_dev d;
	struct image_state s;
	u64 end;

	made_file(&m, SIZE);
	made_list(&m, 600);
	REQUIRE(!made_write(&m, 16, &err));
	REQUIRE(!image_dev_open(&d, m.path, IMAGE_DEV_READ, &err));
	REQUIRE(!image_state_load(&d, &s, &err));
	image_dev_close(&d);
	end = s.hdr.end_offset;
	CHECK_EQ(truncate(m.path, (off_t)end), 0);
	CHECK_EQ(use(m.path), 0);
	for (u64 at = end - 4096; at > 16384; at -= 4096 * 37) {
		CHECK_EQ(truncate(m.path, (off_t)at), 0);
		CHECK_EQ(use(m.path), -EBADMSG);
		if (at < 4096 * 40)
			break;
	}
	/* One header copy is left, then none. */
	CHECK_EQ(truncate(m.path, 8192), 0);
	CHECK_EQ(use(m.path), -EBADMSG);
	CHECK_EQ(truncate(m.path, 3583), 0);
	CHECK(ohib_image_open(m.path, &img, &err) < 0);
	CHECK_EQ(truncate(m.path, 0), 0);
	CHECK(ohib_image_open(m.path, &img, &err) < 0);
	made_free(&m);
}

static void flip(u8 *map, u64 at)
{
	map[at] ^= (u8)(1u << (at % 8));
}

TEST(bit_flips)
{
	struct made_image m;
	struct ohib_err err = { 0 };
	struct image_dev d;
	struct image_state s;
	struct ohib_image *img;
	u8 *map;
	int fd;

	made_file(&m, SIZE);
	made_list(&m, 600);
	REQUIRE(!made_write(&m, 16, &err));
	REQUIRE(!image_dev_open(&d, m.path, IMAGE_DEV_READ, &err));
	REQUIRE(!image_state_load(&d, &s, &err));
	image_dev_close(&d);
	fd = open(m.path, O_RDWR);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(map != MAP_FAILED);

	for (size_t i = 0; i < ARRAY_SIZE(s.hdr.sections); i++) {
		const struct ohib_section_entry *e = &s.hdr.sections[i];

		if (!e->id)
			continue;
		for (u64 k = 0; k < e->stored_len; k += 1 + e->stored_len / 5) {
			flip(map, e->offset + k);
			CHECK_EQ(use(m.path), -EBADMSG);
			flip(map, e->offset + k);
		}
	}
	for (u64 k = 0; k < s.hdr.index_len; k += 61) {
		flip(map, s.hdr.index_offset + k);
		CHECK_EQ(use(m.path), -EBADMSG);
		flip(map, s.hdr.index_offset + k);
	}
	for (u64 i = 0; i < s.hdr.nr_chunks; i += 3) {
		const struct ohib_chunk_entry *e =
			(void *)(map + s.hdr.index_offset + i * sizeof(*e));
		u64 at = e->offset + made_mix(i) % e->stored_len;

		flip(map, at);
		CHECK_EQ(use(m.path), -EBADMSG);
		flip(map, at);
	}
	CHECK_EQ(use(m.path), 0);
	/* A damaged copy of the header is made good by the other; two are the end of it. */
	for (u64 k = 0; k < OHIB_HEADER_BYTES; k += 97) {
		u64 a = OHIB_HEADER_A_IN_PAGE + k, b = 8192 + OHIB_HEADER_BYTES - 1 - k;

		flip(map, a);
		CHECK_EQ(ohib_image_open(m.path, &img, NULL), 0);
		ohib_image_close(img);
		flip(map, b);
		CHECK(ohib_image_open(m.path, &img, NULL) < 0);
		flip(map, a);
		CHECK_EQ(ohib_image_open(m.path, &img, NULL), 0);
		ohib_image_close(img);
		flip(map, b);
	}
	munmap(map, SIZE);
	close(fd);
	made_free(&m);
}

/* Numbers that the checksum agrees with and that are wrong all the same. */
TEST(hostile_numbers)
{
	static const struct {
		size_t at, size;
		u64 value;
	} t[] = {
#define F(field, v) { offsetof(struct ohib_header, field), sizeof(((struct ohib_header *)0)->field), v }
		F(page_size, 8192), F(chunk_pages, 0), F(chunk_pages, 65), F(chunk_pages, 17),
		F(nr_pages, 1), F(nr_pages, UINT64_MAX), F(nr_zero_pages, 1), F(nr_chunks, 0),
		F(nr_chunks, UINT64_MAX / 64), F(end_offset, UINT64_MAX), F(end_offset, 20480),
		F(end_offset, SIZE - 1), F(index_offset, 4096), F(index_offset, UINT64_MAX - 4095),
		F(index_offset, 16385), F(index_len, 64), F(index_len, UINT64_MAX),
		F(sections[0].offset, 0), F(sections[0].offset, UINT64_MAX & ~4095ull),
		F(sections[0].stored_len, UINT64_MAX), F(sections[0].raw_len, 1),
		F(sections[0].raw_len, UINT64_MAX), F(sections[0].raw_len, 9999),
		F(sections[0].raw_len, 10001), F(sections[0].flags, 1), F(sections[0].flags, 2),
		F(sections[1].id, OHIB_SEC_KALLSYMS), F(check_alg, 0), F(compress_alg, 2),
		F(aead_alg, 1), F(incompat, 2), F(version, 2), F(state, 17), F(header_bytes, 1),
	};
	struct made_image m;
	struct ohib_err err = { 0 };
	struct ohib_header good, h;
	int fd;

	made_file(&m, SIZE);
	made_list(&m, 600);
	REQUIRE(!made_write(&m, 16, &err));
	fd = open(m.path, O_RDWR);
	REQUIRE(pread(fd, &good, sizeof(good), 512) == sizeof(good));
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		h = good;
		memcpy((u8 *)&h + t[i].at, &t[i].value, t[i].size);
		h.check = image_xxh64(&h, offsetof(struct ohib_header, check));
		REQUIRE(pwrite(fd, &h, sizeof(h), 512) == sizeof(h));
		REQUIRE(pwrite(fd, &h, sizeof(h), 8192) == sizeof(h));
		if (use(m.path) >= 0) {
			printf("row %zu was taken\n", i);
			CHECK(0);
		}
	}
	close(fd);
	made_free(&m);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(round_trip),	 TEST_CASE(unsorted_list), TEST_CASE(info_and_sections),
		TEST_CASE(device_too_small), TEST_CASE(truncated),   TEST_CASE(bit_flips),
		TEST_CASE(hostile_numbers), TEST_CASE(stays_in_its_room),
	};

	return TEST_MAIN(t);
}
