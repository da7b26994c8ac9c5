/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole, aligned transfers to the device or file that holds an image, and its checksum. */
#pragma once

#include <sys/uio.h>

#include "disk/extfile.h"
#include "image/image_format.h"
#include "util/err.h"
#include "util/types.h"

struct image_dev {
	int fd;
	bool direct;	/* O_DIRECT is in force: addresses, offsets and lengths must be aligned */
	bool is_block;
	bool was_ro;	/* BLKROSET, which is lifted as long as it is open to write */
	u64 size;	/* bytes of the image's room */
	struct extfile file; /* of an image in a file: where that is; size 0: the device is the image */
	dev_t rdev;	/* of a block device */
	char path[256];
};

#define IMAGE_DEV_CLOSED { .fd = -1 }

enum image_dev_mode {
	IMAGE_DEV_READ = 0,
	IMAGE_DEV_WRITE = 1,	/* and claimed: see below */
	IMAGE_DEV_CLAIM = 2,	/* to read; udev does not look at the device again when it is closed */
	IMAGE_DEV_SHARE = 3,	/* to write beside whoever has claimed it: a trial's layer */
};

/*
 * Open with O_DIRECT, or without where the file system has none. A block device is claimed for this
 * program alone (O_EXCL) to WRITE and CLAIM: -EBUSY when it is mounted or swapped on. @path may be
 * NODE:/PATH (place.h): its device may well be mounted, so only programs that use this function are
 * kept out.
 */
int image_dev_open(struct image_dev *d, const char *path, enum image_dev_mode mode,
		   struct ohib_err *err);
void image_dev_close(struct image_dev *d);

/* All of @len or an error; -ENODATA when the device ends before. Buffers 4 KiB aligned, as lengths. */
int image_dev_read(const struct image_dev *d, u64 offset, void *buf, size_t len);
int image_dev_write(const struct image_dev *d, u64 offset, const void *buf, size_t len);
/* @iov is used up. */
int image_dev_writev(const struct image_dev *d, u64 offset, struct iovec *iov, int n);
/* Everything written so far is on the medium when this returns 0. */
int image_dev_flush(const struct image_dev *d);

/* Zeroed, 4 KiB aligned, faulted in; NULL: out of memory. @len is rounded up. */
void *image_pages_alloc(size_t len);
void image_pages_free(void *p, size_t len);

static inline u64 image_align(u64 n)
{
	return (n + OHIB_DISK_ALIGN - 1) & ~(u64)(OHIB_DISK_ALIGN - 1);
}

u64 image_xxh64(const void *data, size_t len);
struct ohib_check image_check(const void *data, size_t len);
bool image_check_equal(const struct ohib_check *a, const struct ohib_check *b);
