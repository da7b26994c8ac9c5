// SPDX-License-Identifier: GPL-2.0-only
/* The list of what cannot be carried, and why. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "machine/refusal.h"

void refuse(struct refusals *r, pid_t pid, const char *comm, const char *object,
	    const char *reason_fmt, ...)
{
	struct refusal *row = calloc(1, sizeof(*row));
	va_list ap;

	if (!row) {
		r->out_of_memory = true;
		return;
	}
	row->pid = pid;
	snprintf(row->comm, sizeof(row->comm), "%s", comm ? comm : "");
	snprintf(row->object, sizeof(row->object), "%s", object);
	va_start(ap, reason_fmt);
	vsnprintf(row->reason, sizeof(row->reason), reason_fmt, ap);
	va_end(ap);
	if (vec_push(&r->list, row)) {
		free(row);
		r->out_of_memory = true;
	}
}

void take_refusals(struct refusals *to, struct refusals *from)
{
	struct refusal *row;

	vec_foreach(row, &from->list)
		if (vec_push(&to->list, row)) {
			to->out_of_memory = true;
			free(row);
		}
	to->out_of_memory |= from->out_of_memory;
	vec_free(&from->list);
}

void refusals_free(struct refusals *r)
{
	struct refusal *row;

	vec_foreach(row, &r->list)
		free(row);
	vec_free(&r->list);
}
