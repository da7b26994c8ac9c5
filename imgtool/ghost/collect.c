// SPDX-License-Identifier: GPL-2.0-only
/*
 * Collects the contents of nameless files for the image.
 * Reads: /proc/PID/{fd,map_files,exe,cwd} and the files. Writes: memory only; access times stay as they are.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ghost/ghost.h"
#include "image/ghosts_format.h"
#include "util/cleanup.h"
#include "util/map.h"
#include "util/vec.h"

#define FL_CARRIED (FS_NODUMP_FL | FS_NOATIME_FL | FS_SYNC_FL)
#define FL_FIXED (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_ENCRYPT_FL | FS_VERITY_FL)

struct collect {
	u8 *buf;
	size_t len, cap, max;
	u32 nr;
	struct map seen;	/* by ghost_id */
	struct ohib_err *err;
};

static void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* @len bytes more, zeroed and padded to 8; NULL: too many, or no memory. */
static void *room(struct collect *c, size_t len, const char *path)
{
	size_t want = (len + OHIB_GHOSTS_ALIGN - 1) & ~(size_t)(OHIB_GHOSTS_ALIGN - 1), cap = c->cap;
	u8 *p;

	if (len > c->max || want > c->max - c->len) {
		ohib_err_set(c->err, -EFBIG, "%s: deleted files in use have more than %zu MiB",
			     path, c->max >> 20);
		return NULL;
	}
	while (cap - c->len < want)
		cap = cap ? cap * 2 : 65536;
	if (cap != c->cap) {
		p = realloc(c->buf, cap);
		if (!p) {
			ohib_err_set(c->err, -ENOMEM, "out of memory for the deleted file %s", path);
			return NULL;
		}
		c->buf = p;
		c->cap = cap;
	}
	p = c->buf + c->len;
	memset(p, 0, want);
	c->len += want;
	return p;
}

static struct ohib_ghost *record(struct collect *c, size_t at)
{
	return (struct ohib_ghost *)(c->buf + at);
}

static int failed(struct collect *c, const char *path, const char *what)
{
	int r = -errno;

	return ohib_err_set(c->err, r, "deleted file %s: %s: %s", path, what, strerror(-r));
}

static int put_xattr(struct collect *c, int fd, const char *name, const char *path)
{
	struct ohib_ghost_xattr *x;
	size_t name_len = strlen(name) + 1;
	ssize_t len = fgetxattr(fd, name, NULL, 0);

	if (len < 0)
		return failed(c, path, name);
	x = room(c, sizeof(*x) + name_len + (size_t)len, path);
	if (!x)
		return c->err->code;
	x->name_len = (u32)name_len;
	x->value_len = (u32)len;
	memcpy(x + 1, name, name_len);
	if (fgetxattr(fd, name, (u8 *)(x + 1) + name_len, (size_t)len) != len)
		return failed(c, path, name);
	return 0;
}

static int put_xattrs(struct collect *c, size_t at, int fd, const char *path)
{
	_cleanup_free_ char *names = NULL;
	ssize_t len = flistxattr(fd, NULL, 0), i;
	size_t before = c->len;
	int r;

	if (len <= 0)
		return len < 0 && errno != ENOTSUP ? failed(c, path, "its attributes") : 0;
	names = malloc((size_t)len + 1);
	if (!names)
		return ohib_err_set(c->err, -ENOMEM, "out of memory");
	len = flistxattr(fd, names, (size_t)len);
	if (len < 0)
		return failed(c, path, "its attributes");
	names[len] = '\0';
	for (i = 0; i < len; i += (ssize_t)strlen(names + i) + 1) {
		r = put_xattr(c, fd, names + i, path);
		if (r)
			return r;
		record(c, at)->nr_xattrs++;
	}
	record(c, at)->xattrs_len = (u32)(c->len - before);
	return 0;
}

static int put_extents(struct collect *c, size_t at, int fd, const char *path)
{
	off_t size = (off_t)record(c, at)->size, from, to = 0;
	struct ohib_ghost_extent *e;

	while (to < size) {
		from = lseek(fd, to, SEEK_DATA);
		if (from < 0 && errno == ENXIO)
			return 0;
		to = from < 0 ? from : lseek(fd, from, SEEK_HOLE);
		if (to < 0)
			return failed(c, path, "where its data is");
		if (to > size)
			to = size;
		e = room(c, sizeof(*e), path);
		if (!e)
			return c->err->code;
		e->offset = (u64)from;
		e->len = (u64)(to - from);
		record(c, at)->nr_extents++;
		record(c, at)->data_len += e->len;
	}
	return 0;
}

static int put_data(struct collect *c, size_t at, size_t extents, int fd, const char *path)
{
	u8 *p = room(c, record(c, at)->data_len, path);
	u32 n = record(c, at)->nr_extents;

	if (!p)
		return c->err->code;
	for (u32 i = 0; i < n; i++) {
		const struct ohib_ghost_extent *e =
			(struct ohib_ghost_extent *)(c->buf + extents) + i;
		u64 done = 0;

		while (done < e->len) {
			ssize_t got = pread(fd, p, e->len - done, (off_t)(e->offset + done));

			if (got <= 0) {
				errno = got ? errno : EIO;
				return failed(c, path, "reading it");
			}
			done += (u64)got;
			p += got;
		}
	}
	return 0;
}

