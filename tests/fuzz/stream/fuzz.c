// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: what the kernel's /dev/snapshot gives, into an image, and out of it again as an exact resume hands it over.
 * The input is a small stream: a header's counts, frame numbers, then pages of one byte each. What comes out has
 * to be what went in, with the pages of zeros written out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/parts.h"
#include "image/image_format.h"
#include "image/writer.h"
#include "reloader/exact.c"

#define PAGES_MAX 512u
#define DEVICE_BYTES (24u << 20)

/* What the header says may be right or wrong: @pages and @image_pages are added to what would be right. */
struct input {
	u8 wrong;
	s64 pages, image_pages;
	u16 nr_pfns;
} __attribute__((packed));

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* exact.c's jump() is not made here. */
int reload_attempt(const char *image, bool exact,
		   int (*how)(const char *path, struct ohib_image *img, struct ohib_err *err))
{
	(void)image, (void)exact, (void)how;
	abort();
}

int supers_check(struct ohib_image *img, struct ohib_err *err)
{
	(void)img, (void)err;
	abort();
}

void reload_forget_keys(struct ohib_image *img)
{
	(void)img;
	abort();
}

void say(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

double seconds(void)
{
	return 0;
}

static void put(int fd, const void *page)
{
	if (write(fd, page, OHIB_PAGE_SIZE) != OHIB_PAGE_SIZE)
		abort();
}

/* The stream, and how many frames are in its list. */
static u64 make_stream(int fd, const struct input *in, const u8 *rest, size_t size)
{
	static u64 pfns[PAGES_MAX * 2 + PFNS_PER_PAGE];
	u64 nr = in->nr_pfns % (PAGES_MAX * 2), data = 0, meta, length = 0;
	struct swsusp_info info = { .version_code = 6 };
	u8 page[OHIB_PAGE_SIZE] = { 0 };

	memset(pfns, 0xff, sizeof(pfns));
	for (u64 i = 0; i < nr && size >= 2; i++, rest += 2, size -= 2) {
		u16 step;

		memcpy(&step, rest, sizeof(step));
		/* frames rise, unless the input is about those that do not */
		pfns[i] = (i ? pfns[i - 1] & ~PFN_ZERO : 0) + (step & 0x7fff) + !(in->wrong & 2);
		if (step & 0x8000)
			pfns[i] |= PFN_ZERO;
		if ((in->wrong & 4) && step == 0x1234)
			pfns[i] = PFN_END;
	}
	while (length < nr && pfns[length] != PFN_END)
		data += !(pfns[length++] & PFN_ZERO);
	meta = (length + (in->wrong & 8 ? 0 : 1) + PFNS_PER_PAGE - 1) / PFNS_PER_PAGE;
	info.image_pages = data;
	info.pages = data + meta + 1;
	if (in->wrong & 1) {
		info.image_pages += (u64)in->image_pages;
		info.pages += (u64)in->pages;
	}
	info.size = info.pages * OHIB_PAGE_SIZE;
	memcpy(page, &info, sizeof(info));
	put(fd, page);
	for (u64 i = 0; i < meta; i++)
		put(fd, pfns + i * PFNS_PER_PAGE);
	for (u64 i = 0; i < data; i++) {
		memset(page, size ? rest[i % size] : 0, sizeof(page));
		memcpy(page, &i, size && rest[i % size] ? sizeof(i) : 0);
		put(fd, page);
	}
	return length;
}

static int into_image(int from, const char *path)
{
	struct ohib_writer_opts o = { .path = path, .image_kernel = "6.1", .max_pages = PAGES_MAX, .nr_threads = 1,
				      .chunk_pages = 16 };
	struct snapshot s = SNAPSHOT_CLOSED;
	struct ohib_writer *w;
	int r = ohib_writer_create(&o, &w, NULL);

	if (r)
		abort();
	s.fd = from;
	r = ohib_writer_snapshot_taken(w, NULL);
	if (!r)
		r = snapshot_copy(&s, w, NULL, NULL, NULL);
	if (!r)
		r = ohib_writer_arm(w, NULL);
	ohib_writer_destroy(w);
	return r;
}

static u64 word(int fd, u64 at)
{
	u64 v;

	if (pread(fd, &v, sizeof(v), (off_t)at) != sizeof(v))
		abort();
	return v;
}

static void compare(int was, int is, u64 nr)
{
	u64 data = 1 + (word(was, 424) - word(was, 416) - 1), i, k = 0;
	u64 meta = (nr + PFNS_PER_PAGE - 1) / PFNS_PER_PAGE;
	u8 a[OHIB_PAGE_SIZE], b[OHIB_PAGE_SIZE];

	if (word(is, 416) != nr || word(is, 424) != nr + meta + 1)
		abort();
	for (i = 0; i < nr; i++) {
		u64 pfn = word(was, OHIB_PAGE_SIZE + i * sizeof(u64));

		if (word(is, OHIB_PAGE_SIZE + i * sizeof(u64)) != (pfn & ~PFN_ZERO))
			abort();
		memset(a, 0, sizeof(a));
		if (!(pfn & PFN_ZERO) && pread(was, a, sizeof(a), (off_t)((data + k++) * OHIB_PAGE_SIZE)) != sizeof(a))
			abort();
		if (pread(is, b, sizeof(b), (off_t)((1 + meta + i) * OHIB_PAGE_SIZE)) != sizeof(b) ||
		    memcmp(a, b, sizeof(a)))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static int disk = -1;
	static char path[64];
	int from, to;
	struct stream s = { 0 };
	struct ohib_image *img;
	struct input in;
	u64 nr;

	if (size < sizeof(in))
		return -1;
	memcpy(&in, data, sizeof(in));
	if (disk < 0) {
		disk = memfd_create("disk", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", disk);
	}
	if (ftruncate(disk, 0) || ftruncate(disk, DEVICE_BYTES))
		abort();
	from = memfd_create("from", 0);
	to = memfd_create("to", 0);
	nr = make_stream(from, &in, data + sizeof(in), size - sizeof(in));
	lseek(from, 0, SEEK_SET);
	if (!into_image(from, path)) {
		if (ohib_image_open(path, &img, NULL))
			abort();
		s.fd = to;
		if (put_image(img, &s))
			abort();
		compare(from, to, nr);
		ohib_image_close(img);
	} else if (!in.wrong && nr <= PAGES_MAX) {
		abort(); /* a good one must be taken */
	}
	close(from);
	close(to);
	return 0;
}
