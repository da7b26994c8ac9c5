// SPDX-License-Identifier: GPL-2.0-only
/* Device-mapper devices by name, through the ioctls of /dev/mapper/control. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dm/dm.h"
#include "util/cleanup.h"
#include "util/file.h"

#define BUSY_TRIES 60
#define BUSY_WAIT_US 50000
/*
 * For udev's rules, as dmsetup's 55-dm.rules reads them: flags without a cookie to be waited for. libdevmapper's
 * DM_UDEV_DISABLE_{DM,SUBSYSTEM,DISK,OTHER}_RULES_FLAG and DM_UDEV_PRIMARY_SOURCE_FLAG, DM_UDEV_FLAGS_SHIFT.
 */
#define UNSEEN (0x4fu << 16)
#define CONTROL "/dev/" DM_DIR "/" DM_CONTROL_NODE

/* The call's argument with its data behind it. Not on the heap: a caller may stand on the device. */
struct call {
	_Alignas(8) struct dm_ioctl head;
	char data[16384];
};

static void call_init(struct call *c, const char *name)
{
	memset(&c->head, 0, sizeof(c->head));
	c->head.version[0] = DM_VERSION_MAJOR;
	c->head.data_size = sizeof(*c);
	c->head.data_start = offsetof(struct call, data);
	snprintf(c->head.name, sizeof(c->head.name), "%s", name);
}

static int call_do(int fd, unsigned long what, struct call *c)
{
	return ioctl(fd, what, c) ? -errno : 0;
}

int dm_open(int *fd, struct ohib_err *err)
{
	*fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (*fd < 0)
		return ohib_err_set(err, -ENODEV, CONTROL ": %s: the kernel has no device-mapper",
				    strerror(errno));
	return 0;
}

int dm_load(int fd, const char *name, const struct dm_table *t, bool readonly)
{
	struct call c;
	size_t at = 0;

	int r;

	call_init(&c, name);
	c.head.target_count = (u32)t->n;
	/* There may be a key in it: the kernel wipes its copy. */
	c.head.flags |= DM_SECURE_DATA_FLAG;
	if (readonly)
		c.head.flags |= DM_READONLY_FLAG;
	for (size_t i = 0; i < t->n; i++) {
		const struct dm_target *from = &t->target[i];
		struct dm_target_spec *spec = (void *)(c.data + at);
		size_t len = strlen(from->params) + 1, step = (sizeof(*spec) + len + 7) & ~(size_t)7;

		if (at + step > sizeof(c.data))
			return -E2BIG;
		memset(spec, 0, step);
		spec->sector_start = from->start;
		spec->length = from->length;
		snprintf(spec->target_type, sizeof(spec->target_type), "%s", from->type);
		memcpy(spec + 1, from->params, len);
		spec->next = (u32)step;
		at += step;
	}
	r = call_do(fd, DM_TABLE_LOAD, &c);
	explicit_bzero(c.data, at);
	return r;
}

/* File systems are not frozen: what is on the device does not change by a change of its table. */
static int simple(int fd, unsigned long what, const char *name, u32 flags, u32 event)
{
	struct call c;

	call_init(&c, name);
	c.head.flags = flags | DM_SKIP_LOCKFS_FLAG;
	c.head.event_nr = event;
	return call_do(fd, what, &c);
}

int dm_clear(int fd, const char *name)
{
	return simple(fd, DM_TABLE_CLEAR, name, 0, 0);
}

int dm_suspend(int fd, const char *name)
{
	return simple(fd, DM_DEV_SUSPEND, name, DM_SUSPEND_FLAG, 0);
}

int dm_resume(int fd, const char *name)
{
	return simple(fd, DM_DEV_SUSPEND, name, 0, 0);
}

static int create(int fd, const char *name, const struct dm_table *table, bool readonly, u32 event,
		  dev_t *dev, struct ohib_err *err)
{
	struct call c;
	int r;

	call_init(&c, name);
	r = call_do(fd, DM_DEV_CREATE, &c);
	if (r)
		return ohib_err_set(err, r, "device %s cannot be made: %s", name, strerror(-r));
	*dev = makedev(c.head.dev >> 8 & 0xfff, (c.head.dev & 0xff) | (c.head.dev >> 12 & 0xfff00));
	r = dm_load(fd, name, table, readonly);
	if (!r)
		r = simple(fd, DM_DEV_SUSPEND, name, 0, event);
	if (!r)
		return 0;
	ohib_err_set(err, r, "device %s (%s): the kernel does not take its table: %s (see dmesg)", name,
		     table->n ? table->target[0].type : "empty", strerror(-r));
	dm_remove(fd, name);
	return r;
}

