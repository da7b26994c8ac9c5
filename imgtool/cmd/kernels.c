// SPDX-License-Identifier: GPL-2.0-only
/* The kernels that are installed, and what of their configuration matters here. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gcrypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cmd/kernels.h"
#include "util/cleanup.h"

#define STAMP_DIR "/var/lib/overlayctl"
#define RELOADER "/usr/lib/overlayctl/overlay-reload"

const struct kernel_option kernel_options[] = {
	{"HIBERNATION", KERNEL_IS_IMAGE | KERNEL_IS_BOOT, "the copy of memory, and putting it back"},
	{"HIBERNATION_SNAPSHOT_DEV", KERNEL_IS_IMAGE | KERNEL_IS_BOOT, "/dev/snapshot"},
	{"PROC_KCORE", KERNEL_IS_IMAGE, "reading the running kernel beforehand"},
	{"KALLSYMS_ALL", KERNEL_IS_IMAGE | KERNEL_IS_BOOT, "finding variables in memory"},
	{"DEBUG_INFO_BTF", KERNEL_IS_IMAGE | KERNEL_IS_BOOT, "knowing the layout of structures"},
	{"CHECKPOINT_RESTORE", KERNEL_IS_BOOT, "giving processes their PIDs and memory layout"},
	{"TIME_NS", KERNEL_IS_BOOT, "clocks that go on"},
	{"PROC_CHILDREN", KERNEL_IS_BOOT, "checking what was brought back"},
	{"DEVTMPFS", KERNEL_IS_BOOT, "finding the image"},
	{"BLK_DEV_INITRD", KERNEL_IS_BOOT, "running the reloader"},
	{"UNIX", KERNEL_IS_BOOT, "bringing back sockets"},
	{"INOTIFY_USER", KERNEL_IS_BOOT, "bringing back inotify watches"},
	{"EPOLL", KERNEL_IS_BOOT, "bringing back epoll sets"},
	{"SIGNALFD", KERNEL_IS_BOOT, "bringing back signalfds"},
	{"TIMERFD", KERNEL_IS_BOOT, "bringing back timerfds"},
	{"EVENTFD", KERNEL_IS_BOOT, "bringing back eventfds"},
	{"SHMEM", KERNEL_IS_BOOT, "bringing back shared memory"},
	{"TMPFS_XATTR", KERNEL_IS_BOOT, "bringing back tmpfs contents"},
	{"BLK_DEV_DM", KERNEL_ON_TRIAL, "the layer over the disks"},
	{"BLK_DEV_DM", KERNEL_HAS_AREA, "swap on the overlay device"},
	{"DM_CRYPT", KERNEL_SEALS_AREA, "encrypted swap on the overlay device"},
	{"CRYPTO_XTS", KERNEL_SEALS_AREA, "encrypted swap on the overlay device"},
	{"CRYPTO_AES", KERNEL_SEALS_AREA, "encrypted swap on the overlay device"},
	{"SWAP", KERNEL_HAS_AREA, "swap on the overlay device"},
	{"DM_SNAPSHOT", KERNEL_ON_TRIAL, "the layer over the disks"},
};
const size_t nr_kernel_options = ARRAY_SIZE(kernel_options);

static bool matches(const char *release, const char *wanted)
{
	size_t n = strlen(wanted);

	/* "6.1" is not "6.12" */
	return !strncmp(release, wanted, n) &&
	       (!release[n] || release[n] == '.' || release[n] == '-' || release[n] == '+');
}

int kernel_find(const char *wanted, char *release, size_t size, struct ohib_err *err)
{
	DIR *d = opendir("/boot");
	char best[65] = "";
	struct utsname un;
	struct dirent *de;

	if (!d)
		return ohib_err_set(err, -errno, "/boot: %s", strerror(errno));
	uname(&un);
	while ((de = readdir(d))) {
		const char *v = de->d_name + strlen("vmlinuz-");

		if (strncmp(de->d_name, "vmlinuz-", strlen("vmlinuz-")) ||
		    strlen(v) >= sizeof(best) || strchr(v, '/') || strstr(v, ".efi") ||
		    strstr(v, ".old"))
			continue;
		if (wanted ? !matches(v, wanted) : !strcmp(v, un.release))
			continue;
		if (strverscmp(v, best) > 0)
			strcpy(best, v);
	}
	closedir(d);
	if (!best[0])
		return wanted ? ohib_err_set(err, -ENOENT,
					     "no kernel %s is installed (/boot/vmlinuz-%s…)",
					     wanted, wanted)
			      : ohib_err_set(err, -ENOENT,
					     "no kernel but the running one is installed");
	if (strlen(best) >= size)
		return ohib_err_set(err, -ENAMETOOLONG, "%s: the name is too long", best);
	strcpy(release, best);
	return 0;
}

