// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/snapshot, the kernel's user space interface to hibernation (linux/suspend_ioctls.h).
 *
 * Relied on, in kernel/power/user.c and snapshot.c of 6.1 and 6.12 alike:
 * - Opening it read-only takes the one hibernation lock and tells the drivers to prepare; closing
 *   undoes all of it, thawing included, so that dying at any point leaves a running machine.
 * - SNAPSHOT_FREEZE syncs all file systems, then freezes every user process but this one (it gets
 *   PF_SUSPEND_TASK). Kernel threads are frozen only inside SNAPSHOT_CREATE_IMAGE and stay so
 *   until SNAPSHOT_FREE; that includes ext4's journal thread and excludes the block layer's.
 * - SNAPSHOT_CREATE_IMAGE stores in_suspend: 1 in the machine that is to be written, 0 in the one
 *   that was put back. In both data->ready is set afterwards, and SNAPSHOT_UNFREEZE does nothing
 *   as long as it is: SNAPSHOT_FREE comes first.
 * - After it only order-0 memory without I/O is to be had (pm_restrict_gfp_mask), of which
 *   at least PAGES_FOR_IO = 4 MiB are left free.
 * - read() gives one page a call: a header page, pages of frame numbers, data pages. Of the header
 *   page (struct swsusp_info) the fields from num_physpages on are the same on every x86-64 kernel;
 *   what comes before is overlaid by the arch record.
 * - The list ends with ~0 unless it fills its last page; from 6.6 on bit 63 marks a frame of
 *   zeros, for which there is no data page. Frames rise (memory_bm_next_pfn).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/suspend_ioctls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "capture/parts.h"
#include "util/fault.h"
#include "image/image_format.h"
#include "util/cleanup.h"

#define SNAPSHOT_DEVICE "/dev/snapshot"
#define PFN_END UINT64_MAX
#define PFNS_PER_PAGE (OHIB_PAGE_SIZE / sizeof(u64))
#define PROGRESS_PAGES 2048

/* The tail of struct swsusp_info (kernel/power/power.h), which is not an exported type. */
struct swsusp_tail {
	u64 num_physpages;
	u32 cpus;
	u32 pad;
	u64 image_pages; /* data pages */
	u64 pages;	 /* of the whole stream */
	u64 size;	 /* pages * page size */
};
#define SWSUSP_TAIL_OFFSET 400

/* Bytes; the device's own ioctl sets the same variable. */
static u64 image_size_get(void)
{
	_cleanup_fclose_ FILE *f = fopen("/sys/power/image_size", "re");
	unsigned long long v;

	return f && fscanf(f, "%llu", &v) == 1 ? v : UINT64_MAX;
}

int snapshot_open(struct snapshot *s, struct ohib_err *err)
{
	*s = (struct snapshot)SNAPSHOT_CLOSED;
	s->fd = open(SNAPSHOT_DEVICE, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0) {
		int e = errno;

		return ohib_err_set(
			err, -e, SNAPSHOT_DEVICE ": %s",
			e == EPERM   ? "the kernel refuses hibernation (lockdown or nohibernate)"
			: e == EBUSY ? "another hibernation is under way"
				     : strerror(e));
	}
	/*
	 * The default wants the image in two fifths of RAM and reclaims memory until it is; what
	 * does not fit into half of RAM is reclaimed whatever is set here.
	 */
	s->old_image_size = image_size_get();
	ioctl(s->fd, SNAPSHOT_PREF_IMAGE_SIZE, 1ul << 50);
	return 0;
}

int snapshot_freeze(struct snapshot *s, struct ohib_err *err)
{
	if (ioctl(s->fd, SNAPSHOT_FREEZE, 0)) {
		int e = errno;

		if (e == EBUSY)
			return capture_unfrozen(err);
		return ohib_err_set(err, -e, "freezing processes: %s", strerror(e));
	}
	s->frozen = true;
	return 0;
}

int snapshot_create(struct snapshot *s, bool *woken, struct ohib_err *err)
{
	int in_suspend = -1;

	s->taken = true; /* also after a failure: kernel threads may be frozen */
	if (ioctl(s->fd, SNAPSHOT_CREATE_IMAGE, &in_suspend)) {
		int e = errno;

		return ohib_err_set(
			err, -e, "memory snapshot: %s",
			e == ENOMEM
				? "not enough free memory for the copy (half of RAM is the limit)"
			: e == EBUSY
				? "a device or a wakeup event is in the way; see the kernel log"
				: strerror(e));
	}
	*woken = in_suspend != 1;
	return 0;
}

void snapshot_drop(struct snapshot *s)
{
	if (s->fd >= 0 && s->taken)
		ioctl(s->fd, SNAPSHOT_FREE, 0);
	s->taken = false;
}

