// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resume exactly: the image kernel's memory put back as it was, through the /dev/snapshot of whatever
 * kernel runs now.
 * Source: kernel/power/user.c, kernel/power/snapshot.c (snapshot_write_next, load_header).
 * The image stays `resuming` over the jump: the woken tool spends it before it lets anything else run,
 * so that a jump that went wrong can be tried again.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <linux/suspend_ioctls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "config/hardware.h"
#include "image/image.h"
#include "reloader/configure.h"
#include "reloader/reloader.h"
#include "restore/watchdog.h"
#include "util/cleanup.h"
#include "util/fault.h"

#define SNAPSHOT "/dev/snapshot"
#define PFNS_PER_PAGE (OHIB_PAGE_SIZE / sizeof(u64))
#define PFN_ZERO (1ull << 63)	/* ENCODED_PFN_ZERO_FLAG, from 6.6 on: 005e8dddd497 */
#define PFN_END (~0ull)		/* BM_END_OF_MAP */

/* struct swsusp_info in kernel/power/power.h, the same since 2.6; x86-64 keeps its record in the utsname. */
struct swsusp_info {
	char uts[6 * 65];
	u32 version_code;
	u64 num_physpages;
	s32 cpus;
	u64 image_pages;
	u64 pages;
	u64 size;
};

_Static_assert(offsetof(struct swsusp_info, image_pages) == 416, "struct swsusp_info");

struct stream {
	int fd;
	u64 done, total;
	struct ohib_err *err;
};

static int put_page(struct stream *s, const void *page)
{
	ssize_t n = write(s->fd, page, OHIB_PAGE_SIZE);

	if (n == OHIB_PAGE_SIZE)
		return 0;
	return ohib_err_set(s->err, n < 0 ? -errno : -EIO,
			    SNAPSHOT ": page %llu of %llu was not taken: %s",
			    (unsigned long long)s->done, (unsigned long long)s->total,
			    n < 0 ? strerror(errno) : "short write");
}

static int put_data(void *arg, u64 pfn, const void *data)
{
	struct stream *s = arg;

	(void)pfn;
	if (s->done++ % 4096 == 4095 && fault_point(FAULT_STREAM_PAGES, s->err))
		return -EIO;
	return put_page(s, data);
}

/*
 * Zero pages are written out like the others and lose their mark: kernels before 6.6 do not know it.
 * So the header is to count them among the pages with data.
 */
static int put_header(struct stream *s, const void *header, u64 nr)
{
	u64 meta = (nr + PFNS_PER_PAGE - 1) / PFNS_PER_PAGE;
	u8 page[OHIB_PAGE_SIZE];
	struct swsusp_info info;

	/* pack_pfns() ends the list with a mark when there is room for one */
	memcpy(page, header, sizeof(page));
	memcpy(&info, page, sizeof(info));
	info.image_pages = nr;
	info.pages = nr + meta + 1;
	info.size = info.pages * OHIB_PAGE_SIZE;
	memcpy(page, &info, sizeof(info));
	return put_page(s, page);
}

static int put_index(struct stream *s, const u64 *pfns, u64 nr)
{
	u64 page[PFNS_PER_PAGE], i, k;
	int r = 0;

	for (i = 0; !r && i < nr; i += PFNS_PER_PAGE) {
		for (k = 0; k < PFNS_PER_PAGE; k++)
			page[k] = i + k < nr ? pfns[i + k] & ~PFN_ZERO : PFN_END;
		r = put_page(s, page);
	}
	return r;
}

static int put_image(struct ohib_image *img, struct stream *s)
{
	_cleanup_free_ void *header = NULL, *index = NULL;
	size_t header_len, index_len;
	u64 nr;
	int r;

	r = ohib_image_section(img, OHIB_SEC_SNAPSHOT_HEADER, &header, &header_len, s->err);
	if (!r)
		r = ohib_image_section(img, OHIB_SEC_PFN_INDEX, &index, &index_len, s->err);
	if (r)
		return r;
	if (header_len != OHIB_PAGE_SIZE || index_len % sizeof(u64))
		return ohib_err_set(s->err, -EBADMSG, "the image's frame list is damaged");
	nr = index_len / sizeof(u64);
	s->total = nr;
	r = put_header(s, header, nr);
	if (!r)
		r = put_index(s, index, nr);
	if (!r)
		r = ohib_image_for_each_page(img, 0, put_data, s, s->err);
	if (!r && s->done != nr)
		r = ohib_err_set(s->err, -EBADMSG, "the image has %llu of %llu pages",
				 (unsigned long long)s->done, (unsigned long long)nr);
	return r;
}

static int devices_check(struct ohib_image *img, struct ohib_err *err)
{
	struct configure c;
	int r = configure_open(&c, img, NULL, err);

	if (!r)
		r = hardware_devices(json_object_object_get(c.json, "hardware"), err);
	configure_close(&c);
	return r;
}

/* Memory of the image into the kernel's. */
static int stage_pages(struct ohib_image *img, struct stream *s, struct ohib_err *err)
{
	int r;

	if (reload_watch_hangs())
		say("nobody watches whether this hangs: %s", strerror(errno));
	watchdog_work(true);
	watchdog_stage("read");
	watchdog_arm(HANG_UNDONE);
	r = fault_point(FAULT_STREAM, err);
	if (!r)
		r = put_image(img, s);
	watchdog_stop();
	return r;
}

static int jump(const char *path, struct ohib_image *img, struct ohib_err *err)
{
	_cleanup_close_ int fd = open(SNAPSHOT, O_WRONLY | O_CLOEXEC);
	struct stream s = { .fd = fd, .err = err };
	double begun = seconds();
	int r;

	(void)path;
	if (fd < 0)
		return ohib_err_set(err, -errno, SNAPSHOT ": %s", strerror(errno));
	r = fault_point(FAULT_COMPARE, err);
	if (!r)
		r = devices_check(img, err);
	if (!r)
		r = supers_check(img, err);
	if (!r)
		r = stage_pages(img, &s, err);
	if (r)
		return r;
	/* Memory that the image does not fill stays as this kernel leaves it. */
	reload_forget_keys(img);
	say("%-12s %.3f s (%llu MB)", "read", seconds() - begun, (unsigned long long)s.done / 256);
	r = fault_point(FAULT_JUMP, err);
	if (r)
		return r;
	if (ioctl(fd, SNAPSHOT_FREEZE, 0))
		return ohib_err_set(err, -errno, "freezing the boot kernel: %s", strerror(errno));
	say("jumping");
	ioctl(fd, SNAPSHOT_ATOMIC_RESTORE, 0);
	r = -errno;
	ioctl(fd, SNAPSHOT_UNFREEZE, 0);
	return ohib_err_set(err, r, "this kernel does not put the image back: %s", strerror(-r));
}

int reload_exact(const char *image)
{
	return reload_attempt(image, true, jump);
}
