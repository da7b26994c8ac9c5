// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages in swap areas, read around the kernel: a window of slots at a time, past its page cache.
 * Source: include/linux/swap.h (union swap_header, struct swap_extent), mm/page_io.c.
 */
#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "seal/secret.h"
#include "seal/xts.h"
#include "swap/header.h"
#include "swap/swap.h"
#include "util/cleanup.h"

#define AREAS_MAX 32u
#define WINDOW 64u	/* pages read at once; callers come in rising order */

struct swap_reader {
	const struct m_system *s;
	const struct secret *key;	/* of encrypted areas; NULL: not known */
	int fds[AREAS_MAX];	/* by position in s->swaps; -1: not looked for yet */
	struct xts *xts[AREAS_MAX];	/* of encrypted areas, likewise; NULL: not made yet */
	u8 *window;		/* WINDOW pages, aligned */
	const struct m_swap_area *area;	/* whose slots are in it */
	u64 first, nr;		/* slots */
};

int swap_reader_create(const struct m_system *s, const struct secret *key, struct swap_reader **out)
{
	struct swap_reader *r = calloc(1, sizeof(*r));

	if (r)
		r->window = aligned_alloc(OHIB_PAGE_SIZE, WINDOW * OHIB_PAGE_SIZE);
	if (!r || !r->window) {
		free(r);
		return -ENOMEM;
	}
	r->s = s;
	r->key = key;
	for (size_t i = 0; i < AREAS_MAX; i++)
		r->fds[i] = -1;
	*out = r;
	return 0;
}

void swap_reader_destroy(struct swap_reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < AREAS_MAX; i++) {
		if (r->fds[i] >= 0)
			close(r->fds[i]);
		xts_free(r->xts[i]);
	}
	free(r->window);
	free(r);
}

