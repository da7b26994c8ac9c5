// SPDX-License-Identifier: GPL-2.0-only
/* inotify: watches under the numbers that the program knows them by. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kinds.h"

#define WD_MAX 1000000
#define QUEUE_MAX 4000000 /* of a /proc/sys/fs/inotify/max_queued_events: a quarter of a gigabyte */

/*
 * The kernel deals numbers in rising order and does not reuse them, so a watch that is added and
 * removed again moves the next number up by one.
 */
static int advance(struct restore *r, int fd, const char *path, s32 *next, s32 want)
{
	char drain[4096];

	if (want > WD_MAX)
		return r_fail(r, -ERANGE, "an inotify watch has number %d", want);
	while (*next < want) {
		int wd = inotify_add_watch(fd, path, IN_ATTRIB);

		if (wd < 0 || inotify_rm_watch(fd, wd))
			return r_fail(r, -errno, "cannot number the watches of an inotify");
		*next = wd + 1;
		/* Each removal says IN_IGNORED; nobody is to read that. */
		while (read(fd, drain, sizeof(drain)) > 0)
			;
	}
	return 0;
}

static int queue_size(void)
{
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	int n = -1;

	if (!f)
		return -errno;
	if (fscanf(f, "%d", &n) != 1 || n <= 0 || n > QUEUE_MAX)
		n = -ERANGE;
	fclose(f);
	return n;
}

/* Read @n events that have no name. */
static int skip(int fd, size_t n)
{
	struct inotify_event buf[256];

	while (n) {
		size_t want = n < 256 ? n : 256;
		ssize_t got = read(fd, buf, want * sizeof(*buf));

		if (got <= 0 || (size_t)got % sizeof(*buf))
			return got < 0 ? -errno : -EIO;
		n -= (size_t)got / sizeof(*buf);
	}
	return 0;
}

/*
 * Nothing can queue an event of a watch but what it watches. The program is told as the kernel tells it
 * when it has lost some: by IN_Q_OVERFLOW, which a real overflow leaves at the end of the queue. Two
 * files in turn, since an event like the one before it is dropped.
 */
static int overflow(struct restore *r, int fd)
{
	int size = queue_size(), mem[2] = { -1, -1 }, wd[2], ret = size < 0 ? size : 0;
	char path[40];

	for (int i = 0; !ret && i < 2; i++) {
		mem[i] = memfd_create("inotify", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", mem[i]);
		wd[i] = mem[i] < 0 ? -1 : inotify_add_watch(fd, path, IN_ATTRIB);
		if (wd[i] < 0)
			ret = -errno;
	}
	for (int i = 0; !ret && i <= size; i++)
		ret = fchmod(mem[i & 1], 0600) ? -errno : 0;
	for (int i = 0; !ret && i < 2; i++)
		ret = inotify_rm_watch(fd, wd[i]) ? -errno : 0;
	if (!ret)
		ret = skip(fd, (size_t)size);
	for (int i = 0; i < 2; i++)
		if (mem[i] >= 0)
			close(mem[i]);
	return ret ? r_fail(r, ret, "cannot tell an inotify that events were lost") : 0;
}

static int open_inotify(struct restore *r, struct m_file *f, int *out)
{
	const struct m_inotify *in = f->inotify;
	s32 next = 1, done = 0;
	char path[40];
	int fd, ret = 0;

	if (in->events.n && queue_size() < 0)
		return r_fail(r, -ERANGE, "an inotify has unread events, and fs.inotify.max_queued_events is more than %d",
			      QUEUE_MAX);
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return r_fail(r, -errno, "cannot make an inotify");
	while (!ret) {
		const struct m_inotify_watch *w = NULL;
		int target, wd;

		for (size_t i = 0; i < in->watches.n; i++)
			if (in->watches.v[i].wd > done && (!w || in->watches.v[i].wd < w->wd))
				w = &in->watches.v[i];
		if (!w)
			break;
		done = w->wd;
		target = w->path ? path_open(r, w->path->path, O_PATH | O_NOFOLLOW, 0) :
				   open_by_number(r, w->mnt, w->ino, w->generation, O_PATH);
		if (target < 0) {
			ret = r_fail(r, target, "cannot watch %s (inode %llu)",
				     w->path ? w->path->path : "a file", (unsigned long long)w->ino);
			break;
		}
		snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
		ret = advance(r, fd, path, &next, w->wd);
		if (!ret) {
			wd = inotify_add_watch(fd, path, w->mask & ~(u32)IN_DONT_FOLLOW);
			next = wd + 1;
			if (wd != w->wd)
				ret = r_fail(r, wd < 0 ? -errno : -EEXIST,
					     "inotify watch %d came out as %d", w->wd, wd);
		}
		close(target);
	}
	if (!ret && in->next_wd > next)
		ret = advance(r, fd, "/proc/self", &next, in->next_wd);
	if (ret)
		close(fd);
	else
		*out = fd;
	return ret;
}

int inotify_settle(struct restore *r)
{
	struct m_file *f;
	char drain[4096];
	int ret = 0;

	vec_foreach(f, &r->m->files) {
		int fd = f->kind == M_FILE_INOTIFY ? file_fd(r, f) : -1, n = 0;

		if (fd < 0)
			continue;
		/* It may be one that waits for events. */
		while (!ioctl(fd, FIONREAD, &n) && n > 0 && read(fd, drain, sizeof(drain)) > 0)
			;
		if (!ret && f->inotify->events.n)
			ret = overflow(r, fd);
	}
	return ret;
}

const struct restore_kind kind_inotify = {
	.id = M_FILE_INOTIFY, .name = "inotify", .open = open_inotify,
};
