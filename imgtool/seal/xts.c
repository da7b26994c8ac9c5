// SPDX-License-Identifier: GPL-2.0-only
/* AES-256-XTS by sectors of 512 bytes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "seal/crypt.h"
#include "seal/xts.h"

#define SECTOR 512u

struct xts {
	gcry_cipher_hd_t hd;
};

int xts_create(const u8 *key, struct xts **out)
{
	struct xts *x = calloc(1, sizeof(*x));
	gcry_error_t e;

	if (!x)
		return -ENOMEM;
	crypt_init();
	e = gcry_cipher_open(&x->hd, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_XTS, 0);
	if (!e)
		e = gcry_cipher_setkey(x->hd, key, XTS_KEY_BYTES);
	if (e) {
		xts_free(x);
		return crypt_errno(e);
	}
	*out = x;
	return 0;
}

void xts_free(struct xts *x)
{
	if (!x)
		return;
	if (x->hd)
		gcry_cipher_close(x->hd);
	free(x);
}

static int each(struct xts *x, bool encrypt, u64 sector, void *data, size_t len)
{
	gcry_error_t e = len % SECTOR ? gcry_error(GPG_ERR_INV_LENGTH) : 0;

	for (size_t at = 0; !e && at < len; at += SECTOR, sector++) {
		u64 iv[2] = { sector, 0 };

		e = gcry_cipher_setiv(x->hd, iv, sizeof(iv));
		if (!e && encrypt)
			e = gcry_cipher_encrypt(x->hd, (u8 *)data + at, SECTOR, NULL, 0);
		else if (!e)
			e = gcry_cipher_decrypt(x->hd, (u8 *)data + at, SECTOR, NULL, 0);
	}
	return crypt_errno(e);
}

int xts_decrypt(struct xts *x, u64 sector, void *data, size_t len)
{
	return each(x, false, sector, data, len);
}

int xts_encrypt(struct xts *x, u64 sector, void *data, size_t len)
{
	return each(x, true, sector, data, len);
}
