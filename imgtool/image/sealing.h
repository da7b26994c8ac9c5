/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which key and which nonce seal what of an image.
 *
 * Two keys, both random and new for each image. The *early* key seals the sections that are written
 * before memory is copied; it lies in the tool's memory then, so in the image, where the late key seals
 * it. The *late* key seals all else: pages, index, header. It is made after the copy, so no image has it
 * in its memory. Both are in each key slot, wrapped (keyslot.h).
 *
 * A nonce is {part, number}, and each part of an image is sealed once, so none comes twice under a key.
 * The image's identity, part and number are authenticated with the bytes: a chunk at another chunk's place,
 * or of another image, does not open.
 */
#pragma once

#include <sys/uio.h>

#include "image/image_format.h"
#include "seal/aead.h"
#include "util/types.h"

/* Values are on disk (in nonces): append only. */
enum seal_part { SEAL_CHUNK = 1, SEAL_SECTION = 2, SEAL_INDEX = 3, SEAL_HEADER = 4 };

struct image_keys {
	u8 late[AEAD_KEY_BYTES], early[AEAD_KEY_BYTES];
};
static_assert(sizeof(struct image_keys) == sizeof(((struct ohib_key_slot *)0)->wrapped_key), "keys");

int sealing_seal(struct aead *a, const u8 *uuid, enum seal_part part, u64 number, void *data, size_t len,
		 struct ohib_check *tag, struct ohib_nonce *nonce);
/* In place; -EBADMSG: it is not what was sealed there, and @data is wiped. */
int sealing_open(struct aead *a, const u8 *uuid, enum seal_part part, u64 number, void *data, size_t len,
		 const struct ohib_check *tag, const struct ohib_nonce *nonce);

/* The header's own: its sealed part as it is now, with the late key. */
int sealing_header_seal(struct ohib_header *h, const struct image_keys *keys);
int sealing_header_check(const struct ohib_header *h, const struct image_keys *keys);