int dm_create(int fd, const char *name, const struct dm_table *table, bool readonly, dev_t *dev,
	      struct ohib_err *err)
{
	return create(fd, name, table, readonly, 0, dev, err);
}

int dm_create_unseen(int fd, const char *name, const struct dm_table *table, struct ohib_err *err)
{
	dev_t dev;

	return create(fd, name, table, false, UNSEEN, &dev, err);
}

int dm_change(int fd, const char *name, const struct dm_table *table, bool readonly,
	      struct ohib_err *err)
{
	int r = dm_load(fd, name, table, readonly);

	if (!r)
		r = dm_resume(fd, name);
	return r ? ohib_err_set(err, r, "device %s cannot become %s: %s (see dmesg)", name,
				table->n ? table->target[0].type : "empty", strerror(-r)) : 0;
}

int dm_remove(int fd, const char *name)
{
	return simple(fd, DM_DEV_REMOVE, name, 0, 0);
}

int dm_put_away(int fd, const char *name, struct ohib_err *err)
{
	char path[80];
	int r;

	for (int tries = 0;; tries++) {
		r = dm_remove(fd, name);
		if (r != -EBUSY || tries == BUSY_TRIES)
			break;
		usleep(BUSY_WAIT_US);
	}
	if (r && r != -ENXIO)
		return ohib_err_set(err, r, "device %s cannot be taken away: %s", name,
				    strerror(-r));
	snprintf(path, sizeof(path), "/dev/" DM_DIR "/%s", name);
	unlink(path);
	return 0;
}

bool dm_is(const char *kernel_name, const char *name)
{
	_cleanup_free_ char *text = NULL;
	char path[320];
	size_t len;

	snprintf(path, sizeof(path), "/sys/block/%s/dm/name", kernel_name);
	if (strncmp(kernel_name, "dm-", 3) || file_read_all(path, &text, &len))
		return false;
	text[strcspn(text, "\n")] = '\0';
	return !strcmp(text, name);
}

bool dm_find(const char *name, char node[80])
{
	DIR *d = opendir("/sys/block");
	struct dirent *de;
	bool found = false;

	while (!found && d && (de = readdir(d))) {
		found = strlen(de->d_name) < 70 && dm_is(de->d_name, name);
		if (found)
			snprintf(node, 80, "/dev/%.70s", de->d_name);
	}
	if (d)
		closedir(d);
	return found;
}

int dm_number(int fd, const char *name, dev_t *dev)
{
	struct call c;
	int r;

	call_init(&c, name);
	r = call_do(fd, DM_DEV_STATUS, &c);
	if (!r)
		*dev = makedev(c.head.dev >> 8 & 0xfff,
			       (c.head.dev & 0xff) | (c.head.dev >> 12 & 0xfff00));
	return r;
}

int dm_status(int fd, const char *name, bool tables, struct dm_table *out)
{
	struct call c;
	size_t at = 0;
	int r;

	call_init(&c, name);
	if (tables)
		c.head.flags |= DM_STATUS_TABLE_FLAG;
	r = call_do(fd, DM_TABLE_STATUS, &c);
	if (r)
		return r;
	if (c.head.flags & DM_BUFFER_FULL_FLAG || c.head.target_count > DM_TARGETS_MAX)
		return -E2BIG;
	out->n = 0;
	for (u32 i = 0; i < c.head.target_count; i++) {
		struct dm_target_spec *spec = (void *)(c.data + at);
		struct dm_target *to = &out->target[out->n++];

		if (at + sizeof(*spec) >= sizeof(c.data))
			return -EBADMSG;
		to->start = spec->sector_start;
		to->length = spec->length;
		snprintf(to->type, sizeof(to->type), "%.15s", spec->target_type);
		snprintf(to->params, sizeof(to->params), "%.255s", (char *)(spec + 1));
		/* offset of the next one, from the first (retrieve_status) */
		at = spec->next;
	}
	return 0;
}
