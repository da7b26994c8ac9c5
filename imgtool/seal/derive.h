/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys out of secrets: Argon2id, X25519, HMAC-SHA256, and keys out of nothing. */
#pragma once

#include "util/types.h"

#define DERIVE_BYTES 32u

struct kdf_cost {
	u32 passes, kib, lanes;
};

/* RFC 9106, second recommended option: 64 MiB. A resume has the memory of the machine, but early. */
extern const struct kdf_cost kdf_cost_default;
/* A cost that was read from somewhere: not so large that it would stop the machine. */
bool kdf_cost_ok(const struct kdf_cost *c);

/* Argon2id (RFC 9106) of a passphrase or a key file. */
int derive_argon2id(const void *secret, size_t len, const u8 *salt, size_t salt_len,
		    const struct kdf_cost *cost, u8 *out);

/* X25519 (RFC 7748); @point NULL: the base point. -EBADMSG: a point without any secret in it. */
int derive_x25519(const u8 *scalar, const u8 *point, u8 *out);

struct iovec;
/* HMAC-SHA256 of the parts one after the other. */
int derive_hmac(const void *key, size_t key_len, const struct iovec *parts, unsigned int n, u8 *out);

/*
 * A new key of DERIVE_BYTES. A machine that is put back from an image draws the same numbers from its
 * kernel that were drawn here after the image was taken; so what differs between the two is mixed in: the
 * CPU's own random numbers, where it has them, and all clocks.
 */
int derive_new_key(u8 *out);
