// SPDX-License-Identifier: GPL-2.0-only
/*
 * How fast images are written and read, sealed and not: MB of pages in a second, through a file in memory.
 *
 *	build/speed/seal [MEGABYTES [THREADS]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "image/image.h"
#include "image/unlock.h"
#include "image/writer.h"
#include "seal/aead.h"

#define ROUNDS 3

static u8 *pages;	/* what a machine has: a third each of text, of little but zeros, of noise */
#define SAMPLE 1024u

static void sample_make(void)
{
	u64 x = 88172645463325252ull;

	pages = malloc((size_t)SAMPLE * OHIB_PAGE_SIZE);
	if (!pages)
		abort();
	for (size_t i = 0; i < SAMPLE; i++) {
		u8 *p = pages + i * OHIB_PAGE_SIZE;

		memset(p, 0, OHIB_PAGE_SIZE);
		for (size_t k = 0; k < OHIB_PAGE_SIZE; k += 8) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			if (i % 3 == 0)
				memcpy(p + k, &(u64){ 0x2066206e6f697473ull + (x & 0x0f0f) }, 8);
			else if (i % 3 == 1 ? !(k % 128) : 1)
				memcpy(p + k, &x, 8);
		}
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int r, const struct ohib_err *err)
{
	if (!r)
		return;
	fprintf(stderr, "%s\n", err->msg);
	exit(1);
}

static double write_one(const char *path, const struct ohib_locks *locks, u32 alg, u64 nr, unsigned int threads)
{
	const struct ohib_writer_opts o = {
		.path = path, .image_kernel = "speed", .max_pages = nr, .nr_threads = threads,
		.locks = locks, .aead_alg = alg,
	};
	struct ohib_err err = { 0 };
	struct ohib_writer *w;
	double begun;

	must(ohib_writer_create(&o, &w, &err), &err);
	must(ohib_writer_snapshot_taken(w, &err), &err);
	for (u64 i = 0; i < nr; i++)
		ohib_writer_pfns(w)[i] = i + 1;
	begun = now();
	must(ohib_writer_pages_begin(w, nr, &err), &err);
	for (u64 i = 0; i < nr; i++) {
		void *page = ohib_writer_page(w);

		if (!page)
			break;
		memcpy(page, pages + i % SAMPLE * OHIB_PAGE_SIZE, OHIB_PAGE_SIZE);
		ohib_writer_page_done(w);
	}
	must(ohib_writer_pages_end(w, &err), &err);
	must(ohib_writer_arm(w, &err), &err);
	begun = now() - begun;
	ohib_writer_destroy(w);
	return begun;
}

static double read_one(const char *path, const struct secret *keys, unsigned int threads)
{
	struct ohib_err err = { 0 };
	struct ohib_image *img;
	double begun = now();

	must(ohib_image_open_sealed(path, keys, &img, &err), &err);
	must(ohib_image_verify(img, threads, &err), &err);
	ohib_image_close(img);
	return now() - begun;
}

int main(int argc, char **argv)
{
	u64 mb = argc > 1 ? strtoull(argv[1], NULL, 10) : 512, nr = (mb << 20) / OHIB_PAGE_SIZE;
	unsigned int threads = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 0;
	struct ohib_locks locks = { .nr = 1 };
	struct secret *s = secret_create(8), *keys;
	struct ohib_err err = { 0 };
	double begun;
	char path[64];
	int fd = memfd_create("image", 0);

	if (fd < 0 || !s || !nr || ftruncate(fd, (off_t)((mb + 64) << 20)))
		return 1;
	memset(s->data, 1, s->len = 8);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	sample_make();
	begun = now();
	must(ohib_lock_make(OHIB_SLOT_KEY_FILE, s, &kdf_cost_default, &locks.v[0], &err), &err);
	printf("%-22s%8.3f s\n", "key of a passphrase", now() - begun);
	printf("%-22s%10s%10s   MB/s\n", "", "write", "read");
	for (u32 alg = AEAD_NONE; alg <= AEAD_CHACHA20_POLY1305; alg++) {
		double wrote = 1e9, read = 1e9, t;

		for (int i = 0; i < ROUNDS; i++) {
			t = write_one(path, alg ? &locks : NULL, alg, nr, threads);
			wrote = t < wrote ? t : wrote;
			keys = NULL;
			if (alg)
				must(ohib_image_unlock(path, 0, s, &keys, &err), &err);
			t = read_one(path, keys, threads);
			read = t < read ? t : read;
			secret_free(keys);
			must(ohib_image_set_state(path, OHIB_STATE_STALE, NULL, &err), &err);
		}
		printf("%-22s%10.0f%10.0f\n", alg ? aead_name(alg) : "not sealed (XXH64)",
		       (double)nr * OHIB_PAGE_SIZE / 1e6 / wrote, (double)nr * OHIB_PAGE_SIZE / 1e6 / read);
	}
	secret_free(s);
	return 0;
}
