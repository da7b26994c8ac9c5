/* SPDX-License-Identifier: GPL-2.0-only */
/* The list of what cannot be carried, and why: one row for each object of each process. */
#pragma once

#include "util/types.h"
#include "util/vec.h"

struct refusal {
	pid_t pid;		/* 0: not about a process */
	char comm[16];
	char object[160];	/* "fd 7 (socket:[1234])", "mapping 7f…-7f…", "mount /data" */
	char reason[240];	/* why, and what to do about it */
	bool waivable;		/* the user may name it in an option and go without the object */
};

struct refusals {
	VEC(struct refusal *) list;
	bool out_of_memory;	/* a row could not be added: refuse everything */
};

/* Add a row. Never fails silently: without memory @out_of_memory is set. */
void refuse(struct refusals *r, pid_t pid, const char *comm, const char *object,
	    const char *reason_fmt, ...) __attribute__((format(printf, 5, 6)));
static inline bool refused(const struct refusals *r)
{
	return r->out_of_memory || r->list.n;
}
/* @to takes over the rows of @from. */
void take_refusals(struct refusals *to, struct refusals *from);
void refusals_free(struct refusals *r);
