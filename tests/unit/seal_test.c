// SPDX-License-Identifier: GPL-2.0-only
/* Sealed images: they open with their key, and nothing that was changed opens with it. */
#include <errno.h>
#include <sys/mman.h>

#include "test.h"
#include "image_make.h"
#include "image/keyslot.h"
#include "image/state.h"
#include "image/writer_parts.h"
#include "seal/xts.h"

#define SIZE (24u << 20)

static const struct kdf_cost cheap = { .passes = 1, .kib = 64, .lanes = 2 };

static struct secret *word(const char *text)
{
	struct secret *s = secret_create(strlen(text) + 1);

	if (!s)
		abort();
	strcpy((char *)s->data, text);
	s->len = strlen(text);
	return s;
}

static void from_hex(const char *hex, u8 *out)
{
	for (; *hex; hex += 2)
		sscanf(hex, "%2hhx", out++);
}

static void lock_add(struct ohib_locks *l, u32 type, const char *text)
{
	struct secret *s = word(text);

	if (ohib_lock_make(type, s, &cheap, &l->v[l->nr++], NULL))
		abort();
	secret_free(s);
}

static struct ohib_locks passphrase(const char *text)
{
	struct ohib_locks l = { 0 };

	lock_add(&l, OHIB_SLOT_PASSPHRASE, text);
	return l;
}

/* A sealed image, mapped. */
struct sealed {
	struct made_image m;
	struct ohib_locks locks;
	u8 *map;
	struct ohib_header *a, *b;
	struct ohib_chunk_entry *index; /* opened, a copy */
};

/* Open, and read everything. */
static int use(const char *path, const char *text, struct ohib_err *err)
{
	struct secret *s = word(text), *keys = NULL;
	struct ohib_image *img;
	int r = ohib_image_unlock(path, 0, s, &keys, err);

	if (!r)
		r = ohib_image_open_sealed(path, keys, &img, err);
	secret_free(s);
	secret_free(keys);
	if (r)
		return r;
	r = ohib_image_verify(img, 2, err);
	ohib_image_close(img);
	return r;
}

static int used(const struct sealed *s)
{
	return use(s->m.path, "open sesame", NULL);
}

static void header_fix(struct sealed *s)
{
	s->a->check = image_xxh64(s->a, offsetof(struct ohib_header, check));
	memcpy(s->b, s->a, sizeof(*s->a));
}

static void sealed_map(struct sealed *s)
{
	int fd = open(s->m.path, O_RDWR);

	s->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (s->map == MAP_FAILED)
		abort();
	s->a = (void *)(s->map + OHIB_HEADER_A_IN_PAGE);
	s->b = (void *)(s->map + OHIB_HEADER_B_PAGE);
}

static void sealed_index(struct sealed *s)
{
	struct secret *w = word("open sesame"), *keys;
	struct aead *a;

	s->index = malloc(s->a->index_len);
	memcpy(s->index, s->map + s->a->index_offset, s->a->index_len);
	if (ohib_image_unlock(s->m.path, 0, w, &keys, NULL) ||
	    aead_create(s->a->aead_alg, ((struct image_keys *)keys->data)->late, &a) ||
	    sealing_open(a, s->a->uuid, SEAL_INDEX, 0, s->index, s->a->index_len, &s->a->index_check,
			 &s->a->index_nonce))
		abort();
	aead_free(a);
	secret_free(w);
	secret_free(keys);
}

static void sealed_make(struct sealed *s, u32 alg, u64 pages)
{
	struct ohib_err err = { 0 };

	s->locks = passphrase("open sesame");
	made_file(&s->m, SIZE);
	made_list(&s->m, pages);
	s->m.locks = &s->locks;
	s->m.aead_alg = alg;
	if (made_write(&s->m, 16, &err)) {
		printf("%s\n", err.msg);
		abort();
	}
	sealed_map(s);
	sealed_index(s);
}

static void sealed_free(struct sealed *s)
{
	munmap(s->map, SIZE);
	free(s->index);
	made_free(&s->m);
}

