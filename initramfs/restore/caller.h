/* SPDX-License-Identifier: GPL-2.0-only */
/* Who makes a call of which the kernel keeps the caller's number and ids. */
#pragma once

#include "engine.h"
#include "machine/cred.h"

struct caller {
	struct rtask *t;	/* makes the call */
	struct rtask moment;	/* stands for a process that has ended */
	bool changed;
};

/*
 * Process @pid, with the effective ids @uid and @gid and the supplementary groups of @groups
 * (NULL: none), until it is released. Context: the processes may be under construction; the caller
 * uses no other thread's remote calls in between.
 */
int caller_take(struct restore *r, struct caller *c, pid_t pid, u32 uid, u32 gid, const struct m_cred *groups);
void caller_release(struct restore *r, struct caller *c);
