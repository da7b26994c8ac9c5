// SPDX-License-Identifier: GPL-2.0-only
/* Sealing the parts of an image: nonces, and what is authenticated beside the bytes. */
#include <errno.h>
#include <string.h>

#include "image/sealing.h"

static_assert(AEAD_AES256_OCB == (int)OHIB_AEAD_AES256_OCB, "algorithm ids");
static_assert(AEAD_CHACHA20_POLY1305 == (int)OHIB_AEAD_CHACHA20_POLY1305, "algorithm ids");
static_assert(sizeof(struct ohib_check) == AEAD_TAG_BYTES, "tag");

struct beside {
	u8 magic[8], uuid[16];
	u32 part, reserved;
	u64 number;
};

static struct beside beside_of(const u8 *uuid, enum seal_part part, u64 number)
{
	struct beside b = { .part = part, .number = number };

	memcpy(b.magic, OHIB_MAGIC, sizeof(b.magic));
	memcpy(b.uuid, uuid, sizeof(b.uuid));
	return b;
}

static struct ohib_nonce nonce_of(enum seal_part part, u64 number)
{
	struct ohib_nonce n = { 0 };
	u32 p = part;

	memcpy(n.b, &p, sizeof(p));
	memcpy(n.b + sizeof(p), &number, sizeof(number));
	return n;
}

int sealing_seal(struct aead *a, const u8 *uuid, enum seal_part part, u64 number, void *data, size_t len,
		 struct ohib_check *tag, struct ohib_nonce *nonce)
{
	struct beside b = beside_of(uuid, part, number);

	*nonce = nonce_of(part, number);
	return aead_seal(a, nonce->b, &b, sizeof(b), data, data, len, tag->b);
}

int sealing_open(struct aead *a, const u8 *uuid, enum seal_part part, u64 number, void *data, size_t len,
		 const struct ohib_check *tag, const struct ohib_nonce *nonce)
{
	struct beside b = beside_of(uuid, part, number);
	struct ohib_nonce want = nonce_of(part, number);

	if (memcmp(nonce, &want, sizeof(want)))
		return -EBADMSG;
	return aead_open(a, nonce->b, &b, sizeof(b), data, data, len, tag->b);
}

struct header_beside {
	struct beside b;
	u8 sealed[offsetof(struct ohib_header, seal_tag) - OHIB_HEADER_SEALED_FROM];
};

static struct header_beside header_beside_of(const struct ohib_header *h)
{
	struct header_beside b = { .b = beside_of(h->uuid, SEAL_HEADER, 0) };

	memcpy(b.sealed, (const u8 *)h + OHIB_HEADER_SEALED_FROM, sizeof(b.sealed));
	return b;
}

int sealing_header_seal(struct ohib_header *h, const struct image_keys *keys)
{
	struct header_beside b;
	struct aead *a;
	int r = aead_create(h->aead_alg, keys->late, &a);

	if (r)
		return r;
	h->seal_nonce = nonce_of(SEAL_HEADER, 0);
	b = header_beside_of(h);
	r = aead_seal(a, h->seal_nonce.b, &b, sizeof(b), NULL, NULL, 0, h->seal_tag);
	aead_free(a);
	return r;
}

int sealing_header_check(const struct ohib_header *h, const struct image_keys *keys)
{
	struct ohib_nonce want = nonce_of(SEAL_HEADER, 0);
	struct header_beside b = header_beside_of(h);
	struct aead *a;
	int r;

	if (memcmp(&h->seal_nonce, &want, sizeof(want)))
		return -EBADMSG;
	r = aead_create(h->aead_alg, keys->late, &a);
	if (r)
		return r;
	r = aead_open(a, h->seal_nonce.b, &b, sizeof(b), NULL, NULL, 0, h->seal_tag);
	aead_free(a);
	return r;
}
