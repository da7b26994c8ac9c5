/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Key slots: an image's keys wrapped for each secret that may open it.
 *
 *	s = Argon2id(secret, salt)		S = X25519(s, base)
 *	e = random, after memory was copied	E = X25519(e, base)
 *	KEK = HMAC-SHA256(X25519(e, S) = X25519(s, E); label, uuid, E, S)
 *	slot = {cost, salt, E, AEAD(KEK; late key, early key)}
 *
 * The tool knows S and the salt while memory is copied, and nothing else: from what an image has in its
 * memory nobody gets to KEK, even if it were read in the clear, and no key lies under itself. S is not on
 * the disk and is new with each salt; without it nobody can make a slot that opens with the secret, so
 * that only who knew it can have made the image.
 */
#pragma once

#include "image/sealing.h"
#include "image/unlock.h"

/* Keys into slot @n of the header, whose identity and algorithm are set. */
int keyslot_wrap(struct ohib_header *h, unsigned int n, const struct ohib_lock *lock,
		 const struct image_keys *keys);
/* -EKEYREJECTED: another secret, or the slot was changed; -ENOTSUP: a kind that is not known. */
int keyslot_unwrap(const struct ohib_header *h, unsigned int n, const struct secret *s,
		   struct image_keys *keys);