TEST(known_answers)
{
	const struct kdf_cost cost = { .passes = 2, .kib = 65536, .lanes = 1 };
	u8 k[32], u[32], got[32], want[32];

	/* the reference implementation's own test of Argon2id, version 0x13 */
	CHECK_EQ(derive_argon2id("password", 8, (const u8 *)"somesalt", 8, &cost, got), 0);
	from_hex("09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7", want);
	CHECK(!memcmp(got, want, 32));
	/* RFC 7748, 5.2 */
	from_hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", k);
	from_hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", u);
	CHECK_EQ(derive_x25519(k, u, got), 0);
	from_hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552", want);
	CHECK(!memcmp(got, want, 32));
	/* a point of small order */
	memset(u, 0, sizeof(u));
	CHECK_EQ(derive_x25519(k, u, got), -EBADMSG);
	u[0] = 1;
	CHECK_EQ(derive_x25519(k, u, got), -EBADMSG);
	/* RFC 4231, 4.3 */
	{
		const struct iovec parts[] = { { "what do ya want ", 16 }, { "for nothing?", 12 } };

		CHECK_EQ(derive_hmac("Jefe", 4, parts, 2, got), 0);
		from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", want);
		CHECK(!memcmp(got, want, 32));
	}
	CHECK_EQ(derive_new_key(k), 0);
	CHECK_EQ(derive_new_key(u), 0);
	CHECK(memcmp(k, u, 32));
}

TEST(aead_refuses_every_change)
{
	for (u32 alg = AEAD_AES256_OCB; alg <= AEAD_CHACHA20_POLY1305; alg++) {
		u8 key[32] = { 1, 2, 3 }, nonce[12] = { 9 }, ad[20] = "beside", text[100], box[100], tag[16];
		struct aead *a;

		for (unsigned int i = 0; i < sizeof(text); i++)
			text[i] = (u8)i;
		REQUIRE(!aead_create(alg, key, &a));
		for (size_t len = 0; len <= sizeof(text); len += 25) {
			CHECK_EQ(aead_seal(a, nonce, ad, sizeof(ad), text, box, len, tag), 0);
			CHECK(len < 25 || memcmp(box, text, len));
			CHECK_EQ(aead_open(a, nonce, ad, sizeof(ad), box, box, len, tag), 0);
			CHECK(!memcmp(box, text, len));
		}
		CHECK_EQ(aead_seal(a, nonce, ad, sizeof(ad), text, box, 100, tag), 0);
		for (unsigned int i = 0; i < 100 + 20 + 16 + 12; i++) {
			u8 *at = i < 100 ? box + i : i < 120 ? ad + i - 100 : i < 136 ? tag + i - 120 : nonce + i - 136;
			u8 out[100];

			*at ^= 0x10;
			CHECK_EQ(aead_open(a, nonce, ad, sizeof(ad), box, out, 100, tag), -EBADMSG);
			*at ^= 0x10;
		}
		aead_free(a);
		CHECK_EQ(aead_create(3, key, &a), -ENOTSUP);
	}
}

static int text_page(void *arg, u64 pfn, const void *data)
{
	u64 *bad = arg;
	u8 want[4096];

	made_page(pfn, want);
	*bad += memcmp(want, data, sizeof(want)) && memcmp(ohib_zero_page, data, sizeof(want));
	return 0;
}

