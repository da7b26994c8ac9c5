// SPDX-License-Identifier: GPL-2.0-only
/* Reads the section of nameless files: checks all of it first, then writes single files back. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ghost/ghost.h"
#include "image/ghosts_format.h"
#include "image/image.h"
#include "machine/machine.h"
#include "util/map.h"

struct ghosts {
	u8 *data;
	struct map by_id;	/* struct ohib_ghost in @data */
};

/* splitmix64's finaliser: one to one, so that two inodes of one file system never meet. */
static u64 mix(u64 v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

u64 ghost_id(u64 dev, u64 ino)
{
	u64 id = mix(ino ^ mix(dev + 0x9e3779b97f4a7c15ull));

	return id ? id : 1;
}

static u64 padded(u64 len)
{
	return (len + OHIB_GHOSTS_ALIGN - 1) & ~(u64)(OHIB_GHOSTS_ALIGN - 1);
}

static const u8 *xattrs_of(const struct ohib_ghost *g)
{
	return (const u8 *)(g + 1);
}

static const struct ohib_ghost_extent *extents_of(const struct ohib_ghost *g)
{
	return (const struct ohib_ghost_extent *)(xattrs_of(g) + g->xattrs_len);
}

static bool xattrs_valid(const struct ohib_ghost *g)
{
	const u8 *p = xattrs_of(g);
	u64 left = g->xattrs_len;

	for (u32 i = 0; i < g->nr_xattrs; i++) {
		struct ohib_ghost_xattr x;
		u64 len;

		if (left < sizeof(x))
			return false;
		memcpy(&x, p, sizeof(x));
		len = padded(sizeof(x) + (u64)x.name_len + x.value_len);
		if (len > left || !x.name_len || p[sizeof(x) + x.name_len - 1])
			return false;
		p += len;
		left -= len;
	}
	return !left;
}

static bool extents_valid(const struct ohib_ghost *g)
{
	const struct ohib_ghost_extent *e = extents_of(g);
	u64 end = 0, sum = 0;

	for (u32 i = 0; i < g->nr_extents; i++) {
		if (e[i].offset < end || e[i].offset > g->size || e[i].len > g->size - e[i].offset)
			return false;
		end = e[i].offset + e[i].len;
		sum += e[i].len;
	}
	return sum == g->data_len;
}

/* @left: bytes from @g to the section's end. */
static bool ghost_valid(const struct ohib_ghost *g, u64 left)
{
	u64 fixed;

	if (left < sizeof(*g) || g->record_len > left || g->record_len % OHIB_GHOSTS_ALIGN)
		return false;
	fixed = sizeof(*g) + (u64)g->xattrs_len + g->nr_extents * sizeof(struct ohib_ghost_extent);
	if (g->xattrs_len % OHIB_GHOSTS_ALIGN || fixed > g->record_len ||
	    g->data_len > g->record_len || padded(g->data_len) != g->record_len - fixed)
		return false;
	if (!S_ISREG(g->mode) && !(S_ISDIR(g->mode) && !g->size))
		return false;
	return g->size <= INT64_MAX && g->id == ghost_id(g->dev, g->ino) &&
	       xattrs_valid(g) && extents_valid(g);
}

static int index_all(struct ghosts *g, size_t len, struct ohib_err *err)
{
	struct ohib_ghosts_header h;
	u64 pos = sizeof(h);

	if (len < sizeof(h))
		return ohib_err_set(err, -EBADMSG, "the section of deleted files is too short");
	memcpy(&h, g->data, sizeof(h));
	if (memcmp(h.magic, OHIB_GHOSTS_MAGIC, sizeof(h.magic)) || h.len != len)
		return ohib_err_set(err, -EBADMSG, "the section of deleted files is damaged");
	if (h.version != OHIB_GHOSTS_VERSION)
		return ohib_err_set(err, -ENOTSUP, "deleted files in format %u are not known",
				    h.version);
	for (u32 i = 0; i < h.nr; i++) {
		struct ohib_ghost *r = (struct ohib_ghost *)(g->data + pos);

		if (!ghost_valid(r, len - pos) || map_get(&g->by_id, r->id))
			return ohib_err_set(err, -EBADMSG, "deleted file %u of the image is damaged", i);
		if (map_put(&g->by_id, r->id, r))
			return ohib_err_set(err, -ENOMEM, "out of memory");
		pos += r->record_len;
	}
	if (pos != len)
		return ohib_err_set(err, -EBADMSG, "the section of deleted files is too long");
	return 0;
}

int ghosts_parse(void *data, size_t len, struct ghosts **out, struct ohib_err *err)
{
	struct ghosts *g = calloc(1, sizeof(*g));
	int r;

	if (!g) {
		free(data);
		return ohib_err_set(err, -ENOMEM, "out of memory");
	}
	g->data = data;
	r = data ? index_all(g, len, err) : 0;
	if (r) {
		ghosts_free(g);
		return r;
	}
	*out = g;
	return 0;
}

int ghosts_from_image(struct ohib_image *img, struct ghosts **out, struct ohib_err *err)
{
	struct ohib_err own = {};
	void *data = NULL;
	size_t len = 0;
	int r = ohib_image_section(img, OHIB_SEC_GHOSTS, &data, &len, &own);

	if (r && r != -ENODATA)
		return ohib_err_set(err, r, "%s", own.msg);
	return ghosts_parse(r ? NULL : data, len, out, err);
}

void ghosts_free(struct ghosts *g)
{
	if (!g)
		return;
	map_free(&g->by_id);
	free(g->data);
	free(g);
}

bool ghosts_has(const struct ghosts *g, u64 id)
{
	return map_get(&g->by_id, id);
}

static int failed(const struct ohib_ghost *g, const char *what, struct ohib_err *err)
{
	int r = -errno;

	return ohib_err_set(err, r, "deleted file with inode %llu: %s: %s", (unsigned long long)g->ino,
			    what, strerror(-r));
}

static int write_data(const struct ohib_ghost *g, int fd, struct ohib_err *err)
{
	const struct ohib_ghost_extent *e = extents_of(g);
	const u8 *p = (const u8 *)(e + g->nr_extents);

	if (ftruncate(fd, (off_t)g->size))
		return failed(g, "its size", err);
	for (u32 i = 0; i < g->nr_extents; i++) {
		u64 done = 0;

		while (done < e[i].len) {
			ssize_t n = pwrite(fd, p, e[i].len - done, (off_t)(e[i].offset + done));

			if (n <= 0) {
				errno = n ? errno : ENOSPC;
				return failed(g, "its contents", err);
			}
			done += (u64)n;
			p += n;
		}
	}
	return 0;
}

static int write_xattrs(const struct ohib_ghost *g, int fd, struct ohib_err *err)
{
	const u8 *p = xattrs_of(g);

	for (u32 i = 0; i < g->nr_xattrs; i++) {
		struct ohib_ghost_xattr x;
		const char *name = (const char *)p + sizeof(x);

		memcpy(&x, p, sizeof(x));
		if (fsetxattr(fd, name, name + x.name_len, x.value_len, 0))
			return failed(g, name, err);
		p += padded(sizeof(x) + (u64)x.name_len + x.value_len);
	}
	return 0;
}

static struct timespec to_timespec(s64 ns)
{
	s64 sec = ns / (s64)NSEC_PER_SEC, nsec = ns % (s64)NSEC_PER_SEC;

	if (nsec < 0) {
		nsec += (s64)NSEC_PER_SEC;
		sec--;
	}
	return (struct timespec){ .tv_sec = sec, .tv_nsec = nsec };
}

int ghosts_write(const struct ghosts *g, u64 id, int fd, struct ohib_err *err)
{
	const struct ohib_ghost *r = map_get(&g->by_id, id);
	struct timespec ts[2];
	int flags = 0, ret;

	if (!r)
		return ohib_err_set(err, -ENOENT, "a deleted file's contents are not in the image");
	ret = S_ISREG(r->mode) ? write_data(r, fd, err) : 0;
	if (ret)
		return ret;
	/* what its folder's default access control list has given it */
	fremovexattr(fd, "system.posix_acl_access");
	fremovexattr(fd, "system.posix_acl_default");
	/* chown takes set-id bits away, and a file's mode is part of its access control list */
	if (fchown(fd, r->uid, r->gid))
		return failed(r, "its owner", err);
	ret = write_xattrs(r, fd, err);
	if (ret)
		return ret;
	if (fchmod(fd, r->mode & 07777))
		return failed(r, "its mode", err);
	ts[0] = to_timespec(r->atime_ns);
	ts[1] = to_timespec(r->mtime_ns);
	if (futimens(fd, ts))
		return failed(r, "its times", err);
	if (!r->fs_flags)
		return 0;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return failed(r, "its flags", err);
	flags |= (int)r->fs_flags;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) ? failed(r, "its flags", err) : 0;
}

static void check_one(const struct ghosts *g, struct machine *m, const struct m_path *p,
		      const struct m_ghost *ghost)
{
	const struct ohib_ghost *have = map_get(&g->by_id, ghost ? ghost->ghost_id : 0);

	if (!ghost || !ghost->ghost_id ||
	    (have && (have->mode & S_IFMT) == (ghost->mode & S_IFMT)))
		return;
	refuse(&m->refusals, 0, "", p && p->path ? p->path : "a file",
	       "has been deleted, and its contents are not in the image");
}

void ghosts_check(const struct ghosts *g, struct machine *m)
{
	struct m_process *p;
	struct m_file *f;

	vec_foreach(f, &m->files)
		if (f->kind == M_FILE_REG || f->kind == M_FILE_DIR || f->kind == M_FILE_PATH)
			check_one(g, m, f->path, f->ghost);
	vec_foreach(p, &m->processes)
		check_one(g, m, p->cwd, p->cwd ? p->cwd->ghost : NULL);
}
