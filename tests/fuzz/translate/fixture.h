/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine's memory cut down to what the translator reads of it, small enough for the tree: made by reduce.c of a real
 * image, put into a real image again by whoever uses it.
 */
#pragma once

#include <stdio.h>

#include "image/image.h"
#include "machine/machine.h"

#define FIXTURE_MAGIC "OHIBFIX1"
#define FIXTURE_ZERO (1ull << 63)	/* of a frame: in the image, and nothing in it was read */

/* In an xz file: this, the sections, the frames, then the pages of those that have some. Little-endian. */
struct fixture_head {
	char magic[8];
	u64 nr_frames, nr_pages;
	u64 section_len[OHIB_SEC_MAX];
	char image_kernel[72];
};

struct fixture {
	struct ohib_image *img;
	u64 *pfns;	/* rising, without the mark */
	const u8 **pages;	/* of each; NULL: zeros */
	u64 nr;
	u8 *data;	/* all of the file */
};

/* @path is the file. The image is a temporary file that is gone with it. */
int fixture_open(const char *path, struct fixture *f, struct ohib_err *err);
void fixture_close(struct fixture *f);
/* Position of frame @pfn, -1: none. */
s64 fixture_find(const struct fixture *f, u64 pfn);

/* What a machine has in it, a line for each process and each sort of object: the same before and after. */
void fixture_tell(const struct machine *m, FILE *out);