TEST(round_trip)
{
	for (u32 alg = AEAD_AES256_OCB; alg <= AEAD_CHACHA20_POLY1305; alg++) {
		struct ohib_err err = { 0 };
		struct secret *w = word("a key file's bytes"), *keys;
		struct ohib_image_info info;
		struct ohib_image *img;
		struct sealed s = { .locks.nr = 0 };
		u8 page[4096], want[4096];
		u64 bad = 0, entry;

		made_file(&s.m, SIZE);
		made_list(&s.m, 2000);
		s.locks = passphrase("open sesame");
		lock_add(&s.locks, OHIB_SLOT_KEY_FILE, "a key file's bytes");
		s.m.locks = &s.locks;
		s.m.aead_alg = alg;
		REQUIRE(!made_write(&s.m, 32, &err));
		REQUIRE(!ohib_image_peek(s.m.path, &info, &err));
		CHECK(info.sealed);
		CHECK_STR(info.cipher, alg == AEAD_AES256_OCB ? "AES-256-OCB" : "ChaCha20-Poly1305");
		CHECK_EQ(info.slots, 1u << OHIB_SLOT_PASSPHRASE | 1u << OHIB_SLOT_KEY_FILE);
		CHECK_EQ(ohib_image_open(s.m.path, &img, NULL), -ENOKEY);
		CHECK_EQ(use(s.m.path, "open sesame", &err), 0);
		CHECK_STR(err.msg, "");
		CHECK_EQ(ohib_image_unlock(s.m.path, OHIB_SLOT_PASSPHRASE, w, &keys, NULL), -EKEYREJECTED);
		REQUIRE(!ohib_image_unlock(s.m.path, OHIB_SLOT_KEY_FILE, w, &keys, &err));
		REQUIRE(!ohib_image_open_sealed(s.m.path, keys, &img, &err));
		CHECK_EQ(ohib_image_for_each_page(img, 3, text_page, &bad, &err), 0);
		CHECK_EQ(bad, 0);
		for (u64 i = 0; i < 300; i++) {
			entry = s.m.pfns[made_mix(i) % s.m.nr];
			CHECK_EQ(ohib_image_read_pfn(img, entry & ~OHIB_PFN_ZERO_FLAG, page, &err), 0);
			made_page(entry, want);
			bad += !(entry & OHIB_PFN_ZERO_FLAG) && memcmp(page, want, sizeof(page));
		}
		CHECK_EQ(bad, 0);
		ohib_image_forget_keys(img);
		CHECK(ohib_image_for_each_page(img, 2, text_page, &bad, NULL) < 0);
		ohib_image_close(img);
		secret_free(keys);
		secret_free(w);
		made_free(&s.m);
	}
}

/* What was in memory is on the disk in the clear when it is not sealed, and only then. */
TEST(nothing_is_in_the_clear)
{
	static const char text[] = "fox the quick brown fox";
	struct made_image m;
	struct sealed s;
	u8 *map;
	int fd;

	made_file(&m, SIZE);
	made_list(&m, 600);
	REQUIRE(!made_write(&m, 16, NULL));
	fd = open(m.path, O_RDONLY);
	map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	CHECK(memmem(map, SIZE, text, strlen(text)) != NULL);
	munmap(map, SIZE);
	made_free(&m);
	sealed_make(&s, 0, 600);
	CHECK(!memmem(s.map, SIZE, text, strlen(text)));
	CHECK(!memmem(s.map, SIZE, "A=1\n", 4));
	sealed_free(&s);
}

/* Part and number. */
static u64 nonce_id(const struct ohib_nonce *n)
{
	u64 number;
	u32 part;

	memcpy(&part, n->b, sizeof(part));
	memcpy(&number, n->b + sizeof(part), sizeof(number));
	return (u64)part << 56 | number;
}

TEST(no_nonce_comes_twice)
{
	u64 seen[300], keys[300];
	unsigned int n = 0, twice = 0;
	struct sealed s;

	sealed_make(&s, 0, 600);
	for (u64 i = 0; i < s.a->nr_chunks; i++) {
		seen[n] = nonce_id(&s.index[i].nonce);
		keys[n++] = 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(s.a->sections); i++) {
		if (!s.a->sections[i].id)
			continue;
		seen[n] = nonce_id(&s.a->sections[i].nonce);
		keys[n++] = s.a->sections[i].flags & OHIB_SECTION_EARLY;
	}
	for (int i = 0; i < 2; i++) {
		seen[n] = nonce_id(i ? &s.a->index_nonce : &s.a->seal_nonce);
		keys[n++] = 0;
	}
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int k = 0; k < i; k++)
			twice += seen[i] == seen[k] && keys[i] == keys[k];
	CHECK(n > 40);
	CHECK_EQ(twice, 0);
	sealed_free(&s);
}

