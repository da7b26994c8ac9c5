// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much of a layer's room is taken.
 * Source: snapshot_status() in drivers/md/dm-snap.c: "used/total metadata", "Invalid", "Overflow",
 * "Merge failed". What is merged is given back; nothing is left when only metadata is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "trial/trial.h"

void trial_usage_parse(const struct dm_target *t, struct trial_usage *u)
{
	bool merge = !strcmp(t->type, "snapshot-merge");
	unsigned long long used, total, metadata;

	*u = (struct trial_usage){ .fill = TRIAL_LOST };
	snprintf(u->told, sizeof(u->told), "%.60s", t->params);
	if (!merge && strcmp(t->type, "snapshot")) {
		u->fill = TRIAL_NONE;
		return;
	}
	if (sscanf(t->params, "%llu/%llu %llu", &used, &total, &metadata) != 3)
		return;
	u->used = used;
	u->total = total;
	u->fill = !merge ? TRIAL_RUNS : used == metadata ? TRIAL_MERGED : TRIAL_MERGES;
	if (merge)
		u->used -= metadata;
}

int trial_usage(struct trial_usage *u, struct ohib_err *err)
{
	struct dm_table t;
	int fd, r;

	*u = (struct trial_usage){ .fill = TRIAL_NONE };
	r = dm_open(&fd, err);
	if (r)
		return r;
	r = dm_status(fd, TRIAL_LAYER, false, &t);
	close(fd);
	if (r == -ENXIO)
		return 0;
	if (r || t.n != 1)
		return ohib_err_set(err, r ? r : -EINVAL, "device " TRIAL_LAYER ": %s",
				    strerror(r ? -r : EINVAL));
	trial_usage_parse(&t.target[0], u);
	return 0;
}

/* Full is before the kernel says so: what is being written must still find room. */
enum trial_level trial_level(const struct trial_usage *u)
{
	u64 reserve = u->total / 16;

	if (reserve > 64u << 11)
		reserve = 64u << 11;	/* 64 MiB */
	if (u->fill == TRIAL_LOST || (u->fill == TRIAL_RUNS && u->used + reserve >= u->total))
		return TRIAL_FULL;
	if (u->fill != TRIAL_RUNS)
		return TRIAL_EASY;
	return u->used >= u->total / 4 * 3 ? TRIAL_HIGH :
	       u->used >= u->total / 2 ? TRIAL_HALF : TRIAL_EASY;
}
