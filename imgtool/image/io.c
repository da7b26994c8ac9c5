// SPDX-License-Identifier: GPL-2.0-only
/* Whole, aligned transfers to the device or file that holds an image, and its checksum. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Inlined: one library less to be there at run time. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "image/io.h"

int image_dev_open(struct image_dev *d, const char *path, enum image_dev_mode mode,
		   struct ohib_err *err)
{
	bool to_write = mode == IMAGE_DEV_WRITE || mode == IMAGE_DEV_SHARE;
	int flags = (to_write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY;
	struct stat st;
	int r;

	*d = (struct image_dev)IMAGE_DEV_CLOSED;
	if (strlen(path) >= sizeof(d->path))
		return ohib_err_set(err, -ENAMETOOLONG, "%s: the name is too long", path);
	strcpy(d->path, path);
	if (stat(path, &st))
		return ohib_err_set(err, -errno, "%s: %s", path, strerror(errno));
	d->is_block = S_ISBLK(st.st_mode);
	if (!d->is_block && !S_ISREG(st.st_mode))
		return ohib_err_set(err, -ENOTBLK, "%s: neither a block device nor a file", path);
	if (d->is_block && (mode == IMAGE_DEV_WRITE || mode == IMAGE_DEV_CLAIM))
		flags |= O_EXCL;

	d->direct = true;
	d->fd = open(path, flags | O_DIRECT);
	if (d->fd < 0 && errno == EINVAL) {
		d->direct = false;
		d->fd = open(path, flags);
	}
	if (d->fd < 0)
		return ohib_err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (fstat(d->fd, &st)) {
		r = ohib_err_set(err, -errno, "%s: %s", path, strerror(errno));
		image_dev_close(d);
		return r;
	}
	d->rdev = st.st_rdev;
	d->size = (u64)st.st_size;
	if (d->is_block && ioctl(d->fd, BLKGETSIZE64, &d->size)) {
		r = ohib_err_set(err, -errno, "%s: its size: %s", path, strerror(errno));
		image_dev_close(d);
		return r;
	}
	return 0;
}

void image_dev_close(struct image_dev *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

int image_dev_read(const struct image_dev *d, u64 offset, void *buf, size_t len)
{
	while (len) {
		ssize_t n;

		if (offset > INT64_MAX)
			return -EINVAL;
		n = pread(d->fd, buf, len, (off_t)offset);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!n)
			return -ENODATA;
		buf = (u8 *)buf + n;
		offset += (u64)n;
		len -= (size_t)n;
	}
	return 0;
}

int image_dev_write(const struct image_dev *d, u64 offset, const void *buf, size_t len)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

	return image_dev_writev(d, offset, &iov, 1);
}

int image_dev_writev(const struct image_dev *d, u64 offset, struct iovec *iov, int n)
{
	while (n) {
		ssize_t done = pwritev(d->fd, iov, n < IOV_MAX ? n : IOV_MAX, (off_t)offset);

		if (done < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!done)
			return -ENOSPC;
		offset += (u64)done;
		while (n && (size_t)done >= iov->iov_len) {
			done -= (ssize_t)iov->iov_len;
			iov++;
			n--;
		}
		if (n) {
			iov->iov_base = (u8 *)iov->iov_base + done;
			iov->iov_len -= (size_t)done;
		}
	}
	return 0;
}

int image_dev_flush(const struct image_dev *d)
{
	return fdatasync(d->fd) ? -errno : 0;
}

void *image_pages_alloc(size_t len)
{
	void *p = mmap(NULL, image_align(len ? len : 1), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void image_pages_free(void *p, size_t len)
{
	if (p)
		munmap(p, image_align(len ? len : 1));
}

u64 image_xxh64(const void *data, size_t len)
{
	return XXH64(data, len, 0);
}

struct ohib_check image_check(const void *data, size_t len)
{
	u64 sum = image_xxh64(data, len);
	struct ohib_check c = { 0 };

	memcpy(c.b, &sum, sizeof(sum));
	return c;
}

bool image_check_equal(const struct ohib_check *a, const struct ohib_check *b)
{
	return !memcmp(a, b, sizeof(*a));
}