void snapshot_thaw(struct snapshot *s)
{
	if (s->fd >= 0 && s->frozen)
		ioctl(s->fd, SNAPSHOT_UNFREEZE, 0);
	s->frozen = false;
}

void snapshot_close(struct snapshot *s)
{
	if (s->fd < 0)
		return;
	snapshot_drop(s);
	snapshot_thaw(s);
	if (s->old_image_size != UINT64_MAX)
		ioctl(s->fd, SNAPSHOT_PREF_IMAGE_SIZE, (unsigned long)s->old_image_size);
	close(s->fd);
	s->fd = -1;
}

void snapshot_forget(struct snapshot *s)
{
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct snapshot)SNAPSHOT_CLOSED;
}

/* One page; -ENODATA at the end of the stream. */
static int read_page(const struct snapshot *s, void *page)
{
	ssize_t n;

	do
		n = read(s->fd, page, OHIB_PAGE_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == OHIB_PAGE_SIZE ? 0 : -ENODATA;
}

/* An image with a frame twice, or with one that is none, would not be opened: not to be found when the machine is down. */
static bool frames_rise(const u64 *pfns, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		u64 pfn = pfns[i] & ~OHIB_PFN_ZERO_FLAG;

		if (pfn >= 1ull << 52 || (i && pfn <= (pfns[i - 1] & ~OHIB_PFN_ZERO_FLAG)))
			return false;
	}
	return true;
}

/* Entries before the end mark. */
static u64 list_length(const u64 *pfns, u64 n)
{
	u64 i;

	for (i = 0; i < n && pfns[i] != PFN_END; i++)
		;
	return i;
}

static int read_list(struct snapshot *s, struct ohib_writer *w, u64 room, u64 nr_meta, u64 *nr,
		     struct ohib_err *err)
{
	u64 *pfns = ohib_writer_pfns(w);

	if (nr_meta > (room + PFNS_PER_PAGE - 1) / PFNS_PER_PAGE)
		return ohib_err_set(err, -E2BIG,
				    "memory snapshot: more frames than the machine has");
	for (u64 i = 0; i < nr_meta; i++) {
		int r = read_page(s, pfns + i * PFNS_PER_PAGE);

		if (r)
			return ohib_err_set(err, r, SNAPSHOT_DEVICE ": frame numbers: %s",
					    strerror(-r));
	}
	*nr = list_length(pfns, nr_meta * PFNS_PER_PAGE);
	if (!frames_rise(pfns, *nr))
		return ohib_err_set(err, -ENOTSUP, SNAPSHOT_DEVICE ": frame numbers that do not rise");
	return 0;
}

int snapshot_copy(struct snapshot *s, struct ohib_writer *w,
		  void (*progress)(void *arg, u64 done, u64 total), void *arg, struct ohib_err *err)
{
	static u8 header[OHIB_PAGE_SIZE] __attribute__((aligned(4096)));
	struct ohib_writer_stats st;
	struct swsusp_tail tail;
	int r, end;
	u64 nr = 0;

	r = read_page(s, header);
	if (r)
		return ohib_err_set(err, r, SNAPSHOT_DEVICE ": header: %s", strerror(-r));
	memcpy(&tail, header + SWSUSP_TAIL_OFFSET, sizeof(tail));
	if (tail.size != tail.pages * OHIB_PAGE_SIZE || tail.pages < tail.image_pages + 1)
		return ohib_err_set(err, -ENOTSUP,
				    SNAPSHOT_DEVICE ": a header that is not understood");
	r = ohib_writer_section(w, OHIB_SEC_SNAPSHOT_HEADER, header, sizeof(header), false, err);
	if (!r)
		r = read_list(s, w, ohib_writer_max_pages(w), tail.pages - tail.image_pages - 1,
			      &nr, err);
	if (!r)
		r = ohib_writer_pages_begin(w, nr, err);
	if (r)
		return r;
	ohib_writer_stats(w, &st);
	if (st.nr_pages != tail.image_pages)
		r = ohib_err_set(err, -ENOTSUP, SNAPSHOT_DEVICE ": %llu data pages for %llu frames",
				 (unsigned long long)tail.image_pages,
				 (unsigned long long)st.nr_pages);
	for (u64 i = 0; !r && i < st.nr_pages; i++) {
		void *page = ohib_writer_page(w);

		if (!page)
			break; /* pages_end tells why */
		r = read_page(s, page);
		if (r) {
			ohib_err_set(err, r, SNAPSHOT_DEVICE ": page %llu: %s",
				     (unsigned long long)i, strerror(-r));
			break;
		}
		ohib_writer_page_done(w);
		if (i % 4096 == 4095)
			r = fault_point(FAULT_PAGES, err);
		if (progress && !(i % PROGRESS_PAGES))
			progress(arg, i, st.nr_pages);
	}
	end = ohib_writer_pages_end(w, err);
	return r ? r : end;
}
