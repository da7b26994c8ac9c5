// SPDX-License-Identifier: GPL-2.0-only
/* What an inode has besides its contents: owner, mode, extended attributes, flags, times. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "mounts.h"
#include "util/cleanup.h"

static struct timespec to_timespec(s64 ns)
{
	struct timespec t = { ns / (s64)NSEC_PER_SEC, ns % (s64)NSEC_PER_SEC };

	if (t.tv_nsec < 0) {
		t.tv_nsec += NSEC_PER_SEC;
		t.tv_sec--;
	}
	return t;
}

int inode_attrs(struct restore *r, struct m_inode *i, int dir, const char *name)
{
	struct timespec times[2] = { to_timespec(i->atime_ns), to_timespec(i->mtime_ns) };
	const char *what = *name ? name : "/";
	char path[320];

	if (fchownat(dir, name, i->uid, i->gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return r_fail(r, -errno, "%s: cannot set the owner", what);
	snprintf(path, sizeof(path), "/proc/self/fd/%d%s%s", dir, *name ? "/" : "", name);
	if (!S_ISLNK(i->mode) && chmod(path, i->mode & 07777))
		return r_fail(r, -errno, "%s: cannot set the mode", what);
	for (size_t n = 0; n < i->xattrs.n; n++) {
		const struct m_xattr *x = &i->xattrs.v[n];

		if (*name ? lsetxattr(path, x->name, x->value, x->len, 0) :
			    setxattr(path, x->name, x->value, x->len, 0))
			return r_fail(r, -errno, "%s: cannot set the attribute %s: %s", what, x->name,
				      strerror(errno));
	}
	if (*name ? utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) : utimensat(AT_FDCWD, path, times, 0))
		return r_fail(r, -errno, "%s: cannot set the times", what);
	return 0;
}

/* Told before the commit, when it can be helped: ramfs has none, and tmpfs not always had (6.0). */
int inode_flags_check(struct restore *r, struct m_inode *i, int dir, const char *name)
{
	_cleanup_close_ int fd = -1;
	int flags;

	if (!i->fs_flags)
		return 0;
	fd = openat(dir, *name ? name : ".", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return r_fail(r, -errno, "%s: cannot have the flags %#x: %s", *name ? name : "/",
			      i->fs_flags, strerror(errno));
	return 0;
}

/* Last of all: an immutable inode takes nothing else. */
int inode_flags(struct restore *r, struct m_inode *i, int dir, const char *name)
{
	_cleanup_close_ int fd = -1;
	char path[40];

	if (!i->fs_flags)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	fd = *name ? openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) :
		     open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, FS_IOC_SETFLAGS, &(int){ (int)i->fs_flags }))
		return r_fail(r, -errno, "%s: cannot set the flags %#x: %s", *name ? name : "/",
			      i->fs_flags, strerror(errno));
	return 0;
}