/* Slots from @offset that are in a row on the device, at most @max, and where; 0: no such slot. */
static u64 locate(const struct m_swap_area *a, u64 offset, u64 max, u64 *block)
{
	size_t lo = 0, hi = a->extents.n;
	const struct m_swap_extent *e;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (a->extents.v[mid].start_page <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return 0;
	e = &a->extents.v[lo - 1];
	if (offset - e->start_page >= e->nr_pages)
		return 0;
	*block = e->start_block + (offset - e->start_page);
	max = max < e->nr_pages - (offset - e->start_page) ? max :
							     e->nr_pages - (offset - e->start_page);
	return *block > INT64_MAX / OHIB_PAGE_SIZE - WINDOW ? 0 : max;
}

static int open_direct(const char *dev)
{
	int fd = open(dev, O_RDONLY | O_DIRECT | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Blocks of area @a from @block on into the window: bytes, as pread(2), or a negative errno. */
static ssize_t read_blocks(struct swap_reader *r, const struct m_swap_area *a, int fd, u64 block, u64 nr)
{
	ssize_t got = pread(fd, r->window, nr * OHIB_PAGE_SIZE, (off_t)(block * OHIB_PAGE_SIZE));
	struct xts **xts = &r->xts[a - r->s->swaps.v];
	int ret = 0;

	if (got < 0)
		return -errno;
	got -= got % (ssize_t)OHIB_PAGE_SIZE;
	if (!a->encrypted)
		return got;
	if (block < a->first_block)
		return -EINVAL;
	if (!r->key || r->key->len != XTS_KEY_BYTES)
		return -ENOKEY;
	if (!*xts)
		ret = xts_create(r->key->data, xts);
	if (!ret)
		ret = xts_decrypt(*xts, (block - a->first_block) * (OHIB_PAGE_SIZE / 512), r->window, (size_t)got);
	return ret ? ret : got;
}

/* Is the device behind @fd the one that the area was on? By the area's own header. */
static bool right_header(struct swap_reader *r, const struct m_swap_area *a, int fd)
{
	struct swap_header h;
	u64 block;

	if (!locate(a, 0, 1, &block) || read_blocks(r, a, fd, block, 1) != OHIB_PAGE_SIZE ||
	    !swap_header_parse(r->window, &h))
		return false;
	return h.pages == a->pages && (!a->has_uuid || !memcmp(h.uuid, a->uuid, sizeof(h.uuid)));
}

/* A swap file is known by the file system that it is in. */
static bool right_fs(const struct m_swap_area *a, const char *dev)
{
	blkid_probe pr = blkid_new_probe_from_filename(dev);
	const char *uuid = NULL;
	bool right = false;
	size_t len = 0;

	if (!pr)
		return false;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_UUIDRAW);
	if (!blkid_do_safeprobe(pr) && !blkid_probe_lookup_value(pr, "UUID_RAW", &uuid, &len))
		right = len == sizeof(a->fs_uuid) && !memcmp(uuid, a->fs_uuid, len);
	blkid_free_probe(pr);
	return right;
}

static int try_device(struct swap_reader *r, const struct m_swap_area *a, const char *dev)
{
	int fd;

	if (a->file && !right_fs(a, dev))
		return -ENODEV;
	fd = open_direct(dev);
	if (fd < 0)
		return fd;
	if (right_header(r, a, fd))
		return fd;
	close(fd);
	return -ENODEV;
}

static int find_device(struct swap_reader *r, const struct m_swap_area *a)
{
	_cleanup_fclose_ FILE *f = NULL;
	char line[256], name[64], dev[80];
	int fd;

	if (!a->file && !a->has_uuid) {
		char *by_part = a->partuuid[0] ?
				blkid_evaluate_tag("PARTUUID", a->partuuid, NULL) : NULL;

		fd = by_part ? try_device(r, a, by_part) : -ENODEV;
		free(by_part);
		return fd;
	}
	if (a->file && !a->has_fs_uuid)
		return -ENODEV;
	/* the name that it had is the likeliest one */
	snprintf(dev, sizeof(dev), "/dev/%s", a->devname);
	fd = try_device(r, a, dev);
	if (fd >= 0)
		return fd;
	f = fopen("/proc/partitions", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*u %*u %*u %63s", name) != 1)
			continue;
		snprintf(dev, sizeof(dev), "/dev/%s", name);
		fd = try_device(r, a, dev);
		if (fd >= 0)
			return fd;
	}
	return -ENODEV;
}

static int open_area(struct swap_reader *r, size_t n, struct ohib_err *err)
{
	const struct m_swap_area *a = &r->s->swaps.v[n];

	r->nr = 0; /* the window is used to look at headers */
	r->fds[n] = find_device(r, a);
	if (r->fds[n] >= 0)
		return 0;
	r->fds[n] = -1;
	return ohib_err_set(err, -ENODEV, "no device holds the swap area that was on %s (%s)",
			    a->devname, a->path ? a->path : "?");
}

static int fill_window(struct swap_reader *r, size_t n, u64 offset, struct ohib_err *err)
{
	const struct m_swap_area *a = &r->s->swaps.v[n];
	u64 block = 0, nr = locate(a, offset, WINDOW, &block);
	ssize_t got;

	if (!nr || offset >= a->pages)
		return ohib_err_set(err, -EINVAL, "swap slot %llu is not in the area on %s",
				    (unsigned long long)offset, a->devname);
	got = read_blocks(r, a, r->fds[n], block, nr);
	if (got < (ssize_t)OHIB_PAGE_SIZE) {
		int code = got < 0 ? (int)got : -EIO;

		return ohib_err_set(err, code, "swap slot %llu on %s cannot be read: %s",
				    (unsigned long long)offset, a->devname, strerror(-code));
	}
	r->area = a;
	r->first = offset;
	r->nr = (u64)got / OHIB_PAGE_SIZE;
	return 0;
}

int swap_read(struct swap_reader *r, u32 type, u64 offset, void *page, struct ohib_err *err)
{
	size_t n;
	int ret = 0;

	for (n = 0; n < r->s->swaps.n && n < AREAS_MAX; n++)
		if (r->s->swaps.v[n].type == type)
			break;
	if (n == r->s->swaps.n || n == AREAS_MAX)
		return ohib_err_set(err, -ENODEV, "swap area %u is not known", type);
	if (r->fds[n] < 0)
		ret = open_area(r, n, err);
	if (!ret && (!r->nr || r->area != &r->s->swaps.v[n] || offset < r->first ||
		     offset - r->first >= r->nr))
		ret = fill_window(r, n, offset, err);
	if (ret)
		return ret;
	memcpy(page, r->window + (offset - r->first) * OHIB_PAGE_SIZE, OHIB_PAGE_SIZE);
	return 0;
}

void swap_forget(struct machine *m)
{
	swap_reader_destroy(m->swap);
	m->swap = NULL;
	secret_free(m->swap_key);
	m->swap_key = NULL;
}

struct check {
	bool seen[AREAS_MAX];
};

static void check_page(struct machine *m, struct check *c, const struct m_page *page)
{
	struct ohib_err err = {};
	u8 buf[OHIB_PAGE_SIZE];
	int r;

	if (page->src.kind != M_PAGE_SWAP ||
	    (page->src.swap_type < AREAS_MAX && c->seen[page->src.swap_type]))
		return;
	if (page->src.swap_type < AREAS_MAX)
		c->seen[page->src.swap_type] = true;
	r = m->swap ? 0 : swap_reader_create(&m->system, m->swap_key, &m->swap);
	if (!r)
		r = swap_read(m->swap, page->src.swap_type, page->src.where, buf, &err);
	if (r)
		refuse(&m->refusals, 0, "", "swapped-out pages", "%s",
		       err.msg[0] ? err.msg : strerror(-r));
}

void swap_areas_check(struct machine *m)
{
	struct check c = {};
	struct m_shmem *s;
	struct m_mm *mm;

	vec_foreach(mm, &m->mms)
		for (size_t i = 0; i < mm->pages.n; i++)
			check_page(m, &c, &mm->pages.v[i]);
	vec_foreach(s, &m->shmems)
		for (size_t i = 0; i < s->pages.n; i++)
			check_page(m, &c, &s->pages.v[i]);
}