/* What a memory image that is taken at this moment has of the keys. */
TEST(no_late_key_before_the_copy)
{
	struct ohib_locks l = passphrase("open sesame");
	const struct image_keys *keys;
	const u8 none[32] = { 0 };
	struct made_image m;
	struct ohib_writer *w;

	made_file(&m, SIZE);
	const struct ohib_writer_opts o = { .path = m.path, .image_kernel = "x", .max_pages = 10, .locks = &l };

	REQUIRE(!ohib_writer_create(&o, &w, NULL));
	keys = (const void *)w->keys->data;
	CHECK(!memcmp(keys->late, none, sizeof(none)));
	CHECK(memcmp(keys->early, none, sizeof(none)));
	CHECK(memcmp(keys->early, l.v[0].point, sizeof(none)));
	/* and no page is taken without it */
	CHECK(ohib_writer_pages_begin(w, 1, NULL) < 0);
	CHECK_EQ(ohib_writer_snapshot_taken(w, NULL), 0);
	CHECK(memcmp(keys->late, none, sizeof(none)));
	CHECK(memcmp(keys->late, keys->early, sizeof(none)));
	ohib_writer_forget_keys(w);
	CHECK(!w->keys);
	ohib_writer_destroy(w);
	unlink(m.path);
}

TEST(wrong_key)
{
	struct ohib_err err = { 0 };
	struct sealed s;

	sealed_make(&s, 0, 100);
	CHECK_EQ(use(s.m.path, "open sesamf", &err), -EKEYREJECTED);
	CHECK(strstr(err.msg, "not the key of this image"));
	CHECK_EQ(use(s.m.path, "", NULL), -EKEYREJECTED);
	CHECK_EQ(used(&s), 0);
	sealed_free(&s);
}

TEST(bit_flips)
{
	struct sealed s;

	sealed_make(&s, 0, 600);
	CHECK_EQ(used(&s), 0);
	/* Every byte of the header's sealed part, with a checksum that agrees and in both copies. */
	for (size_t k = OHIB_HEADER_SEALED_FROM; k < offsetof(struct ohib_header, check); k += 1) {
		u8 *at = (u8 *)s.a + k;

		/* Argon2 would take long for each byte of the slot: every fifth of it. */
		if (k >= offsetof(struct ohib_header, key_slots) && k % 5)
			continue;
		if (k >= offsetof(struct ohib_header, reserved3))
			break;
		*at ^= (u8)(1u << (k % 8));
		header_fix(&s);
		if (used(&s) >= 0) {
			printf("byte %zu of the header was changed and taken\n", k);
			CHECK(0);
		}
		*at ^= (u8)(1u << (k % 8));
	}
	header_fix(&s);
	CHECK_EQ(used(&s), 0);
	for (size_t i = 0; i < ARRAY_SIZE(s.a->sections); i++) {
		const struct ohib_section_entry *e = &s.a->sections[i];

		for (u64 k = 0; e->id && k < e->stored_len; k += 1 + e->stored_len / 5) {
			s.map[e->offset + k] ^= 4;
			CHECK_EQ(used(&s), -EBADMSG);
			s.map[e->offset + k] ^= 4;
		}
	}
	for (u64 k = 0; k < s.a->index_len; k += 61) {
		s.map[s.a->index_offset + k] ^= 32;
		CHECK_EQ(used(&s), -EBADMSG);
		s.map[s.a->index_offset + k] ^= 32;
	}
	for (u64 i = 0; i < s.a->nr_chunks; i++) {
		u64 at = s.index[i].offset + made_mix(i) % s.index[i].stored_len;

		s.map[at] ^= 1;
		CHECK_EQ(used(&s), -EBADMSG);
		s.map[at] ^= 1;
	}
	CHECK_EQ(used(&s), 0);
	sealed_free(&s);
}