int kernel_options_check(const char *release, unsigned int roles,
			 void (*missing)(void *arg, const struct kernel_option *o), void *arg,
			 struct ohib_err *err)
{
	bool there[ARRAY_SIZE(kernel_options)] = {false};
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	char path[128];
	size_t room = 0;

	snprintf(path, sizeof(path), "/boot/config-%s", release);
	f = fopen(path, "re");
	if (!f)
		return ohib_err_set(err, -errno, "%s: %s", path, strerror(errno));
	while (getline(&line, &room, f) > 0) {
		char *eq = strchr(line, '=');

		if (strncmp(line, "CONFIG_", 7) || !eq || (eq[1] != 'y' && eq[1] != 'm'))
			continue;
		*eq = '\0';
		for (size_t i = 0; i < nr_kernel_options; i++)
			there[i] |= !strcmp(line + 7, kernel_options[i].name);
	}
	for (size_t i = 0; i < nr_kernel_options; i++)
		if (!there[i] && kernel_options[i].roles & roles)
			missing(arg, &kernel_options[i]);
	return 0;
}

/* SHA-256 of a file in hexadecimal. */
static int file_sha256(const char *path, char hex[65])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char digest[32];
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	map = mmap(NULL, st.st_size ? (size_t)st.st_size : 1, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	gcry_check_version(NULL);
	gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
	gcry_md_hash_buffer(GCRY_MD_SHA256, digest, map, (size_t)st.st_size);
	munmap(map, st.st_size ? (size_t)st.st_size : 1);
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

/* Compare what the stamp says of a file; not said: nothing is wrong with it. */
static int stamp_compare(const char *release, const char *what, const char *file, const char *want,
			 struct ohib_err *err)
{
	char got[65];
	int r;

	if (!want[0])
		return 0;
	r = file_sha256(file, got);
	if (r)
		return ohib_err_set(err, r, "%s: %s", file, strerror(-r));
	if (strcmp(got, want))
		return ohib_err_set(err, -ESTALE,
				    "the initramfs of Linux %s: %s: run update-initramfs -u -k %s",
				    release, what, release);
	return 0;
}

int kernel_initramfs(const char *release, char *path, size_t size)
{
	snprintf(path, size, "/boot/initrd.img-%s", release);
	if (!access(path, R_OK))
		return 0;
	snprintf(path, size, "/boot/initramfs-%s.img", release);
	return access(path, R_OK) ? -ENOENT : 0;
}

int kernel_can_resume(const char *release, struct ohib_err *err)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[160], initrd[160], line[300], reload_sum[65] = "", initrd_sum[65] = "";
	bool summed = false;
	int r;

	snprintf(path, sizeof(path), "/boot/vmlinuz-%s", release);
	if (access(path, R_OK))
		return ohib_err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (kernel_initramfs(release, initrd, sizeof(initrd)))
		return ohib_err_set(err, -ENOENT, "Linux %s has no initramfs: run update-initramfs -c -k %s", release,
				    release);
	snprintf(path, sizeof(path), STAMP_DIR "/initramfs-%s", release);
	f = fopen(path, "re");
	if (!f)
		return ohib_err_set(err, -ENOENT,
				    "the initramfs of Linux %s has no reloader in it: run "
				    "update-initramfs -u -k %s",
				    release, release);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "reload_sha256=", 14))
			snprintf(reload_sum, sizeof(reload_sum), "%.64s", line + 14);
		else if (!strncmp(line, "initrd_sha256=", 14))
			snprintf(initrd_sum, sizeof(initrd_sum), "%.64s", line + 14);
		else if (!strcmp(line, "generator=initramfs-tools"))
			summed = true;
	}
	if (summed && !initrd_sum[0])
		return ohib_err_set(err, -ESTALE, "the initramfs of Linux %s was not made to its end: run "
				    "update-initramfs -u -k %s", release, release);
	r = stamp_compare(release, "it was made again without the reloader", initrd, initrd_sum,
			  err);
	if (!r)
		r = stamp_compare(release, "its reloader is not the one installed now", RELOADER,
				  reload_sum, err);
	return r;
}

int kernel_stamp_file(const char *release, const char *key, const char *file, const char *what,
		      struct ohib_err *err)
{
	char sum[65] = "";

	kernel_stamp_get(release, key, sum, sizeof(sum));
	return stamp_compare(release, what, file, sum, err);
}

int kernel_stamp_get(const char *release, const char *key, char *value, size_t size)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[160], line[600];
	size_t n = strlen(key);
	int r = -ENODATA;

	snprintf(path, sizeof(path), STAMP_DIR "/initramfs-%s", release);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, key, n) || line[n] != '=')
			continue;
		snprintf(value, size, "%s", line + n + 1);
		r = 0;
	}
	return r;
}
