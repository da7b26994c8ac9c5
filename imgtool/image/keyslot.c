// SPDX-License-Identifier: GPL-2.0-only
/* Key slots: an image's keys wrapped for each secret that may open it. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "image/keyslot.h"
#include "image/state.h"
#include "seal/derive.h"

static_assert(OHIB_LOCKS_MAX == OHIB_KEY_SLOTS, "locks");
static_assert(OHIB_IMAGE_KEYS_BYTES == sizeof(struct image_keys), "keys");

static const char label[] = "overlayctl key slot 1";

struct slot_beside {
	u8 uuid[16];
	u32 number, aead_alg;
	u8 fixed[offsetof(struct ohib_key_slot, nonce)];
	u8 ephemeral[32];
};

static struct slot_beside beside_of(const struct ohib_header *h, unsigned int n)
{
	const struct ohib_key_slot *s = &h->key_slots[n];
	struct slot_beside b = { .number = n, .aead_alg = h->aead_alg };

	memcpy(b.uuid, h->uuid, sizeof(b.uuid));
	memcpy(b.fixed, s, sizeof(b.fixed));
	memcpy(b.ephemeral, s->ephemeral, sizeof(b.ephemeral));
	return b;
}

/* KEK from one side or the other: @scalar and @point are e and S, or s and E. */
static int kek_derive(const struct ohib_header *h, unsigned int n, const u8 *scalar, const u8 *point,
		      const u8 *lock_point, u8 *kek)
{
	const struct iovec parts[] = {
		{ (void *)label, sizeof(label) },
		{ (void *)h->uuid, sizeof(h->uuid) },
		{ (void *)h->key_slots[n].ephemeral, DERIVE_BYTES },
		{ (void *)lock_point, DERIVE_BYTES },
	};
	u8 shared[DERIVE_BYTES];
	int r = derive_x25519(scalar, point, shared);

	if (!r)
		r = derive_hmac(shared, sizeof(shared), parts, ARRAY_SIZE(parts), kek);
	explicit_bzero(shared, sizeof(shared));
	return r;
}

int keyslot_wrap(struct ohib_header *h, unsigned int n, const struct ohib_lock *lock,
		 const struct image_keys *keys)
{
	struct ohib_key_slot *s = &h->key_slots[n];
	u8 e[DERIVE_BYTES], kek[DERIVE_BYTES];
	struct slot_beside b;
	struct aead *a = NULL;
	int r;

	*s = (struct ohib_key_slot){
		.type = lock->type,
		.kdf = OHIB_KDF_ARGON2ID_X25519,
		.kdf_param = { lock->cost.passes, lock->cost.kib, lock->cost.lanes },
	};
	memcpy(s->salt, lock->salt, sizeof(s->salt));
	r = derive_new_key(e);
	if (!r)
		r = derive_x25519(e, NULL, s->ephemeral);
	if (!r)
		r = kek_derive(h, n, e, lock->point, lock->point, kek);
	if (!r)
		r = aead_create(h->aead_alg, kek, &a);
	b = beside_of(h, n);
	/* KEK is used this once, so its nonce is the number zero. */
	if (!r)
		r = aead_seal(a, s->nonce, &b, sizeof(b), keys, s->wrapped_key, sizeof(*keys), s->tag);
	aead_free(a);
	explicit_bzero(e, sizeof(e));
	explicit_bzero(kek, sizeof(kek));
	return r;
}

static bool is_zero(const u8 *p, size_t n)
{
	while (n && !*p) {
		p++;
		n--;
	}
	return !n;
}

int keyslot_unwrap(const struct ohib_header *h, unsigned int n, const struct secret *secret,
		   struct image_keys *keys)
{
	const struct ohib_key_slot *s = &h->key_slots[n];
	const struct kdf_cost cost = { s->kdf_param[0], s->kdf_param[1], s->kdf_param[2] };
	u8 scalar[DERIVE_BYTES], point[DERIVE_BYTES], kek[DERIVE_BYTES];
	struct slot_beside b = beside_of(h, n);
	struct aead *a = NULL;
	int r;

	if (s->kdf != OHIB_KDF_ARGON2ID_X25519 || !kdf_cost_ok(&cost))
		return -ENOTSUP;
	if (!secret->len || !is_zero(s->nonce, sizeof(s->nonce)))
		return -EKEYREJECTED;
	r = derive_argon2id(secret->data, secret->len, s->salt, sizeof(s->salt), &cost, scalar);
	if (!r)
		r = derive_x25519(scalar, NULL, point);
	if (!r)
		r = kek_derive(h, n, scalar, s->ephemeral, point, kek);
	if (!r)
		r = aead_create(h->aead_alg, kek, &a);
	if (!r)
		r = aead_open(a, s->nonce, &b, sizeof(b), s->wrapped_key, keys, sizeof(*keys), s->tag);
	aead_free(a);
	explicit_bzero(scalar, sizeof(scalar));
	explicit_bzero(point, sizeof(point));
	explicit_bzero(kek, sizeof(kek));
	return r == -EBADMSG ? -EKEYREJECTED : r;
}

int ohib_lock_make(u32 type, const struct secret *s, const struct kdf_cost *cost,
		   struct ohib_lock *out, struct ohib_err *err)
{
	u8 scalar[DERIVE_BYTES];
	int r = 0;

	if (!s->len)
		return ohib_err_set(err, -EINVAL, "the passphrase or key file is empty");
	*out = (struct ohib_lock){ .type = type, .cost = *cost };
	if (getrandom(out->salt, sizeof(out->salt), 0) != sizeof(out->salt))
		r = -EIO;
	if (!r)
		r = derive_argon2id(s->data, s->len, out->salt, sizeof(out->salt), cost, scalar);
	if (!r)
		r = derive_x25519(scalar, NULL, out->point);
	explicit_bzero(scalar, sizeof(scalar));
	if (r)
		return ohib_err_set(err, r, "deriving a key (Argon2id, %u MiB): %s", cost->kib >> 10,
				    strerror(-r));
	return 0;
}

int ohib_image_unlock(const char *path, u32 type, const struct secret *s, struct secret **keys,
		      struct ohib_err *err)
{
	struct secret *out = secret_create(sizeof(struct image_keys));
	struct image_state st;
	struct image_dev d;
	int r, found = -ENOKEY;

	if (!out)
		return ohib_err_set(err, -ENOMEM, "no memory that can be locked for the image's keys");
	r = image_dev_open(&d, path, IMAGE_DEV_READ, err);
	if (!r) {
		r = image_state_load(&d, &st, err);
		image_dev_close(&d);
	}
	for (unsigned int n = 0; !r && found && n < OHIB_KEY_SLOTS; n++) {
		u32 has = st.hdr.key_slots[n].type;

		if (!has || (type && has != type))
			continue;
		found = keyslot_unwrap(&st.hdr, n, s, (struct image_keys *)out->data);
	}
	if (!r && found)
		r = ohib_err_set(err, found, "%s: %s", path,
				 found == -ENOKEY	? "the image has no key of this kind"
				 : found == -EKEYREJECTED ? "that is not the key of this image"
							  : strerror(-found));
	if (r) {
		secret_free(out);
		return r;
	}
	out->len = sizeof(struct image_keys);
	*keys = out;
	return 0;
}
