// SPDX-License-Identifier: GPL-2.0-only
/* All of /proc/sys as a list, and that list as a file. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/parts.h"
#include "util/cleanup.h"

#define MAGIC "overlayctl sysctls 1\n"

static int add(struct sysctls *s, const char *name, const char *value)
{
	struct sysctl c = { strdup(name), strdup(value) };
	int r = c.name && c.value ? vec_push(&s->list, c) : -ENOMEM;

	if (r) {
		free(c.name);
		free(c.value);
	}
	return r;
}

static void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int read_one(struct sysctls *s, int dir, const char *leaf, const char *name)
{
	_cleanup_close_ int fd = openat(dir, leaf, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *more = NULL;
	char here[1024], *buf = here;
	size_t used = 0, room = sizeof(here);
	ssize_t n;

	if (fd < 0)
		return 0;
	/* Bitmaps of ports may be long; 64 KiB is what they are cut to by the kernel. */
	while ((n = read(fd, buf + used, room - used - 1)) > 0) {
		used += (size_t)n;
		if (room - used > 1)
			continue;
		if (room >= 1u << 20)
			return -EFBIG;
		buf = realloc(more, room *= 2);
		if (!buf)
			return -ENOMEM;
		if (!more)
			memcpy(buf, here, used);
		more = buf;
	}
	/* Some exist and have no value yet (stable_secret: EIO). */
	if (n < 0)
		return 0;
	while (used && (buf[used - 1] == '\n' || buf[used - 1] == '\0'))
		used--;
	buf[used] = '\0';
	return add(s, name, buf);
}

/* Takes @fd over. Does not cross into another file system (binfmt_misc, its automount). */
static int walk(struct sysctls *s, int fd, dev_t dev, const char *prefix, int depth)
{
	_cleanup_(cleanup_dir) DIR *d = fdopendir(fd);
	struct dirent *de;

	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while ((de = readdir(d))) {
		char name[PATH_MAX];
		struct stat st;
		int sub, r = 0;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) ||
		    st.st_dev != dev)
			continue;
		if (snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "/" : "", de->d_name) >=
		    (int)sizeof(name))
			return -ENAMETOOLONG;
		if (S_ISDIR(st.st_mode)) {
			if (depth > 16)
				return -ELOOP;
			sub = openat(dirfd(d), de->d_name,
				     O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
			if (sub >= 0)
				r = walk(s, sub, dev, name, depth + 1);
		} else if (S_ISREG(st.st_mode) && st.st_mode & 0200 && st.st_mode & 0400 &&
			   sysctl_class(name) != SYSCTL_STATE) {
			r = read_one(s, dirfd(d), de->d_name, name);
		}
		if (r)
			return r;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct sysctl *)a)->name, ((const struct sysctl *)b)->name);
}

static void sort(struct sysctls *s)
{
	if (s->list.n)
		qsort(s->list.v, s->list.n, sizeof(s->list.v[0]), by_name);
}

int sysctls_read(struct sysctls *s, const char *root)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		r = -errno;
		close(fd);
		return r;
	}
	r = walk(s, fd, st.st_dev, "", 0);
	sort(s);
	return r;
}

const struct sysctl *sysctls_find(const struct sysctls *s, const char *name)
{
	struct sysctl key = { (char *)name, NULL };

	return s->list.n ? bsearch(&key, s->list.v, s->list.n, sizeof(key), by_name) : NULL;
}

void sysctls_free(struct sysctls *s)
{
	for (size_t i = 0; i < s->list.n; i++) {
		free(s->list.v[i].name);
		free(s->list.v[i].value);
	}
	vec_free(&s->list);
}

/* Text: the magic line, the boot's id in a line, then name NUL value NUL for each. */
int sysctls_format(const struct sysctls *s, const char *boot_id, char **data, size_t *len)
{
	_cleanup_fclose_ FILE *f = open_memstream(data, len);

	if (!f)
		return -ENOMEM;
	fprintf(f, "%s%s\n", MAGIC, boot_id);
	for (size_t i = 0; i < s->list.n; i++)
		fprintf(f, "%s%c%s%c", s->list.v[i].name, 0, s->list.v[i].value, 0);
	return ferror(f) || fflush(f) ? -ENOMEM : 0;
}

/* @boot_id: room for 64. -EBADMSG: not such a file. */
int sysctls_parse(struct sysctls *s, char *boot_id, const char *data, size_t len)
{
	const char *p = data, *end = data + len, *nl;
	int r = 0;

	if (len < strlen(MAGIC) || memcmp(p, MAGIC, strlen(MAGIC)) || end[-1])
		return -EBADMSG;
	p += strlen(MAGIC);
	nl = memchr(p, '\n', (size_t)(end - p));
	if (!nl || nl - p >= 64)
		return -EBADMSG;
	memcpy(boot_id, p, (size_t)(nl - p));
	boot_id[nl - p] = '\0';
	for (p = nl + 1; p < end && !r;) {
		const char *value = p + strlen(p) + 1;

		if (value >= end)
			return -EBADMSG;
		r = add(s, p, value);
		p = value + strlen(value) + 1;
	}
	sort(s);
	return r;
}

bool sysctl_same(const char *a, const char *b)
{
	for (;;) {
		size_t x = strspn(a, " \t\n"), y = strspn(b, " \t\n");

		a += x;
		b += y;
		if (*a != *b)
			return false;
		while (*a && !strchr(" \t\n", *a)) {
			if (*a != *b)
				return false;
			a++;
			b++;
		}
		if (!*a && !*b)
			return true;
		if (*b && !strchr(" \t\n", *b))
			return false;
	}
}
