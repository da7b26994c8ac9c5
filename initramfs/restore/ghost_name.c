// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names for files that have none: for a moment each gets the one that it had, so that the kernel
 * shows it as before: "/usr/sbin/daemon (deleted)". Folders that are gone are made for that moment.
 * Where another file has the name now, they change places and the other is renamed over the
 * nameless one. Both renames are in one transaction of the journal: it has just been ended, the next
 * lasts seconds, and nobody else writes.
 * Source: fs/d_path.c, fs/dcache.c (__d_move: what is renamed over keeps its name).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ghost.h"
#include "mounts.h"

#define MADE_MAX 64

struct place {
	int dir;		/* O_PATH, the folder */
	const char *name;	/* in it */
	bool kept;		/* @times are those of the first folder that is changed */
	int changed;
	struct timespec times[2];
	int made;		/* folders that are there for the moment only */
	struct {
		int parent;
		char name[NAME_MAX + 1];
	} tmp[MADE_MAX];
};

static int open_dir(int at, const char *name)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, at, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* The mount's root, whatever is mounted over it; *@rest: what of the path is below it. */
static int open_mount(struct restore *r, const struct m_path *p, const char **rest)
{
	const char *at = p->mnt ? p->mnt->mountpoint : "/";
	struct r_mount *t = p->mnt ? p->mnt->restore : NULL;
	size_t skip = strcmp(at, "/") ? strlen(at) : 0;
	int fd;

	if (strncmp(p->path, at, skip))
		return -EINVAL;
	*rest = p->path + skip;
	if (!t)
		return path_open(r, at, O_PATH | O_DIRECTORY, 0);
	fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* No change of @dir's is to show; its first one is about to be made. */
static void keep_times(struct place *pl, int dir)
{
	struct stat st;

	if (pl->kept || fstat(dir, &st))
		return;
	pl->changed = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	pl->times[0] = st.st_atim;
	pl->times[1] = st.st_mtim;
	pl->kept = pl->changed >= 0;
}

static void leave(struct place *pl)
{
	char path[40];

	if (pl->dir >= 0)
		close(pl->dir);
	while (pl->made-- > 0) {
		unlinkat(pl->tmp[pl->made].parent, pl->tmp[pl->made].name, AT_REMOVEDIR);
		close(pl->tmp[pl->made].parent);
	}
	if (!pl->kept)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pl->changed);
	utimensat(AT_FDCWD, path, pl->times, 0);
	close(pl->changed);
}

/* One folder further down, made when it is not there. @dir is taken over. */
static int descend(struct place *pl, int dir, const char *name)
{
	int fd = open_dir(dir, name);

	if (fd == -ENOENT && pl->made < MADE_MAX) {
		keep_times(pl, dir);
		if (!mkdirat(dir, name, 0700)) {
			pl->tmp[pl->made].parent = dir;
			strcpy(pl->tmp[pl->made++].name, name);
			return open_dir(dir, name);
		}
		fd = -errno;
	}
	close(dir);
	return fd;
}

/* Names can neither come nor go there. */
static bool is_fixed(int dir)
{
	const u64 attrs = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
	struct statx stx;

	return syscall(SYS_statx, dir, "", AT_EMPTY_PATH, 0, &stx) || stx.stx_attributes & attrs;
}

static int enter(struct restore *r, const struct m_path *p, struct place *pl)
{
	char name[NAME_MAX + 1];
	const char *rest = "";
	size_t len;
	int dir;

	*pl = (struct place){ .dir = -1, .changed = -1 };
	dir = open_mount(r, p, &rest);
	while (dir >= 0) {
		rest += strspn(rest, "/");
		len = strcspn(rest, "/");
		if (!rest[len])
			break;
		if (len > NAME_MAX) {
			close(dir);
			return -ENAMETOOLONG;
		}
		memcpy(name, rest, len);
		name[len] = '\0';
		rest += len;
		dir = descend(pl, dir, name);
	}
	if (dir < 0)
		return dir;
	pl->dir = dir;
	pl->name = rest;
	if (!*rest || strlen(rest) > NAME_MAX || is_fixed(dir))
		return -EPERM;
	keep_times(pl, dir);
	return 0;
}

