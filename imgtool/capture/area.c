// SPDX-License-Identifier: GPL-2.0-only
/*
 * A swap area at the end of the overlay device.
 * Source, 6.1 and 6.12 alike: device-mapper claims what it is made of (open_table_device, drivers/md/dm.c), and has
 * nothing that suspend freezes. The snapshot's own reclaim (hibernate_preallocate_memory) comes before any device is
 * suspended. swapoff(2) puts the area back in force when it fails; the OOM killer takes its caller first, so that is a
 * child; and it gives up for a pending signal, so they are blocked.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/area.h"
#include "dm/dm.h"
#include "image/image.h"
#include "util/cleanup.h"

#define ALIGN ((u64)1 << 20)
/* What is in use grows while it is paged out. */
#define GROWTH ((u64)32 << 20)
#define PAGES_MAX ((u64)UINT32_MAX)	/* last_page is a u32 */

static u64 aligned(u64 bytes)
{
	bytes = (bytes + ALIGN - 1) & ~(ALIGN - 1);
	return bytes / OHIB_PAGE_SIZE < PAGES_MAX ? bytes : PAGES_MAX * OHIB_PAGE_SIZE & ~(ALIGN - 1);
}

int area_layout(u64 device, u64 image, u64 need, u64 all, struct area *a, u64 *lack)
{
	u64 least = aligned(need + need / 8 + GROWTH), most = aligned(all + GROWTH), end = device & ~(ALIGN - 1);
	u64 easy = image + image / 2, bytes = least;

	*a = (struct area){ 0 };
	*lack = 0;
	if (end < image || end - image < least) {
		*lack = image + least - end;
		return -ENOSPC;
	}
	/* More, as long as the image has more as well. */
	if (most > least && end > easy && end - easy > least)
		bytes = end - easy < most ? (end - easy) & ~(ALIGN - 1) : most;
	*a = (struct area){ .offset = end - bytes, .bytes = bytes };
	return 0;
}

void area_header(u64 bytes, const u8 uuid[16], u8 page[OHIB_PAGE_SIZE])
{
	u32 version = 1, last = (u32)(bytes / OHIB_PAGE_SIZE - 1);

	memset(page, 0, OHIB_PAGE_SIZE);
	memcpy(page + 1024, &version, sizeof(version));
	memcpy(page + 1028, &last, sizeof(last));
	memcpy(page + 1036, uuid, 16);
	memcpy(page + OHIB_PAGE_SIZE - 10, "SWAPSPACE2", 10);
}

/* 0, or why not: a negative errno. */
static int run(char *const argv[])
{
	int status = -1;
	sigset_t none;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execvp(argv[0], argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? -ECHILD : 0;
}

static int write_header(const char *node, u64 bytes, struct ohib_err *err)
{
	_cleanup_close_ int fd = open(node, O_WRONLY | O_CLOEXEC);
	u8 page[OHIB_PAGE_SIZE], uuid[16];

	if (getrandom(uuid, sizeof(uuid), 0) != sizeof(uuid))
		return ohib_err_set(err, -EIO, "no random bytes for the swap area's identity");
	area_header(bytes, uuid, page);
	if (fd < 0)
		return ohib_err_set(err, -errno, "%s: %s", node, strerror(errno));
	errno = EIO;
	if (pwrite(fd, page, sizeof(page), 0) != sizeof(page) || fdatasync(fd))
		return ohib_err_set(err, -errno, "%s: writing a swap header: %s", node, strerror(errno));
	return 0;
}

/* It is claimed now: does the next boot need what is on it? */
static int check_free(const char *device, struct ohib_err *err)
{
	struct ohib_image_info info;

	if (!ohib_image_peek(device, &info, NULL) &&
	    (ohib_state_waits(info.state) || info.state == OHIB_STATE_KEEPING))
		return ohib_err_set(err, -EBUSY, "%s holds an image that is %s", device,
				    ohib_state_name(info.state));
	return 0;
}

static void key_hex(const u8 *key, char hex[2 * XTS_KEY_BYTES + 1])
{
	for (size_t i = 0; i < XTS_KEY_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", key[i]);
}

void area_table(const struct area *a, const u8 *key, dev_t on, struct dm_table *t)
{
	struct dm_target *row = &t->target[0];
	char hex[2 * XTS_KEY_BYTES + 1];

	t->n = 1;
	*row = (struct dm_target){ .length = a->bytes / 512 };
	strcpy(row->type, key ? "crypt" : "linear");
	if (key) {
		key_hex(key, hex);
		snprintf(row->params, sizeof(row->params), "aes-xts-plain64 %s 0 %u:%u %llu", hex, major(on),
			 minor(on), (unsigned long long)a->offset / 512);
		explicit_bzero(hex, sizeof(hex));
	} else {
		snprintf(row->params, sizeof(row->params), "%u:%u %llu", major(on), minor(on),
			 (unsigned long long)a->offset / 512);
	}
}

static int make(int fd, const char *device, const struct area *a, const u8 *key, struct ohib_err *err)
{
	struct dm_table t;
	struct stat st;
	int r;

	if (stat(device, &st))
		return ohib_err_set(err, -errno, "%s: %s", device, strerror(errno));
	area_table(a, key, st.st_rdev, &t);
	r = dm_create_unseen(fd, DM_AREA, &t, err);
	explicit_bzero(t.target[0].params, sizeof(t.target[0].params));
	return r;
}

int area_begin(const char *device, const struct area *a, const u8 *key, struct ohib_err *err)
{
	_cleanup_close_ int fd = -1;
	char node[80];
	int r;

	/* Built in, or loaded already: then this does nothing. */
	run((char *[]){ "/sbin/modprobe", "-q", "dm_mod", NULL });
	r = dm_open(&fd, err);
	if (!r)
		r = make(fd, device, a, key, err);
	if (r)
		return r;
	r = check_free(device, err);
	if (!r && !dm_find(DM_AREA, node))
		r = ohib_err_set(err, -ENODEV, "device " DM_AREA " is not in sysfs");
	if (!r)
		r = write_header(node, a->bytes, err);
	if (!r) {
		/* Nobody is to be frozen while looking at the new device, nor to hear of it after a switch. */
		run((char *[]){ "udevadm", "settle", "--timeout=10", NULL });
		if (swapon(node, 0))
			r = ohib_err_set(err, -errno, "swapon of %s, the end of %s: %s", node, device,
					 strerror(errno));
	}
	if (r)
		dm_put_away(fd, DM_AREA, NULL);
	return r;
}

/* Bytes in use of the area on @node; false: it is not swapped on. */
static bool swapped_on(const char *node, u64 *used)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/swaps", "re");
	char line[512], name[256];
	unsigned long long kb;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%255s %*s %*u %llu", name, &kb) == 2 && !strcmp(name, node)) {
			*used = kb * 1024;
			return true;
		}
	return false;
}

