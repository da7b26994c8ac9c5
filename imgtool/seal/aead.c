// SPDX-License-Identifier: GPL-2.0-only
/* Authenticated encryption through libgcrypt: AES-256-OCB (RFC 7253) and ChaCha20-Poly1305 (RFC 8439). */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "seal/aead.h"
#include "seal/crypt.h"

struct aead {
	gcry_cipher_hd_t hd;
	bool ocb;
};

static const struct {
	int cipher, mode;
	const char *name;
} algs[] = {
	[AEAD_AES256_OCB] = { GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_OCB, "AES-256-OCB" },
	[AEAD_CHACHA20_POLY1305] = { GCRY_CIPHER_CHACHA20, GCRY_CIPHER_MODE_POLY1305, "ChaCha20-Poly1305" },
};

enum aead_alg aead_best(void)
{
	unsigned int a, b, c = 0, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c & bit_AES ? AEAD_AES256_OCB : AEAD_CHACHA20_POLY1305;
}

const char *aead_name(u32 alg)
{
	return alg < ARRAY_SIZE(algs) && algs[alg].name ? algs[alg].name : "none";
}

int aead_create(u32 alg, const u8 *key, struct aead **out)
{
	struct aead *a;
	int r;

	if (alg >= ARRAY_SIZE(algs) || !algs[alg].name)
		return -ENOTSUP;
	crypt_init();
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->ocb = alg == AEAD_AES256_OCB;
	r = crypt_errno(gcry_cipher_open(&a->hd, algs[alg].cipher, algs[alg].mode, 0));
	if (!r)
		r = crypt_errno(gcry_cipher_setkey(a->hd, key, AEAD_KEY_BYTES));
	if (r) {
		aead_free(a);
		return r;
	}
	*out = a;
	return 0;
}

void aead_free(struct aead *a)
{
	if (!a)
		return;
	gcry_cipher_close(a->hd); /* wipes the key */
	free(a);
}

static int begin(struct aead *a, const u8 *nonce, const void *ad, size_t ad_len)
{
	int r = crypt_errno(gcry_cipher_reset(a->hd));

	if (!r)
		r = crypt_errno(gcry_cipher_setiv(a->hd, nonce, AEAD_NONCE_BYTES));
	if (!r)
		r = crypt_errno(gcry_cipher_authenticate(a->hd, ad, ad_len));
	if (!r && a->ocb)
		r = crypt_errno(gcry_cipher_final(a->hd)); /* what comes next is the last block too */
	return r;
}

int aead_seal(struct aead *a, const u8 *nonce, const void *ad, size_t ad_len, const void *in,
	      void *out, size_t len, u8 *tag)
{
	u8 none[1] = { 0 };
	int r = begin(a, nonce, ad, ad_len);

	if (!r)
		r = crypt_errno(gcry_cipher_encrypt(a->hd, len ? out : none, len, len ? in : none, len));
	if (!r)
		r = crypt_errno(gcry_cipher_gettag(a->hd, tag, AEAD_TAG_BYTES));
	return r;
}

int aead_open(struct aead *a, const u8 *nonce, const void *ad, size_t ad_len, const void *in,
	      void *out, size_t len, const u8 *tag)
{
	u8 none[1] = { 0 };
	int r = begin(a, nonce, ad, ad_len);

	if (!r)
		r = crypt_errno(gcry_cipher_decrypt(a->hd, len ? out : none, len, len ? in : none, len));
	if (!r)
		r = crypt_errno(gcry_cipher_checktag(a->hd, tag, AEAD_TAG_BYTES));
	if (r && len)
		explicit_bzero(out, len);
	return r;
}