static void swap_bytes(u8 *a, u8 *b, size_t n)
{
	for (; n; n--, a++, b++) {
		u8 t = *a;

		*a = *b;
		*b = t;
	}
}

TEST(swapped_chunks)
{
	unsigned int tried = 0;
	struct sealed s;

	sealed_make(&s, 0, 600);
	for (u64 i = 0; i < s.a->nr_chunks; i++)
		for (u64 k = 0; k < i && tried < 8; k++) {
			const struct ohib_chunk_entry *a = &s.index[i], *b = &s.index[k];
			u64 len = image_align(a->stored_len);

			if (len != image_align(b->stored_len))
				continue;
			swap_bytes(s.map + a->offset, s.map + b->offset, len);
			CHECK_EQ(used(&s), -EBADMSG);
			swap_bytes(s.map + a->offset, s.map + b->offset, len);
			tried++;
		}
	CHECK(tried > 0);
	CHECK_EQ(used(&s), 0);
	sealed_free(&s);
}

/* Two images of the same pages, the same passphrase, even the same lock: still nothing of one opens in the other. */
TEST(spliced)
{
	struct sealed s, t;
	struct ohib_header mine;

	sealed_make(&s, 0, 600);
	sealed_make(&t, 0, 600);
	/* made again with the other's lock: same salt, same point */
	munmap(t.map, SIZE);
	free(t.index);
	REQUIRE(!ohib_image_set_state(t.m.path, OHIB_STATE_STALE, NULL, NULL));
	t.locks = s.locks;
	REQUIRE(!made_write(&t.m, 16, NULL));
	sealed_map(&t);
	sealed_index(&t);
	REQUIRE(s.a->end_offset == t.a->end_offset);
	CHECK_EQ(used(&s), 0);
	CHECK_EQ(used(&t), 0);
	mine = *s.a;
	/* the header of the one with the pages of the other */
	*s.a = *t.a;
	header_fix(&s);
	CHECK_EQ(used(&s), -EBADMSG);
	/* key slots of the other, so that its keys are found */
	*s.a = mine;
	memcpy(s.a->key_slots, t.a->key_slots, sizeof(mine.key_slots));
	header_fix(&s);
	CHECK(used(&s) < 0);
	*s.a = mine;
	memcpy(s.a->uuid, t.a->uuid, sizeof(mine.uuid));
	memcpy(s.a->key_slots, t.a->key_slots, sizeof(mine.key_slots));
	header_fix(&s);
	CHECK_EQ(used(&s), -EBADMSG);
	*s.a = mine;
	header_fix(&s);
	CHECK_EQ(used(&s), 0);
	/* one chunk, one section, the index */
	memcpy(s.map + s.index[3].offset, t.map + t.index[3].offset, s.index[3].stored_len);
	CHECK_EQ(used(&s), -EBADMSG);
	sealed_free(&s);
	sealed_make(&s, 0, 600);
	memcpy(s.map + s.a->index_offset, t.map + t.a->index_offset, s.a->index_len);
	CHECK_EQ(used(&s), -EBADMSG);
	sealed_free(&s);
	sealed_free(&t);
}

/* A sealed image made to look as if it were not. */
TEST(stripped)
{
	struct sealed s;
	struct ohib_image *img;

	sealed_make(&s, 0, 100);
	s.a->check_alg = OHIB_CHECK_XXH64;
	header_fix(&s);
	CHECK(ohib_image_open(s.m.path, &img, NULL) < 0);
	s.a->aead_alg = 0;
	header_fix(&s);
	CHECK(ohib_image_open(s.m.path, &img, NULL) < 0);
	sealed_free(&s);
}

