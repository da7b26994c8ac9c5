/* SPDX-License-Identifier: GPL-2.0-only */
/* The header's two copies, the states an image goes through, and what GRUB is told about them. */
#pragma once

#include "image/image.h"
#include "image/image_format.h"
#include "image/io.h"

/* The header in force and where it came from. */
struct image_state {
	struct ohib_header hdr;
	int copy;	/* the copy in force: 0 A, 1 B */
	u32 counted;	/* attempts that the header knew of when it was read */
	bool discarded;	/* by the boot menu; the header does not know yet */
};

/*
 * What GRUB may have written into its block is taken over: more attempts, and `stale` for an image that
 * was armed or being resumed. Take the newer valid header copy. -ENODATA: there is no image, -EBADMSG: there was one and neither
 * copy is whole, -ENOTSUP: made by a newer program.
 */
int image_state_load(const struct image_dev *d, struct image_state *s, struct ohib_err *err);

/*
 * Move to state @to: the new header (generation + 1) is on the medium in both copies when this
 * returns 0. @reason may be NULL. -EINVAL: the move is not in the table. After another failure @s->hdr.state is
 * what the medium may hold: @to as soon as a header was begun.
 */
int image_state_move(const struct image_dev *d, struct image_state *s, enum ohib_state to,
		     const char *reason, struct ohib_err *err);
/*
 * The keys go with the machine: when it runs, again (spent) or still (the hibernate failed), nobody is to read
 * what it was. What was discarded stays readable with its key, for whoever wants something back out of it.
 * In force with the next move, which image_state_move(…, SPENT) calls by itself.
 */
void image_state_destroy_keys(struct ohib_header *h);
bool image_state_may_move(enum ohib_state from, enum ohib_state to);

/* The environment block that goes with a header: exactly OHIB_ENV_BYTES bytes. */
void image_state_env(const struct ohib_header *hdr, char *env);
