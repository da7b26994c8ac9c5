// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole, aligned transfers to the device or file that holds an image, and its checksum.
 *
 * An image in a file is read and written through the device of its file system. The kernel lets root
 * do that to a mounted device (CONFIG_BLK_DEV_WRITE_MOUNTED, which stock kernels have); nobody else
 * uses these blocks, so what the kernel has cached of others does not matter. A device that was set
 * read-only (restore does, until the commit) takes no write through any descriptor (block/fops.c,
 * blkdev_write_iter): it is made writable as long as the image is open to write.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Inlined: one library less to be there at run time. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "image/io.h"
#include "image/place.h"

/* What makes an image in a file one that may be used as @mode says. */
static int take_file(struct image_dev *d, enum image_dev_mode mode, struct ohib_err *err)
{
	bool claims = mode == IMAGE_DEV_WRITE || mode == IMAGE_DEV_CLAIM;
	int ro = 0, r;

	if (claims && flock(d->fd, LOCK_EX | LOCK_NB))
		return ohib_err_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno, "%s: %s", d->path,
				    strerror(errno));
	r = place_find(d->path, &d->file, err);
	if (r)
		return r;
	d->size = d->file.size;
	if (mode == IMAGE_DEV_READ || mode == IMAGE_DEV_CLAIM || !d->is_block)
		return 0;
	if (ioctl(d->fd, BLKROGET, &ro) || (ro && ioctl(d->fd, BLKROSET, &(int){ 0 })))
		return ohib_err_set(err, -errno, "%s: %s", d->path, strerror(errno));
	d->was_ro = ro;
	return 0;
}

static int open_node(struct image_dev *d, const char *node, int flags, struct ohib_err *err)
{
	struct stat st;

	d->direct = true;
	d->fd = open(node, flags | O_DIRECT);
	if (d->fd < 0 && errno == EINVAL) {
		d->direct = false;
		d->fd = open(node, flags);
	}
	if (d->fd < 0 || fstat(d->fd, &st))
		return ohib_err_set(err, -errno, "%s: %s", node, strerror(errno));
	d->rdev = st.st_rdev;
	d->size = (u64)st.st_size;
	if (d->is_block && ioctl(d->fd, BLKGETSIZE64, &d->size))
		return ohib_err_set(err, -errno, "%s: its size: %s", node, strerror(errno));
	return 0;
}

int image_dev_open(struct image_dev *d, const char *path, enum image_dev_mode mode,
		   struct ohib_err *err)
{
	bool to_write = mode == IMAGE_DEV_WRITE || mode == IMAGE_DEV_SHARE;
	int flags = (to_write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY;
	const char *in_fs = place_path(path);
	char node[sizeof(d->path)];
	struct stat st;
	int r;

	*d = (struct image_dev)IMAGE_DEV_CLOSED;
	if (strlen(path) >= sizeof(d->path))
		return ohib_err_set(err, -ENAMETOOLONG, "%s: the name is too long", path);
	strcpy(d->path, path);
	snprintf(node, sizeof(node), "%.*s", in_fs ? (int)(in_fs - 1 - path) : (int)strlen(path), path);
	if (stat(node, &st))
		return ohib_err_set(err, -errno, "%s: %s", node, strerror(errno));
	d->is_block = S_ISBLK(st.st_mode);
	if (!d->is_block && !S_ISREG(st.st_mode))
		return ohib_err_set(err, -ENOTBLK, "%s: neither a block device nor a file", node);
	if (!in_fs && d->is_block && (mode == IMAGE_DEV_WRITE || mode == IMAGE_DEV_CLAIM))
		flags |= O_EXCL;
	r = open_node(d, node, flags, err);
	if (!r && in_fs)
		r = take_file(d, mode, err);
	if (r)
		image_dev_close(d);
	return r;
}

void image_dev_close(struct image_dev *d)
{
	if (d->fd >= 0 && d->was_ro)
		ioctl(d->fd, BLKROSET, &(int){ 1 });
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	d->was_ro = false;
	extfile_free(&d->file);
}

/* Where byte @offset of the image is on the device; how many from there on are beside it goes to @run, 0: none. */
static u64 place(const struct image_dev *d, u64 offset, u64 *run)
{
	size_t low = 0, high = d->file.extents.n;

	if (!d->file.size) {
		*run = offset < INT64_MAX ? INT64_MAX - offset : 0;
		return offset;
	}
	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct file_extent *e = &d->file.extents.v[mid];

		if (offset < e->at) {
			high = mid;
		} else if (offset - e->at >= e->len) {
			low = mid + 1;
		} else {
			*run = e->len - (offset - e->at);
			return e->start + (offset - e->at);
		}
	}
	*run = 0;
	return 0;
}

int image_dev_read(const struct image_dev *d, u64 offset, void *buf, size_t len)
{
	while (len) {
		u64 run, at = place(d, offset, &run);
		ssize_t n;

		if (!run)
			return d->file.size ? -ENODATA : -EINVAL;
		n = pread(d->fd, buf, len < run ? len : run, (off_t)at);
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

/* As much of @iov as is beside each other on the device; at least some of it. */
static ssize_t write_run(const struct image_dev *d, u64 offset, const struct iovec *iov, int n)
{
	u64 run, at = place(d, offset, &run), len = 0;
	int fit = 0;

	while (fit < n && fit < IOV_MAX && iov[fit].iov_len <= run - len)
		len += iov[fit++].iov_len;
	if (fit)
		return pwritev(d->fd, iov, fit, (off_t)at);
	return run ? pwrite(d->fd, iov->iov_base, run, (off_t)at) : 0;
}

int image_dev_writev(const struct image_dev *d, u64 offset, struct iovec *iov, int n)
{
	while (n) {
		ssize_t done = write_run(d, offset, iov, n);

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