TEST(truncated)
{
	struct sealed s;
	u64 end;

	sealed_make(&s, 0, 600);
	end = s.a->end_offset;
	munmap(s.map, SIZE);
	CHECK_EQ(truncate(s.m.path, (off_t)end), 0);
	CHECK_EQ(used(&s), 0);
	for (u64 at = end - 4096; at > 4096 * 40; at -= 4096 * 37) {
		CHECK_EQ(truncate(s.m.path, (off_t)at), 0);
		CHECK_EQ(used(&s), -EBADMSG);
	}
	CHECK_EQ(truncate(s.m.path, 4096), 0);
	CHECK(used(&s) < 0);
	free(s.index);
	made_free(&s.m);
}

/* A boot without the key counts, arms and discards; who was resumed leaves nothing that could be read. */
TEST(states_and_the_key)
{
	struct ohib_err err = { 0 };
	struct ohib_image_info info;
	struct ohib_image *img;
	struct ohib_key_slot slot;
	struct sealed s;

	sealed_make(&s, 0, 100);
	slot = s.a->key_slots[0];
	CHECK_EQ(ohib_image_set_state(s.m.path, OHIB_STATE_RESUMING, NULL, &err), 0);
	CHECK_EQ(used(&s), 0);
	CHECK_EQ(ohib_image_set_state(s.m.path, OHIB_STATE_ARMED, "no root", &err), 0);
	CHECK_EQ(used(&s), 0);
	CHECK_EQ(ohib_image_set_state(s.m.path, OHIB_STATE_STALE, NULL, &err), 0);
	CHECK_EQ(used(&s), 0);
	sealed_free(&s);

	sealed_make(&s, 0, 100);
	slot = s.a->key_slots[0];
	CHECK_EQ(ohib_image_set_state(s.m.path, OHIB_STATE_RESUMING, NULL, &err), 0);
	CHECK_EQ(ohib_image_set_state(s.m.path, OHIB_STATE_SPENT, NULL, &err), 0);
	CHECK_EQ(used(&s), -ENOKEY);
	CHECK(!memmem(s.map, SIZE, slot.wrapped_key, sizeof(slot.wrapped_key)));
	CHECK(!memmem(s.map, SIZE, slot.ephemeral, sizeof(slot.ephemeral)));
	CHECK(!memmem(s.map, SIZE, slot.salt, sizeof(slot.salt)));
	CHECK_EQ(ohib_image_open(s.m.path, &img, &err), -ENOKEY);
	CHECK(strstr(err.msg, "destroyed"));
	CHECK_EQ(ohib_image_peek(s.m.path, &info, NULL), 0);
	CHECK_EQ(info.state, OHIB_STATE_SPENT);
	CHECK(info.sealed);
	CHECK_EQ(info.slots, 0);
	sealed_free(&s);
}

/* It was armed, and the machine goes on all the same. */
TEST(abandoned)
{
	struct ohib_locks l = passphrase("open sesame");
	struct ohib_header h;
	struct made_image m;
	struct ohib_writer *w;
	int fd;

	made_file(&m, SIZE);
	fd = open(m.path, O_RDONLY);
	const struct ohib_writer_opts o = { .path = m.path, .image_kernel = "x", .max_pages = 10, .locks = &l };

	REQUIRE(!ohib_writer_create(&o, &w, NULL));
	REQUIRE(!ohib_writer_snapshot_taken(w, NULL));
	REQUIRE(!ohib_writer_pages_begin(w, 0, NULL) && !ohib_writer_pages_end(w, NULL));
	CHECK_EQ(ohib_writer_arm(w, NULL), 0);
	CHECK(!w->keys);
	CHECK_EQ(use(m.path, "open sesame", NULL), 0);
	CHECK(pread(fd, &h, sizeof(h), OHIB_HEADER_B_PAGE) == sizeof(h));
	CHECK_EQ(h.key_slots[0].type, OHIB_SLOT_PASSPHRASE);
	CHECK_EQ(ohib_writer_abandon(w, NULL, NULL), 0);
	CHECK_EQ(use(m.path, "open sesame", NULL), -ENOKEY);
	for (int i = 0; i < 2; i++) {
		CHECK(pread(fd, &h, sizeof(h), i ? OHIB_HEADER_B_PAGE : OHIB_HEADER_A_IN_PAGE) == sizeof(h));
		for (size_t k = 0; k < sizeof(h.key_slots); k++)
			CHECK(!((u8 *)h.key_slots)[k]);
	}
	ohib_writer_destroy(w);
	close(fd);
	unlink(m.path);
}

