/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AES-256-XTS by sectors of 512 bytes, as dm-crypt's "aes-xts-plain64" has them on a device (iv_plain64 in
 * drivers/md/dm-crypt.c: the sector's number, little-endian). Nothing is authenticated by it.
 */
#pragma once

#include "util/types.h"

#define XTS_KEY_BYTES 64u

struct xts;

/* Any 64 bytes but two equal halves. A negative errno. */
int xts_create(const u8 *key, struct xts **out);
void xts_free(struct xts *x); /* NULL is allowed */
/* @len bytes in place, whole sectors from @sector on. */
int xts_decrypt(struct xts *x, u64 sector, void *data, size_t len);
int xts_encrypt(struct xts *x, u64 sector, void *data, size_t len);
