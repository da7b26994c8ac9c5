// SPDX-License-Identifier: GPL-2.0-only
/*
 * Freezes the file systems on disks, so that their on-disk state is clean and stays as it is from
 * before the memory image is taken until somebody owns the machine again: FIFREEZE (fs/super.c, freeze_super)
 * writes everything back, ext4 then also empties its journal.
 * Reads: /proc/PID/mountinfo of one process for each mount namespace.
 * Context: processes are frozen already.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "capture/parts.h"
#include "disk/super.h"
#include "util/cleanup.h"

/* On disks, but behind a device number that says nothing of them. */
static bool is_volume(const char *type)
{
	static const char *const types[] = { "btrfs", "zfs", "ubifs", "bcachefs" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(types[i], type))
			return true;
	return false;
}

/* mountinfo writes blanks and backslashes as three octal digits. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

static bool has_option(const char *options, const char *want)
{
	size_t n = strlen(want);

	for (const char *p = options; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (!strncmp(p, want, n) && (p[n] == ',' || !p[n] || p[n] == '\n'))
			return true;
	}
	return false;
}

static struct disk_fs *find(const struct disk_fs_list *l, dev_t dev)
{
	struct disk_fs *fs;

	vec_foreach(fs, &l->fs) if (fs->dev == dev) return fs;
	return NULL;
}

static int add(struct disk_fs_list *l, pid_t pid, dev_t dev, const char *type,
	       const char *mountpoint, struct ohib_err *err)
{
	struct disk_fs *fs = find(l, dev);
	struct stat st;
	char path[300];

	if (fs && fs->fd >= 0)
		return 0;
	if (!fs) {
		fs = calloc(1, sizeof(*fs));
		if (!fs || vec_push(&l->fs, fs)) {
			free(fs);
			return ohib_err_set(err, -ENOMEM, "list of file systems: out of memory");
		}
		fs->dev = dev;
		fs->fd = -1;
		snprintf(fs->type, sizeof(fs->type), "%s", type);
		snprintf(fs->mountpoint, sizeof(fs->mountpoint), "%s", mountpoint);
	}
	/* This mount may be hidden under another one: then another mount of it must be found. */
	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/root%s", pid, mountpoint);
	else
		snprintf(path, sizeof(path), "%s", mountpoint);
	fs->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOATIME | O_NONBLOCK);
	if (fs->fd >= 0 && (fstat(fs->fd, &st) || st.st_dev != dev)) {
		close(fs->fd);
		fs->fd = -1;
	}
	return 0;
}

/* One mount namespace; @pid 0: our own. @known: nothing may be there that is not in the list. */
static int scan_namespace(struct disk_fs_list *l, pid_t pid, bool known, struct ohib_err *err)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	char path[64] = "/proc/self/mountinfo";
	size_t room = 0;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	f = fopen(path, "re");
	if (!f)
		return pid ? 0 : ohib_err_set(err, -errno, "%s: %s", path, strerror(errno));
	while (getline(&line, &room, f) > 0) {
		char mountpoint[200], type[16], super[1000];
		unsigned int major, minor;
		const char *rest = strstr(line, " - ");
		int r;

		/* 36 35 98:0 /root /mountpoint options… - type source super-options */
		if (!rest ||
		    sscanf(line, "%*u %*u %u:%u %*s %199s", &major, &minor, mountpoint) != 3 ||
		    sscanf(rest, " - %15s %*s %999s", type, super) != 2)
			continue;
		if (!major && !is_volume(type))
			continue; /* on no disk */
		if (has_option(super, "ro"))
			continue;
		unescape(mountpoint);
		/* The old kernel goes on with what it has cached: who resumes it has to be able to tell. */
		if (!super_is_known(type))
			return ohib_err_set(err, -EOPNOTSUPP, "%s: whether another system has used the %s file system "
					    "while the machine was off could not be told: unmount it, or mount it "
					    "read-only", mountpoint, type);
		if (known)
			r = find(l, makedev(major, minor))
				    ? 0
				    : ohib_err_set(err, -EAGAIN,
						   "%s was mounted in the meantime; try again",
						   mountpoint);
		else
			r = add(l, pid, makedev(major, minor), type, mountpoint, err);
		if (r)
			return r;
	}
	return 0;
}

static int scan(struct disk_fs_list *l, bool known, struct ohib_err *err)
{
	VEC(ino_t) seen = {0};
	struct dirent *de;
	struct stat st;
	DIR *proc;
	int r;

	r = scan_namespace(l, 0, known, err);
	if (r)
		return r;
	if (stat("/proc/self/ns/mnt", &st) || vec_push(&seen, st.st_ino))
		return ohib_err_set(err, -EIO, "/proc/self/ns/mnt: not readable");
	proc = opendir("/proc");
	if (!proc)
		return ohib_err_set(err, -errno, "/proc: %s", strerror(errno));
	while (!r && (de = readdir(proc))) {
		pid_t pid = atoi(de->d_name);
		char path[64];
		bool was_seen = false;

		snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
		if (pid <= 0 || stat(path, &st))
			continue;
		for (size_t i = 0; i < seen.n; i++)
			was_seen |= seen.v[i] == st.st_ino;
		if (was_seen)
			continue;
		if (vec_push(&seen, st.st_ino))
			r = ohib_err_set(err, -ENOMEM, "list of namespaces: out of memory");
		else
			r = scan_namespace(l, pid, known, err);
	}
	closedir(proc);
	vec_free(&seen);
	return r;
}

int disk_fs_scan(struct disk_fs_list *l, struct ohib_err *err)
{
	struct disk_fs *fs;
	int r;

	memset(l, 0, sizeof(*l));
	r = scan(l, false, err);
	vec_foreach(fs, &l->fs) if (!r && fs->fd < 0) r = ohib_err_set(
		err, -EBUSY, "%s (%s) is hidden under another mount and cannot be frozen",
		fs->mountpoint, fs->type);
	return r;
}

int disk_fs_recheck(struct disk_fs_list *l, struct ohib_err *err)
{
	return scan(l, true, err);
}

void disk_fs_free(struct disk_fs_list *l)
{
	struct disk_fs *fs;

	vec_foreach(fs, &l->fs)
	{
		if (fs->fd >= 0)
			close(fs->fd);
		free(fs);
	}
	vec_free(&l->fs);
}

int disk_fs_freeze(struct disk_fs_list *l, struct ohib_err *err)
{
	for (size_t i = l->fs.n; i-- > 0;) {
		struct disk_fs *fs = l->fs.v[i];

		if (ioctl(fs->fd, FIFREEZE, 0)) {
			int r = ohib_err_set(err, -errno, "%s (%s): it cannot be frozen: %s",
					     fs->mountpoint, fs->type, strerror(errno));

			disk_fs_thaw(l, false, NULL);
			return r;
		}
		fs->frozen = true;
	}
	return 0;
}

int disk_fs_thaw(struct disk_fs_list *l, bool must, struct ohib_err *err)
{
	struct disk_fs *fs;
	int r = 0;

	vec_foreach(fs, &l->fs)
	{
		if (!fs->frozen)
			continue;
		if (ioctl(fs->fd, FITHAW, 0) && must)
			r = ohib_err_set(err, -errno, "%s (%s): it cannot be thawed: %s",
					 fs->mountpoint, fs->type, strerror(errno));
		fs->frozen = false;
	}
	return r;
}