/* Costs that would stop the machine are not even begun. */
TEST(hostile_slots)
{
	static const u32 costs[][3] = {
		{ 0, 64, 2 }, { 1, 0, 1 }, { 1, 64, 0 }, { 1, 15, 2 }, { 65, 64, 1 }, { 1, UINT32_MAX, 1 },
		{ UINT32_MAX, 64, 1 }, { 1, 64, UINT32_MAX }, { 1, 64, 17 },
	};
	struct ohib_key_slot slot;
	struct sealed s;

	sealed_make(&s, 0, 100);
	slot = s.a->key_slots[0];
	for (size_t i = 0; i < ARRAY_SIZE(costs); i++) {
		memcpy(s.a->key_slots[0].kdf_param, costs[i], sizeof(costs[i]));
		header_fix(&s);
		CHECK_EQ(used(&s), -ENOTSUP);
	}
	s.a->key_slots[0] = slot;
	s.a->key_slots[0].kdf = 2;
	header_fix(&s);
	CHECK_EQ(used(&s), -ENOTSUP);
	/* a point of small order makes no key that anybody knows */
	s.a->key_slots[0] = slot;
	memset(s.a->key_slots[0].ephemeral, 0, 32);
	header_fix(&s);
	CHECK_EQ(used(&s), -EKEYREJECTED);
	/* what somebody makes who knows the salt and not the passphrase */
	{
		struct ohib_lock fake = s.locks.v[0];
		struct image_keys keys = { .late = { 1 } };

		memset(fake.point, 9, sizeof(fake.point));
		CHECK_EQ(keyslot_wrap(s.a, 0, &fake, &keys), 0);
		CHECK_EQ(sealing_header_seal(s.a, &keys), 0);
		header_fix(&s);
		CHECK_EQ(used(&s), -EKEYREJECTED);
	}
	sealed_free(&s);
}

/* IEEE 1619, XTS-AES-256, vector 10: data unit 0xff. */
TEST(xts_by_the_book)
{
	u8 key[XTS_KEY_BYTES], want[32], data[1024];
	struct xts *x;

	from_hex("2718281828459045235360287471352662497757247093699959574966967627"
		 "3141592653589793238462643383279502884197169399375105820974944592", key);
	from_hex("1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b", want);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (u8)i;
	REQUIRE(!xts_create(key, &x));
	CHECK_EQ(xts_encrypt(x, 0xff, data, sizeof(data)), 0);
	CHECK(!memcmp(data, want, sizeof(want)));
	/* the next sector is another one, also by itself */
	CHECK(memcmp(data + 512, want, sizeof(want)));
	CHECK_EQ(xts_decrypt(x, 0x100, data + 512, 512), 0);
	CHECK_EQ(xts_decrypt(x, 0xff, data, 512), 0);
	for (size_t i = 0; i < sizeof(data); i++)
		CHECK_EQ(data[i], (u8)i);
	CHECK_EQ(xts_decrypt(x, 0, data, 511), -EINVAL);
	xts_free(x);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(known_answers),
		TEST_CASE(aead_refuses_every_change),
		TEST_CASE(round_trip),
		TEST_CASE(nothing_is_in_the_clear),
		TEST_CASE(no_nonce_comes_twice),
		TEST_CASE(no_late_key_before_the_copy),
		TEST_CASE(wrong_key),
		TEST_CASE(bit_flips),
		TEST_CASE(swapped_chunks),
		TEST_CASE(spliced),
		TEST_CASE(stripped),
		TEST_CASE(truncated),
		TEST_CASE(states_and_the_key),
		TEST_CASE(abandoned),
		TEST_CASE(hostile_slots),
		TEST_CASE(xts_by_the_book),
	};

	return TEST_MAIN(t);
}