bool area_find(char node[80], u64 *used)
{
	*used = 0;
	if (!dm_find(DM_AREA, node))
		return false;
	swapped_on(node, used);
	return true;
}

static int swap_off(const char *node)
{
	sigset_t all, old;
	int status = 0, r;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	pid = fork();
	r = pid < 0 ? -errno : 0;
	if (!pid)
		_exit(swapoff(node) ? errno : 0);
	while (!r && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (r)
		return r;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ENOMEM;
}

int area_end(struct ohib_err *err)
{
	_cleanup_close_ int fd = -1;
	char node[80];
	u64 used;
	int r;

	if (!dm_find(DM_AREA, node))
		return 0;
	r = swapped_on(node, &used) ? swap_off(node) : 0;
	if (r)
		return ohib_err_set(err, r, "%llu MB of memory stay paged out to the overlay device (swapoff %s: %s): "
				    "end programs, then give overlayctl cancel",
				    (unsigned long long)used >> 20, node, strerror(-r));
	r = dm_open(&fd, err);
	return r ? r : dm_put_away(fd, DM_AREA, err);
}

/* Another program may have put it away, or have made one of its own. */
static bool is_mine(const struct area *a)
{
	_cleanup_close_ int fd = -1;
	struct dm_table t;
	const char *last;
	bool mine;

	if (dm_open(&fd, NULL) || dm_status(fd, DM_AREA, true, &t) || t.n != 1)
		return false;
	/* both sorts end with the first sector */
	last = strrchr(t.target[0].params, ' ');
	mine = t.target[0].length == a->bytes / 512 && last && strtoull(last, NULL, 10) == a->offset / 512;
	explicit_bzero(t.target[0].params, sizeof(t.target[0].params));
	return mine;
}

int area_tell(const struct area *a, bool encrypted, struct json_object *config, struct ohib_err *err)
{
	struct json_object *list = json_object_object_get(config, "swap_areas"), *o;
	char node[80] = "";

	if (!dm_find(DM_AREA, node) || !is_mine(a))
		return ohib_err_set(err, -ENODEV, "the swap area on the overlay device is gone, or another one");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		o = json_object_array_get_idx(list, i);
		if (strcmp(json_object_get_string(json_object_object_get(o, "path")), node))
			continue;
		json_object_object_add(o, "offset", json_object_new_int64((int64_t)a->offset));
		json_object_object_add(o, "encrypted", json_object_new_boolean(encrypted));
		return 0;
	}
	return ohib_err_set(err, -ENODEV, "the swap area on %s is not in use any more", node);
}
