// SPDX-License-Identifier: GPL-2.0-only
/* Super blocks: the machine's file systems made or mounted under this kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "mounts.h"
#include "util/cleanup.h"

#define BUSY_TRIES 100
#define BUSY_WAIT_US 50000

/* What the kernel says about a failed fs*() call: "e tmpfs: Unknown parameter 'x'". */
static void reason(int fsfd, int error, char *out, size_t room)
{
	char line[256];
	ssize_t n;

	snprintf(out, room, "%s", strerror(error));
	while ((n = read(fsfd, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (n > 2 && line[0] == 'e')
			snprintf(out, room, "%s", line + 2);
	}
}

static int fs_fail(struct restore *r, struct r_sb *sb, int fsfd, const char *what)
{
	int error = errno;
	char why[256];

	reason(fsfd, error, why, sizeof(why));
	return r_fail(r, -error, "file system %s (%s): %s: %s", sb->m->fstype, sb->source, what, why);
}

static int one_option(int fsfd, char *option)
{
	char *value = strchr(option, '=');

	if (!value)
		return fsconfig(fsfd, FSCONFIG_SET_FLAG, option, NULL, 0);
	*value++ = '\0';
	return fsconfig(fsfd, FSCONFIG_SET_STRING, option, value, 0);
}

static int set_options(struct restore *r, struct r_sb *sb, int fsfd, const char *options)
{
	_cleanup_free_ char *copy = strdup(options);
	char *save, *o;

	if (!copy)
		return r_fail(r, -ENOMEM, "no memory");
	for (o = strtok_r(copy, ",", &save); o; o = strtok_r(NULL, ",", &save))
		if (one_option(fsfd, o))
			return fs_fail(r, sb, fsfd, o);
	return 0;
}

#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)	/* linux/mount.h, which does not go with sys/mount.h */
#endif

static const struct {
	u64 flag;
	const char *name;
} sb_flags[] = {
	{ MS_SYNCHRONOUS, "sync" }, { MS_DIRSYNC, "dirsync" }, { MS_LAZYTIME, "lazytime" },
};

static int set_flags(struct restore *r, struct r_sb *sb, int fsfd)
{
	for (size_t i = 0; i < ARRAY_SIZE(sb_flags); i++)
		if (sb->m->sb_flags & sb_flags[i].flag &&
		    fsconfig(fsfd, FSCONFIG_SET_FLAG, sb_flags[i].name, NULL, 0))
			return fs_fail(r, sb, fsfd, sb_flags[i].name);
	return 0;
}

/*
 * A file system that is in a module which the initramfs has not got. The machine's own modprobe
 * loads it from the machine's root, which is mounted read-only by now.
 */
static void load_module(struct restore *r, const char *fstype)
{
	char alias[40];
	pid_t pid = fork();

	if (pid < 0)
		return;
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		snprintf(alias, sizeof(alias), "fs-%s", fstype);
		for (int i = 0; null >= 0 && i < 3; i++)
			dup2(null, i);
		if (!fchdir(r->root_fd) && !chroot("."))
			execl("/sbin/modprobe", "modprobe", "-q", alias, NULL);
		_exit(127);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int open_fs(struct restore *r, const char *fstype)
{
	int fd = fsopen(fstype, FSOPEN_CLOEXEC);

	if (fd < 0 && errno == ENODEV) {
		load_module(r, fstype);
		fd = fsopen(fstype, FSOPEN_CLOEXEC);
	}
	return fd;
}

/* The name that the machine mounted it by, as long as it still leads to the same device. */
static const char *block_source(struct r_sb *sb)
{
	struct stat was, is;

	if (!stat(sb->source, &was) && !stat(sb->dev->node, &is) && S_ISBLK(was.st_mode) &&
	    was.st_rdev == is.st_rdev)
		return sb->source;
	return sb->dev->node;
}

/* -EBUSY: a mount of it, gone a moment ago, is still being taken down. Nothing is recorded then. */
static int try_make(struct restore *r, struct r_sb *sb, int *fd)
{
	bool block = sb->m->kind == M_FS_BLOCK;
	_cleanup_close_ int fsfd = open_fs(r, sb->m->fstype);
	int ret;

	if (fsfd < 0)
		return r_fail(r, -errno, "file system %s: unknown to this kernel", sb->m->fstype);
	if (fsconfig(fsfd, FSCONFIG_SET_STRING, "source", block ? block_source(sb) : sb->source, 0))
		return fs_fail(r, sb, fsfd, "source");
	if (block && (!r->rw || sb->m->readonly) && fsconfig(fsfd, FSCONFIG_SET_FLAG, "ro", NULL, 0))
		return fs_fail(r, sb, fsfd, "ro");
	ret = set_flags(r, sb, fsfd);
	/* There is one devtmpfs, and it takes options by being changed only. */
	if (!ret && sb->m->options && sb->m->kind != M_FS_DEVTMPFS)
		ret = set_options(r, sb, fsfd, sb->m->options);
	if (ret)
		return ret;
	if (fsconfig(fsfd, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return errno == EBUSY ? -EBUSY : fs_fail(r, sb, fsfd, "cannot be mounted");
	*fd = fsmount(fsfd, FSMOUNT_CLOEXEC, 0);
	return *fd < 0 ? fs_fail(r, sb, fsfd, "cannot be mounted") : 0;
}

int fs_make(struct restore *r, struct r_sb *sb, int *fd)
{
	int ret = -EBUSY;

	/* The options of a hierarchy choose what it is; nothing tells them yet. */
	if (!strcmp(sb->m->fstype, "cgroup"))
		return r_fail(r, -EOPNOTSUPP, "file system cgroup (version 1): cannot be mounted again");
	for (int tries = 0; ret == -EBUSY && tries < BUSY_TRIES; tries++) {
		if (tries)
			usleep(BUSY_WAIT_US);
		ret = try_make(r, sb, fd);
	}
	return ret == -EBUSY ? r_fail(r, ret, "file system %s (%s): somebody has it mounted",
				      sb->m->fstype, sb->source) : ret;
}

int fs_change(struct restore *r, struct r_sb *sb, const char *options, bool readonly)
{
	_cleanup_close_ int fsfd = fspick(sb->fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	int ret = 0;

	if (fsfd < 0)
		return r_fail(r, -errno, "file system %s (%s): cannot be changed", sb->m->fstype,
			      sb->source);
	if (fsconfig(fsfd, FSCONFIG_SET_FLAG, readonly ? "ro" : "rw", NULL, 0))
		return fs_fail(r, sb, fsfd, readonly ? "ro" : "rw");
	ret = set_flags(r, sb, fsfd);
	if (!ret && options)
		ret = set_options(r, sb, fsfd, options);
	if (!ret && fsconfig(fsfd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0))
		ret = fs_fail(r, sb, fsfd, readonly ? "cannot be made read-only" :
						      "cannot be made writable");
	return ret;
}
