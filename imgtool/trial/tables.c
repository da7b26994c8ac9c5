// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device-mapper tables of a trial, from numbers alone.
 * Source: Documentation/admin-guide/device-mapper/linear.rst and snapshot.rst.
 */
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "trial/trial.h"

static void linear(struct dm_table *t, u64 start, u64 length, dev_t on, u64 from)
{
	struct dm_target *row = &t->target[t->n++];

	*row = (struct dm_target){ .start = start, .length = length, .type = "linear" };
	snprintf(row->params, sizeof(row->params), "%u:%u %llu", major(on), minor(on),
		 (unsigned long long)from);
}

u64 trial_sectors(const struct ohib_trial_record *r)
{
	u64 sum = 0;

	for (u32 i = 0; i < r->nr_disks; i++)
		sum += r->disk[i].sectors;
	return sum;
}

void trial_table_origin(const struct ohib_trial_record *r, const struct trial_numbers *n,
			struct dm_table *t)
{
	u64 at = 0;

	t->n = 0;
	for (u32 i = 0; i < r->nr_disks; i++) {
		linear(t, at, r->disk[i].sectors, n->disk[i], 0);
		at += r->disk[i].sectors;
	}
}

void trial_table_cow(const struct ohib_image_info *image, const struct trial_numbers *n,
		     struct dm_table *t)
{
	t->n = 0;
	linear(t, 0, (image->trial_bytes - OHIB_TRIAL_STORE) / 512, n->device,
	       (image->trial_offset + OHIB_TRIAL_STORE) / 512);
}

/* P: the store survives a power cut. A snapshot that runs full loses all, a merge cannot run full. */
void trial_table_layer(const struct ohib_trial_record *r, const struct trial_numbers *n, bool merge,
		       struct dm_table *t)
{
	struct dm_target *row = &t->target[0];

	t->n = 1;
	*row = (struct dm_target){ .length = trial_sectors(r) };
	strcpy(row->type, merge ? "snapshot-merge" : "snapshot");
	snprintf(row->params, sizeof(row->params), "%u:%u %u:%u P %u", major(n->origin),
		 minor(n->origin), major(n->cow), minor(n->cow), r->chunk);
}

void trial_table_disk(const struct ohib_trial_record *r, const struct trial_numbers *n, size_t i,
		      bool merged, struct dm_table *t)
{
	u64 at = 0;

	for (size_t k = 0; k < i; k++)
		at += r->disk[k].sectors;
	t->n = 0;
	linear(t, 0, r->disk[i].sectors, merged ? n->disk[i] : n->layer, merged ? 0 : at);
}
