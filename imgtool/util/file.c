// SPDX-License-Identifier: GPL-2.0-only
/* Whole small files, as procfs and sysfs have them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/file.h"

int file_read_all(const char *path, char **data, size_t *len)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *buf = NULL;
	size_t used = 0, room = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;

		if (room - used < 4096) {
			char *more = realloc(buf, (room ? room * 2 : 65536) + 1);

			if (!more)
				return -ENOMEM;
			buf = more;
			room = room ? room * 2 : 65536;
		}
		n = read(fd, buf + used, room - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		used += (size_t)n;
	}
	buf[used] = '\0';
	*data = no_free_ptr(buf);
	*len = used;
	return 0;
}
