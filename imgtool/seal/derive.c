// SPDX-License-Identifier: GPL-2.0-only
/* Keys out of secrets, through libgcrypt. */
#include <cpuid.h>
#include <errno.h>
#include <immintrin.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>

#include "seal/crypt.h"
#include "seal/derive.h"

const struct kdf_cost kdf_cost_default = { .passes = 3, .kib = 64 << 10, .lanes = 4 };

bool kdf_cost_ok(const struct kdf_cost *c)
{
	return c->passes >= 1 && c->passes <= 64 && c->lanes >= 1 && c->lanes <= 16 &&
	       c->kib >= 8 * c->lanes && c->kib <= 1u << 20;
}

int derive_argon2id(const void *secret, size_t len, const u8 *salt, size_t salt_len,
		    const struct kdf_cost *cost, u8 *out)
{
	const unsigned long param[4] = { DERIVE_BYTES, cost->passes, cost->kib, cost->lanes };
	gcry_kdf_hd_t hd;
	int r;

	if (!kdf_cost_ok(cost))
		return -EINVAL;
	crypt_init();
	r = crypt_errno(gcry_kdf_open(&hd, GCRY_KDF_ARGON2, GCRY_KDF_ARGON2ID, param, ARRAY_SIZE(param),
				      secret, len, salt, salt_len, NULL, 0, NULL, 0));
	if (r)
		return r;
	r = crypt_errno(gcry_kdf_compute(hd, NULL));
	if (!r)
		r = crypt_errno(gcry_kdf_final(hd, DERIVE_BYTES, out));
	gcry_kdf_close(hd);
	return r;
}

int derive_x25519(const u8 *scalar, const u8 *point, u8 *out)
{
	u8 all = 0;
	int r;

	crypt_init();
	r = crypt_errno(gcry_ecc_mul_point(GCRY_ECC_CURVE25519, out, scalar, point));
	/* RFC 7748, 6.1: a point of small order gives zero, whatever the scalar. */
	for (unsigned int i = 0; i < DERIVE_BYTES; i++)
		all |= out[i];
	return r ? r : all ? 0 : -EBADMSG;
}

int derive_hmac(const void *key, size_t key_len, const struct iovec *parts, unsigned int n, u8 *out)
{
	gcry_md_hd_t hd;
	int r;

	crypt_init();
	r = crypt_errno(gcry_md_open(&hd, GCRY_MD_SHA256, GCRY_MD_FLAG_HMAC));
	if (r)
		return r;
	r = crypt_errno(gcry_md_setkey(hd, key, key_len));
	for (unsigned int i = 0; !r && i < n; i++)
		gcry_md_write(hd, parts[i].iov_base, parts[i].iov_len);
	if (!r)
		memcpy(out, gcry_md_read(hd, GCRY_MD_SHA256), DERIVE_BYTES);
	gcry_md_close(hd);
	return r;
}

__attribute__((target("rdrnd"))) static void cpu_random(unsigned long long *to, unsigned int n)
{
	unsigned int a, b, c = 0, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_RDRND))
		return;
	for (unsigned int i = 0; i < n; i++)
		for (int tries = 0; tries < 10 && !_rdrand64_step(&to[i]); tries++)
			;
}

int derive_new_key(u8 *out)
{
	struct {
		u8 kernel[64];
		unsigned long long cpu[8], tsc;
		struct timespec clock[3];
	} in = { 0 };
	const struct iovec parts = { &in, sizeof(in) };
	static const char label[] = "overlayctl new key";
	int r;

	if (getrandom(in.kernel, sizeof(in.kernel), 0) != sizeof(in.kernel))
		return -EIO;
	cpu_random(in.cpu, ARRAY_SIZE(in.cpu));
	clock_gettime(CLOCK_REALTIME, &in.clock[0]);
	clock_gettime(CLOCK_MONOTONIC_RAW, &in.clock[1]);
	clock_gettime(CLOCK_BOOTTIME, &in.clock[2]);
	in.tsc = __builtin_ia32_rdtsc();
	r = derive_hmac(label, sizeof(label), &parts, 1, out);
	explicit_bzero(&in, sizeof(in));
	return r;
}
