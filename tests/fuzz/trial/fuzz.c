// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the record of a trial on a device, and the tables that follow from it. The input is what the header says of
 * its place, what the kernel says of the layer, and the record, whose checksum and magic are made good.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/io.h"
#include "trial/trial.h"

#define RECORD_AT 65536u

struct input {
	u64 offset, bytes;
	struct dm_target told;
} __attribute__((packed));

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void tables(const struct ohib_trial_record *r, const struct ohib_image_info *info)
{
	struct trial_numbers n = { .origin = 1 };
	struct dm_table t;
	u64 sum = 0;

	trial_table_origin(r, &n, &t);
	if (t.n != r->nr_disks)
		abort();
	for (size_t i = 0; i < t.n; i++) {
		/* one behind the other, without holes: a disk must never lie over another one */
		if (t.target[i].start != sum || !t.target[i].length)
			abort();
		sum += t.target[i].length;
	}
	if (sum != trial_sectors(r))
		abort();
	trial_table_cow(info, &n, &t);
	trial_table_layer(r, &n, true, &t);
	for (size_t i = 0; i < r->nr_disks; i++)
		trial_table_disk(r, &n, i, false, &t);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static int fd = -1;
	static char path[64];
	struct ohib_image_info info = { 0 };
	struct ohib_trial_record r = { 0 };
	struct dm_target told;
	struct trial_usage u;
	struct input in = { 0 };

	if (fd < 0) {
		fd = memfd_create("device", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (size < sizeof(in) || ftruncate(fd, 0) || ftruncate(fd, RECORD_AT + OHIB_TRIAL_RECORD_BYTES))
		return -1;
	memcpy(&in, data, sizeof(in));
	memcpy(&r, data + sizeof(in), size - sizeof(in) < sizeof(r) ? size - sizeof(in) : sizeof(r));
	memcpy(r.magic, OHIB_TRIAL_MAGIC, sizeof(r.magic));
	memcpy(info.uuid, r.image_uuid, sizeof(info.uuid));
	r.version = OHIB_TRIAL_VERSION;
	r.chunk = OHIB_TRIAL_CHUNK;
	r.check = image_xxh64(&r, offsetof(struct ohib_trial_record, check));
	if (pwrite(fd, &r, sizeof(r), RECORD_AT) != sizeof(r))
		abort();
	info.trial_offset = in.offset % 2 ? in.offset : RECORD_AT;
	info.trial_bytes = in.bytes;
	if (!trial_record_read(path, &info, &r, NULL))
		tables(&r, &info);
	told = in.told;
	told.type[sizeof(told.type) - 1] = told.params[sizeof(told.params) - 1] = 0;
	trial_usage_parse(&told, &u);
	trial_level(&u);
	return 0;
}
