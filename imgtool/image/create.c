// SPDX-License-Identifier: GPL-2.0-only
/* Makes a file that an image can be in. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "image/io.h"
#include "image/place.h"
#include "image/state.h"
#include "util/cleanup.h"

static int pin(int fd, bool on)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return -errno;
	flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) ? -errno : 0;
}

static void discard(const char *file)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0)
		pin(fd, false);
	unlink(file);
}

/* With all its blocks, and pinned. @text: what is in it; NULL: nothing yet. */
static int make(const char *file, u64 size, const char *text, struct ohib_err *err)
{
	_cleanup_close_ int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = 0;

	if (fd < 0)
		return ohib_err_set(err, -errno, "%s: %s", file, strerror(errno));
	if (text && pwrite(fd, text, size, 0) != (ssize_t)size)
		r = -EIO;
	if (!r)
		r = -posix_fallocate(fd, 0, (off_t)size);
	if (!r && fsync(fd))
		r = -errno;
	if (!r)
		r = pin(fd, true);
	if (r)
		discard(file);
	return r ? ohib_err_set(err, r, "%s: making it: %s", file, strerror(-r)) : 0;
}

/*
 * Everything that the file system has noted of the files, in its journal too, goes to where it
 * belongs (fs/ext4/super.c, ext4_freeze): it must not be replayed over what is written to the blocks
 * from now on.
 */
static int settle(const char *file, struct ohib_err *err)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	sigset_t all, before;
	int r = 0;

	/* A ^C between the two would leave it frozen. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	if (fd < 0 || ioctl(fd, FIFREEZE, 0) || ioctl(fd, FITHAW, 0))
		r = ohib_err_set(err, -errno, "%s: its file system cannot be frozen for a moment: %s", file,
				 strerror(errno));
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* The blocks may hold anything, an older image too. */
static int begin(const char *file, const char *env, struct ohib_err *err)
{
	static _Alignas(4096) u8 first[OHIB_DATA_OFFSET];
	struct image_dev d;
	char spec[256];
	int r = place_of_file(file, spec, sizeof(spec), NULL, 0, err);

	if (!r)
		r = image_dev_open(&d, spec, IMAGE_DEV_WRITE, err);
	if (r)
		return r;
	memset(first, 0, sizeof(first));
	memcpy(first + OHIB_ENV_OFFSET, env, OHIB_ENV_BYTES);
	r = image_dev_write(&d, 0, first, sizeof(first));
	if (!r)
		r = image_dev_flush(&d);
	image_dev_close(&d);
	return r ? ohib_err_set(err, r, "%s: writing to its blocks: %s", file, strerror(-r)) : 0;
}

int place_create(const char *file, u64 bytes, char *real, size_t real_size, struct ohib_err *err)
{
	_cleanup_free_ char *given = strdup(file), *last = strdup(file), *folder = NULL;
	const struct ohib_header none = { .state = OHIB_STATE_NONE };
	char env[OHIB_ENV_BYTES], beside[300];
	int r;

	if (!given || !last)
		return ohib_err_set(err, -ENOMEM, "%s: out of memory", file);
	folder = realpath(dirname(given), NULL);
	if (!folder)
		return ohib_err_set(err, -errno, "the folder of %s: %s", file, strerror(errno));
	if ((size_t)snprintf(real, real_size, "%s/%s", strcmp(folder, "/") ? folder : "",
			     basename(last)) >= real_size)
		return ohib_err_set(err, -ENAMETOOLONG, "%s: the name is too long", file);
	r = place_usable(real, err);
	if (r)
		return r;
	snprintf(beside, sizeof(beside), "%.250s" PLACE_ENV, real);
	image_state_env(&none, env);
	r = make(real, bytes & ~(u64)(OHIB_DISK_ALIGN - 1), NULL, err);
	if (r)
		return r;
	r = make(beside, OHIB_ENV_BYTES, env, err);
	if (r) {
		discard(real);
		return r;
	}
	r = settle(real, err);
	if (!r)
		r = begin(real, env, err);
	if (r) {
		discard(beside);
		discard(real);
	}
	return r;
}
