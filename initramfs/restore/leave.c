// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leave the initramfs: its mounts go, and its files, which would hold memory for ever.
 * Context: after the commit, the machine's tree stands over / and the caller's root is still the
 * initramfs's own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "mounts.h"
#include "util/cleanup.h"

#define DEPTH_MAX 256

/* Undo the octal digits of /proc/self/mountinfo. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++, out++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*out = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*out = *s;
		}
	}
	*out = '\0';
}

int initramfs_list(struct restore *r)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	char where[4096], *copy;
	size_t room = 0;

	if (!f)
		return r_fail(r, -errno, "/proc/self/mountinfo: %s", strerror(errno));
	while (getline(&line, &room, f) > 0) {
		if (sscanf(line, "%*d %*d %*s %*s %4095s", where) != 1 || !strcmp(where, "/"))
			continue;
		unescape(where);
		copy = strdup(where);
		if (!copy || vec_push(&r->mounts->initramfs, copy)) {
			free(copy);
			return r_fail(r, -ENOMEM, "no memory");
		}
	}
	return 0;
}

/*
 * The paths are looked up from the caller's root, below what is mounted over it. One that stays is
 * out of everybody's sight, and costs memory: nothing to lose a machine for.
 */
void initramfs_unmount(struct restore *r)
{
	for (size_t i = r->mounts->initramfs.n; i-- > 0;)
		umount2(r->mounts->initramfs.v[i], MNT_DETACH | UMOUNT_NOFOLLOW);
}

static void delete_dir(int dir, dev_t dev, unsigned int depth)
{
	struct dirent *de;
	struct stat st;
	DIR *d = fdopendir(dir);

	if (!d) {
		close(dir);
		return;
	}
	while ((de = readdir(d))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) || st.st_dev != dev)
			continue;
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
			int sub = openat(dirfd(d), de->d_name,
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub >= 0)
				delete_dir(sub, dev, depth + 1);
		}
		unlinkat(dirfd(d), de->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
	closedir(d);
}

/* As switch_root does; what cannot be deleted costs memory and nothing else. */
int initramfs_delete(struct restore *r, int root_fd)
{
	struct statfs fs;
	struct stat st;
	int dir;

	if (fstatfs(root_fd, &fs) || fstat(root_fd, &st))
		return r_fail(r, -errno, "the initramfs cannot be looked at");
	if (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		return 0; /* no initramfs: nothing that may be deleted */
	dir = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		delete_dir(dir, st.st_dev, 0);
	return 0;
}
