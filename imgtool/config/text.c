// SPDX-License-Identifier: GPL-2.0-only
/* Small files, those of procfs and sysfs above all. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/parts.h"
#include "util/cleanup.h"

#define TEXT_MAX (16u << 20)

ssize_t text_read(const char *path, char **out)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *buf = NULL;
	size_t used = 0, room = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		if (room - used < 2048) {
			char *more = realloc(buf, (room = room ? room * 2 : 4096) + 1);

			if (!more)
				return -ENOMEM;
			buf = more;
		}
		n = read(fd, buf + used, room - used);
		if (n < 0 && errno != EINTR)
			return -errno;
		used += n > 0 ? (size_t)n : 0;
	} while (n && used < TEXT_MAX);
	if (n)
		return -EFBIG;
	buf[used] = '\0';
	*out = no_free_ptr(buf);
	return (ssize_t)used;
}

int text_line(const char *path, char *buf, size_t room)
{
	_cleanup_free_ char *text = NULL;
	ssize_t n = text_read(path, &text);

	if (n < 0)
		return (int)n;
	text[strcspn(text, "\n")] = '\0';
	if (strlen(text) >= room)
		return -E2BIG;
	strcpy(buf, text);
	return 0;
}

int text_write(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int text_replace(const char *path, const void *data, size_t len)
{
	_cleanup_close_ int fd = -1;
	char tmp[4096];
	int r = 0;

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	while (len && !r) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			r = -errno;
		if (n > 0) {
			data = (const char *)data + n;
			len -= (size_t)n;
		}
	}
	if (!r && rename(tmp, path))
		r = -errno;
	if (r)
		unlink(tmp);
	return r;
}

bool path_is_plain(const char *path)
{
	const char *p = path;

	if (!*path)
		return false;
	for (;;) {
		size_t n = strcspn(p, "/");

		if (!n || (n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (!p[n])
			return true;
		p += n + 1;
	}
}