/* @of: a descriptor of the file that is to have the name; -1: a new one. */
static int create(int dir, const char *name, bool folder, int of)
{
	int fd;

	if (of >= 0 && linkat(of, "", dir, name, AT_EMPTY_PATH))
		return -errno;
	if (folder && mkdirat(dir, name, 0700))
		return -errno;
	if (of >= 0)
		fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	else if (folder)
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	else
		fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

/* @tmp gets @name's name, and what has it now is renamed over it. */
static int displace(const struct place *pl, const char *tmp, bool folder)
{
	int remove = folder ? AT_REMOVEDIR : 0, any;
	struct stat st;

	if (!fstatat(pl->dir, pl->name, &st, AT_SYMLINK_NOFOLLOW) && !!S_ISDIR(st.st_mode) == folder) {
		any = openat(pl->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (any >= 0) {
			syncfs(any);
			close(any);
		}
		if (!renameat2(pl->dir, tmp, pl->dir, pl->name, RENAME_EXCHANGE)) {
			if (!renameat(pl->dir, tmp, pl->dir, pl->name))
				return 0;
			/* Back: what @tmp names now is not ours. */
			if (renameat2(pl->dir, tmp, pl->dir, pl->name, RENAME_EXCHANGE))
				return -errno;
		}
	}
	/* It cannot be (a folder, a mount, another kind of file system): then under the odd name. */
	return unlinkat(pl->dir, tmp, remove) ? -errno : 0;
}

/* A name of ours, that nobody has: a file that a power cut left under one is not touched. */
static int create_beside(const struct place *pl, bool folder, int of, char tmp[NAME_MAX + 1])
{
	int fd = -EEXIST;

	for (int i = 0; i < 100 && fd == -EEXIST; i++) {
		snprintf(tmp, NAME_MAX + 1, "%.200s.overlay-%d", pl->name, i);
		fd = create(pl->dir, tmp, folder, of);
	}
	return fd;
}

static int create_and_take(const struct place *pl, bool folder, int of)
{
	char tmp[NAME_MAX + 1];
	int fd, ret;

	fd = create(pl->dir, pl->name, folder, of);
	if (fd >= 0) {
		ret = unlinkat(pl->dir, pl->name, folder ? AT_REMOVEDIR : 0) ? -errno : 0;
	} else if (fd == -EEXIST) {
		fd = create_beside(pl, folder, of, tmp);
		ret = fd < 0 ? fd : displace(pl, tmp, folder);
	} else {
		return fd;
	}
	if (fd >= 0 && ret) {
		close(fd);
		return ret;
	}
	return fd;
}

static int named(struct restore *r, const struct m_path *p, bool folder, int of)
{
	struct place pl;
	int fd = enter(r, p, &pl);

	if (!fd)
		fd = create_and_take(&pl, folder, of);
	leave(&pl);
	return fd;
}

static int tmpfile_in(int dir)
{
	int fd = openat(dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

/* It never had a name. */
static int never_named(struct restore *r, const struct m_path *p)
{
	struct place pl;
	int fd = enter(r, p, &pl);

	if (!fd)
		fd = tmpfile_in(pl.dir);
	leave(&pl);
	return fd;
}

/* Not the name that it had: in the mount's root, which is there always. */
static int elsewhere(struct restore *r, const struct m_path *p, bool folder)
{
	const char *at = p->mnt && strcmp(p->mnt->mountpoint, "/") ? p->mnt->mountpoint : "";
	struct m_path odd = { .mnt = p->mnt };
	char name[PATH_MAX];
	const char *rest;
	int dir, fd;

	if (!folder) {
		dir = open_mount(r, p, &rest);
		fd = dir < 0 ? dir : tmpfile_in(dir);
		if (dir >= 0)
			close(dir);
		if (fd >= 0)
			return fd;
	}
	snprintf(name, sizeof(name), "%s/removed", at);
	odd.path = name;
	return named(r, &odd, folder, -1);
}

static bool is_final(int error)
{
	return error == -EROFS || error == -EIO || error == -ENOMEM;
}

int ghost_create(struct restore *r, const struct m_path *p, bool linkable)
{
	int fd = linkable ? never_named(r, p) : named(r, p, false, -1);

	return fd >= 0 || is_final(fd) ? fd : elsewhere(r, p, false);
}

int ghost_create_folder(struct restore *r, const struct m_path *p)
{
	int fd = named(r, p, true, -1);

	return fd >= 0 || is_final(fd) ? fd : elsewhere(r, p, true);
}

int ghost_rename(struct restore *r, const struct m_path *p, int fd)
{
	return named(r, p, false, fd);
}
