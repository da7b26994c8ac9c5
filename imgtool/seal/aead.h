/* SPDX-License-Identifier: GPL-2.0-only */
/* Authenticated encryption: what is opened is what was sealed, or nothing is opened. */
#pragma once

#include "util/types.h"

#define AEAD_KEY_BYTES 32u
#define AEAD_NONCE_BYTES 12u
#define AEAD_TAG_BYTES 16u

/* Values are on disk: append only. */
enum aead_alg { AEAD_NONE = 0, AEAD_AES256_OCB = 1, AEAD_CHACHA20_POLY1305 = 2 };

/* The quicker one on this CPU: AES-256-OCB where it has AES instructions. */
enum aead_alg aead_best(void);
const char *aead_name(u32 alg);

struct aead;

/* For one thread at a time. -ENOTSUP: no such algorithm. */
int aead_create(u32 alg, const u8 *key, struct aead **out);
void aead_free(struct aead *a); /* NULL is allowed */

/*
 * @in and @out may be the same; @len may be 0. A nonce must not be used twice with a key.
 * aead_open: -EBADMSG when anything was changed; @out is then wiped.
 */
int aead_seal(struct aead *a, const u8 *nonce, const void *ad, size_t ad_len, const void *in,
	      void *out, size_t len, u8 *tag);
int aead_open(struct aead *a, const u8 *nonce, const void *ad, size_t ad_len, const void *in,
	      void *out, size_t len, const u8 *tag);