static int put_file(struct collect *c, u64 id, int fd, const struct stat *st, const char *path)
{
	size_t at = c->len, extents;
	struct ohib_ghost *g = room(c, sizeof(*g), path);
	int flags = 0, r;

	if (!g)
		return c->err->code;
	g->id = id;
	g->dev = st->st_dev;
	g->ino = st->st_ino;
	g->size = S_ISREG(st->st_mode) ? (u64)st->st_size : 0;
	g->mode = st->st_mode;
	g->uid = st->st_uid;
	g->gid = st->st_gid;
	g->atime_ns = st->st_atim.tv_sec * (s64)NSEC_PER_SEC + st->st_atim.tv_nsec;
	g->mtime_ns = st->st_mtim.tv_sec * (s64)NSEC_PER_SEC + st->st_mtim.tv_nsec;
	if (!ioctl(fd, FS_IOC_GETFLAGS, &flags))
		g->fs_flags = (u32)flags & FL_CARRIED;
	if (flags & FL_FIXED)
		return ohib_err_set(c->err, -EPERM, "deleted file %s is immutable, append-only, "
						    "encrypted or sealed: close it first", path);
	r = put_xattrs(c, at, fd, path);
	if (r)
		return r;
	extents = c->len;
	r = put_extents(c, at, fd, path);
	if (!r)
		r = put_data(c, at, extents, fd, path);
	if (r)
		return r;
	record(c, at)->record_len = c->len - at;
	c->nr++;
	return 0;
}

/* Files that have no disk are translated from memory. */
static bool on_disk(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return false;
	switch ((u32)fs.f_type) {
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
	case HUGETLBFS_MAGIC:
	case ANON_INODE_FS_MAGIC:
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case 0x5345434d: /* SECRETMEM_MAGIC */
		return false;
	}
	return true;
}

/* @link: a /proc link that opens the very file, whatever has become of its name. */
static int one_link(struct collect *c, const char *link)
{
	_cleanup_close_ int fd = -1;
	char path[256] = "";
	struct stat st;
	u64 id;

	if (stat(link, &st) || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) || st.st_nlink)
		return 0; /* a socket, a pipe … or gone: nothing that this is about */
	id = ghost_id(st.st_dev, st.st_ino);
	if (map_get(&c->seen, id))
		return 0;
	if (readlink(link, path, sizeof(path) - 1) < 0)
		strcpy(path, link);
	fd = open(link, O_RDONLY | O_NOATIME | O_CLOEXEC);
	if (fd < 0)
		return failed(c, path, "opening it");
	if (!on_disk(fd))
		return 0;
	if (fstat(fd, &st) || ghost_id(st.st_dev, st.st_ino) != id)
		return ohib_err_set(c->err, -ESTALE, "deleted file %s changed while it was read", path);
	if (map_put(&c->seen, id, c))
		return ohib_err_set(c->err, -ENOMEM, "out of memory");
	return put_file(c, id, fd, &st, path);
}

static int one_folder(struct collect *c, const char *folder)
{
	_cleanup_(cleanup_closedir) DIR *d = opendir(folder);
	struct dirent *e;
	char link[512];
	int r;

	if (!d)
		return errno == ENOENT || errno == ESRCH ? 0 : failed(c, folder, "opening it");
	for (;;) {
		errno = 0;
		e = readdir(d);
		if (!e)
			return errno && errno != ESRCH ? failed(c, folder, "reading it") : 0;
		if (e->d_name[0] == '.')
			continue;
		snprintf(link, sizeof(link), "%s/%s", folder, e->d_name);
		r = one_link(c, link);
		if (r)
			return r;
	}
}

static int one_process(struct collect *c, const char *pid)
{
	static const char *const links[] = { "exe", "cwd" };
	char path[300];
	int r;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	r = one_folder(c, path);
	if (r)
		return r;
	snprintf(path, sizeof(path), "/proc/%s/map_files", pid);
	r = one_folder(c, path);
	if (r)
		return r;
	for (size_t i = 0; !r && i < ARRAY_SIZE(links); i++) {
		snprintf(path, sizeof(path), "/proc/%s/%s", pid, links[i]);
		r = one_link(c, path);
	}
	return r;
}

static int all_processes(struct collect *c)
{
	_cleanup_(cleanup_closedir) DIR *d = opendir("/proc");
	struct dirent *e;
	int r;

	if (!d)
		return failed(c, "/proc", "opening it");
	while ((e = readdir(d))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		r = one_process(c, e->d_name);
		if (r)
			return r;
	}
	return 0;
}

/* @pid: 0 for all. */
static int collect(struct collect *c, pid_t pid)
{
	struct ohib_ghosts_header *h;
	char number[16];
	int r;

	if (!room(c, sizeof(*h), "/proc"))
		return c->err->code;
	snprintf(number, sizeof(number), "%d", pid);
	r = pid ? one_process(c, number) : all_processes(c);
	if (r)
		return r;
	h = (struct ohib_ghosts_header *)c->buf;
	memcpy(h->magic, OHIB_GHOSTS_MAGIC, sizeof(h->magic));
	h->version = OHIB_GHOSTS_VERSION;
	h->nr = c->nr;
	h->len = c->len;
	return 0;
}

int ghosts_collect_process(pid_t pid, size_t max, void **data, size_t *len, struct ohib_err *err)
{
	struct ohib_err own = {};
	struct collect c = { .max = max, .err = err ? err : &own };
	int r = collect(&c, pid);

	map_free(&c.seen);
	*data = NULL;
	*len = 0;
	if (r || !c.nr) {
		free(c.buf);
		return r;
	}
	*data = c.buf;
	*len = c.len;
	return 0;
}

int ghosts_collect(size_t max, void **data, size_t *len, struct ohib_err *err)
{
	return ghosts_collect_process(0, max, data, len, err);
}
