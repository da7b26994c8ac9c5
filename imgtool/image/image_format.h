/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The overlay image on disk: little-endian, fixed width, every part 4 KiB aligned.
 *
 *	byte 0      ustar header of the member overlayctl.hdr, 3072 bytes
 *	byte 512    header, copy A: that member
 *	byte 3584   ustar header of the member overlayctl.env, 1024 bytes
 *	byte 4096   GRUB environment block: that member; 3 KiB of zeros end the archive
 *	byte 8192   header, copy B; rest of the 4 KiB zero
 *	byte 12288  reserved (4096)
 *	byte 16384  sections, page chunks, PFN index, chunk index, in the order they were written
 *	behind it   room of a trial's layer, when one was asked for: trial/trial_format.h
 *
 * The beginning is a tar archive because GRUB can read and write variables in a file of one, while it
 * can only read them from a list of blocks: it counts attempts there, and says `stale` when the user
 * chooses to discard the machine. So the block may know more than the headers, never less.
 *
 * A sealed image has check_alg AEAD: all bytes stored are encrypted, the check fields are tags, the nonce
 * fields hold the nonces (the first twelve bytes), key_slots the wrapped keys, and the header's seal_tag
 * covers [OHIB_HEADER_SEALED_FROM, seal_tag), which is not encrypted. What comes before that may be
 * changed by a boot that has no key (marking the image stale) and must therefore never be what a decision
 * to trust rests on. Which key and which nonce seal what: image/sealing.h; how the keys are wrapped:
 * image/keyslot.h. When the image is spent its key slots are zeros.
 */
#pragma once

#include <assert.h>
#include <stddef.h>

#include "util/types.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "on-disk structs are little-endian");

#define OHIB_MAGIC "OHIBIMG\n"
#define OHIB_FORMAT_VERSION 1

#define OHIB_DISK_ALIGN 4096u
#define OHIB_HEADER_BYTES 3072u
#define OHIB_HEADER_A_PAGE 0u	/* 4 KiB with the two ustar headers */
#define OHIB_HEADER_A_IN_PAGE 512u
#define OHIB_ENV_TAR_IN_PAGE 3584u
#define OHIB_ENV_OFFSET 4096u
#define OHIB_ENV_BYTES 1024u	/* what GRUB insists on */
#define OHIB_HEADER_B_PAGE 8192u
#define OHIB_HEADER_B_IN_PAGE 0u
#define OHIB_DATA_OFFSET 16384u

#define OHIB_CHUNK_PAGES_MAX 64u /* one u64 of zero bits a chunk */
#define OHIB_KEY_SLOTS 4

/* Algorithm ids; append only. */
enum ohib_compress_alg { OHIB_COMPRESS_NONE = 0, OHIB_COMPRESS_LZ4 = 1 };
enum ohib_check_alg { OHIB_CHECK_XXH64 = 1, OHIB_CHECK_AEAD = 2 };
enum ohib_aead_alg { OHIB_AEAD_NONE = 0, OHIB_AEAD_AES256_OCB = 1, OHIB_AEAD_CHACHA20_POLY1305 = 2 };

/* PFN index entry: the kernel's own encoding from 6.6 on (kernel/power/snapshot.c, pack_pfns). */
#define OHIB_PFN_ZERO_FLAG (1ull << 63)

/* XXH64 in the first eight bytes and zeros behind, or an AEAD tag. */
struct ohib_check {
	u8 b[16];
};

struct ohib_nonce {
	u8 b[16];
};

#define OHIB_SECTION_RAW 1u	/* not compressed: stored_len == raw_len */
#define OHIB_SECTION_EARLY 2u	/* sealed with the early key: written before memory was copied */

struct ohib_section_entry {
	u32 id;			/* enum ohib_section; 0: unused entry */
	u32 flags;
	u64 offset;
	u64 stored_len;		/* bytes on disk, without the padding to 4 KiB */
	u64 raw_len;
	struct ohib_check check; /* of the bytes stored */
	struct ohib_nonce nonce;
};
static_assert(sizeof(struct ohib_section_entry) == 64, "section entry");

#define OHIB_CHUNK_RAW 1u	/* stored as it is: compressing it made it no smaller */

