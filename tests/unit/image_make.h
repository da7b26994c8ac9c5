/* SPDX-License-Identifier: GPL-2.0-only */
/* A small image in a file for tests: pages of every sort, whose contents follow from their number. */
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/image.h"
#include "image/image_format.h"
#include "image/unlock.h"
#include "image/writer.h"

struct made_image {
	char path[64];
	u64 nr;			/* PFNs in the list */
	u64 *pfns;		/* with the zero flag */
	u64 room;		/* of the file; 0: all */
	bool trial;		/* write it with room for a trial */
	const struct ohib_locks *locks;	/* NULL: not sealed */
	u32 aead_alg;
};

static inline u64 made_mix(u64 x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

/* Page contents by frame: a third random bytes, a third text, a sixth zero, a sixth mostly zero. */
static inline void made_page(u64 pfn, u8 *page)
{
	u64 kind = made_mix(pfn) % 6;

	memset(page, 0, 4096);
	if (kind < 2)
		for (unsigned int i = 0; i < 512; i++)
			((u64 *)page)[i] = made_mix(pfn * 512 + i);
	else if (kind < 4)
		for (unsigned int i = 0; i < 4096; i++)
			page[i] = (u8)("the quick brown fox "[(i + pfn) % 20]);
	else if (kind == 4)
		page[4095] = 1;
}

static inline void made_file(struct made_image *m, u64 size)
{
	int fd;

	memset(m, 0, sizeof(*m));
	strcpy(m->path, "/tmp/ohib-image-XXXXXX");
	fd = mkstemp(m->path);
	if (fd < 0 || ftruncate(fd, (off_t)size))
		abort();
	close(fd);
}

/* List of @n frames with gaps; every eleventh is told to be zero. */
static inline void made_list(struct made_image *m, u64 n)
{
	u64 pfn = 1;

	m->nr = n;
	m->pfns = malloc(n * sizeof(u64) + 1);
	for (u64 i = 0; i < n; i++) {
		pfn += 1 + (made_mix(i) % 7 == 0 ? made_mix(i) % 100 : 0);
		m->pfns[i] = pfn | (i % 11 == 3 ? OHIB_PFN_ZERO_FLAG : 0);
	}
}

static inline int made_write(struct made_image *m, unsigned int chunk_pages, struct ohib_err *err)
{
	struct ohib_writer_opts o = {
		.path = m->path,
		.device = "PARTLABEL=overlay",
		.image_kernel = "6.1.0-test",
		.next_kernel = "6.12.0-test",
		.machine_id = "0123456789abcdef0123456789abcdef",
		.max_pages = m->nr + 10,
		.nr_threads = 3,
		.chunk_pages = chunk_pages,
		.room = m->room,
		.trial = m->trial,
		.locks = m->locks,
		.aead_alg = m->aead_alg,
	};
	struct ohib_writer *w;
	char text[10000];
	int r = ohib_writer_create(&o, &w, err);

	if (r)
		return r;
	memset(text, 'x', sizeof(text));
	r = ohib_writer_section(w, OHIB_SEC_KALLSYMS, text, sizeof(text), true, err);
	if (!r)
		r = ohib_writer_section(w, OHIB_SEC_CONFIG, "{}", 2, true, err);
	if (!r)
		r = ohib_writer_snapshot_taken(w, err);
	memcpy(ohib_writer_pfns(w), m->pfns, m->nr * sizeof(u64));
	if (!r)
		r = ohib_writer_pages_begin(w, m->nr, err);
	if (!r) {
		for (u64 i = 0; i < m->nr; i++) {
			void *page;

			if (m->pfns[i] & OHIB_PFN_ZERO_FLAG)
				continue;
			page = ohib_writer_page(w);
			if (!page)
				break;
			made_page(m->pfns[i], page);
			ohib_writer_page_done(w);
		}
		r = ohib_writer_pages_end(w, err);
	}
	if (!r)
		r = ohib_writer_section(w, OHIB_SEC_VMCOREINFO, "A=1\n", 4, false, err);
	if (!r)
		r = ohib_writer_arm(w, err);
	ohib_writer_destroy(w);
	return r;
}

static inline void made_free(struct made_image *m)
{
	unlink(m->path);
	free(m->pfns);
}
