/* SPDX-License-Identifier: GPL-2.0-only */
/* Locks of a sealed image: made for a new one, opened for one that is there. */
#pragma once

#include "image/image.h"
#include "seal/derive.h"
#include "seal/secret.h"

#define OHIB_LOCKS_MAX 4
#define OHIB_IMAGE_KEYS_BYTES 64u	/* what ohib_image_unlock finds */

/* What opens a slot, so that it can be asked for. Values are on disk: append only. */
enum ohib_slot_type { OHIB_SLOT_EMPTY = 0, OHIB_SLOT_PASSPHRASE = 1, OHIB_SLOT_KEY_FILE = 2 };

/* The half of a lock that may be in memory while memory is copied: it closes and does not open. */
struct ohib_lock {
	u32 type;		/* enum ohib_slot_type */
	struct kdf_cost cost;
	u8 salt[32];
	u8 point[32];
};

struct ohib_locks {
	unsigned int nr;	/* 0: the image is not sealed */
	struct ohib_lock v[OHIB_LOCKS_MAX];
};

/* Slow by purpose, and takes the memory that the cost says. Leaves traces of the secret in this process. */
int ohib_lock_make(u32 type, const struct secret *s, const struct kdf_cost *cost,
		   struct ohib_lock *out, struct ohib_err *err);

/*
 * The keys of the image on @path by way of those of its slots that are of @type (0: any).
 * -EKEYREJECTED: @s opens none of them; -ENOKEY: it has no such slot.
 */
int ohib_image_unlock(const char *path, u32 type, const struct secret *s, struct secret **keys,
		      struct ohib_err *err);

/* ohib_image_open() of a sealed image. @keys stay the caller's, and are copied. */
int ohib_image_open_sealed(const char *path, const struct secret *keys, struct ohib_image **out,
			   struct ohib_err *err);

/* Nothing more can be read from it, and its keys are gone from memory. */
void ohib_image_forget_keys(struct ohib_image *img);
