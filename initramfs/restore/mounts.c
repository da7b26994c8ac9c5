// SPDX-License-Identifier: GPL-2.0-only
/* The mount tree. */
#include <errno.h>

#include "engine.h"

int mounts_build(struct restore *r)
{
	return r_fail(r, -ENOSYS, "mounts");
}

int mounts_writable(struct restore *r)
{
	(void)r;
	return 0;
}

int mounts_switch(struct restore *r)
{
	(void)r;
	return 0;
}

void mounts_undo(struct restore *r)
{
	(void)r;
}