/*
 * nr_pages pages of the stream from data page first_page on. Pages whose zero bit is set are all
 * zero and not stored; the others follow each other. A chunk of nothing but zero pages has
 * stored_len 0. All chunks but the last have the header's chunk_pages pages.
 */
struct ohib_chunk_entry {
	u64 offset;
	u64 first_page;
	u32 stored_len;
	u16 nr_pages;
	u16 flags;
	u64 zero_bits;
	struct ohib_check check; /* of the bytes stored */
	struct ohib_nonce nonce;
};
static_assert(sizeof(struct ohib_chunk_entry) == 64, "chunk entry");

enum ohib_kdf { OHIB_KDF_ARGON2ID_X25519 = 1 };

struct ohib_key_slot {
	u32 type;		/* enum ohib_slot_type (unlock.h); 0: empty */
	u32 kdf;
	u32 kdf_param[4];	/* passes, KiB, lanes, 0 */
	u8 salt[32];
	u8 nonce[16];
	u8 wrapped_key[64];	/* late key, early key */
	u8 tag[16];
	u8 ephemeral[32];	/* X25519 point, new for each slot */
	u8 reserved[72];
};
static_assert(sizeof(struct ohib_key_slot) == 256, "key slot");

/* A switch of it is a trial: who does not know that would spend the image, and write to the disks. */
#define OHIB_INCOMPAT_TRIAL 1u
#define OHIB_INCOMPAT_KNOWN OHIB_INCOMPAT_TRIAL

struct ohib_header {
	u8 magic[8];
	u32 version;
	u32 header_bytes;
	/* What changes after the image was made. */
	u64 generation;
	u32 state;		/* enum ohib_state */
	u32 attempts;
	char reason[256];
	/* What does not: the sealed part. */
	u32 compat;		/* features that an older reader may overlook; none yet */
	u32 incompat;		/* features that a reader must know: OHIB_INCOMPAT_* */
	u8 uuid[16];
	u64 created;		/* CLOCK_REALTIME, seconds */
	char machine_id[40];
	char image_kernel[72];
	char next_kernel[72];	/* empty: exact resume */
	char device[128];	/* how this device is to be found: PARTUUID=…, LABEL=… or a path */
	u32 page_size;
	u32 chunk_pages;
	u32 compress_alg;
	u32 check_alg;
	u32 aead_alg;
	u32 reserved0;
	u64 nr_pages;		/* pages of the stream with data, all-zero ones among them */
	u64 nr_zero_pages;	/* pages that the kernel itself told to be zero */
	u64 nr_zero_found;	/* of nr_pages those that the writer found to be zero */
	u64 nr_chunks;
	u64 raw_bytes;		/* nr_pages * page_size */
	u64 stored_bytes;	/* sum of the chunks' stored_len */
	u64 end_offset;		/* first byte behind the image */
	u64 index_offset;	/* nr_chunks entries, not compressed */
	u64 index_len;
	struct ohib_check index_check;
	struct ohib_nonce index_nonce;
	u8 reserved1[8];
	struct ohib_section_entry sections[16];
	struct ohib_key_slot key_slots[OHIB_KEY_SLOTS];
	u64 trial_offset;	/* room of a trial's layer behind the image, with OHIB_INCOMPAT_TRIAL */
	u64 trial_bytes;
	u8 reserved2[192];
	struct ohib_nonce seal_nonce;
	u8 seal_tag[16];
	u8 reserved3[8];
	u64 check;		/* XXH64 of all that comes before */
};
static_assert(sizeof(struct ohib_header) == OHIB_HEADER_BYTES, "header size");
static_assert(offsetof(struct ohib_header, generation) == 16, "header layout");
static_assert(offsetof(struct ohib_header, compat) == 288, "header layout");
static_assert(offsetof(struct ohib_header, page_size) == 632, "header layout");
static_assert(offsetof(struct ohib_header, sections) == 768, "header layout");
static_assert(offsetof(struct ohib_header, key_slots) == 1792, "header layout");
static_assert(offsetof(struct ohib_header, trial_offset) == 2816, "header layout");
static_assert(offsetof(struct ohib_header, seal_nonce) == 3024, "header layout");
static_assert(offsetof(struct ohib_header, check) == 3064, "header layout");

#define OHIB_HEADER_SEALED_FROM offsetof(struct ohib_header, compat)
