// SPDX-License-Identifier: GPL-2.0-only
/* Fuzz target: the section of deleted files, and writing each of them back. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ghost/ghost.h"
#include "image/ghosts_format.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* The id follows from two other fields, and the length from the input's: made good first. */
static void make_good(u8 *data, size_t size)
{
	struct ohib_ghosts_header h;
	struct ohib_ghost g;
	u64 pos = sizeof(h);

	if (size < sizeof(h))
		return;
	memcpy(&h, data, sizeof(h));
	memcpy(h.magic, OHIB_GHOSTS_MAGIC, sizeof(h.magic));
	h.version = OHIB_GHOSTS_VERSION;
	h.len = size;
	memcpy(data, &h, sizeof(h));
	while (size - pos >= sizeof(g)) {
		memcpy(&g, data + pos, sizeof(g));
		g.id = ghost_id(g.dev, g.ino);
		g.mode = 0100000 | (g.mode & 07777);
		g.size &= (1u << 20) - 1;
		g.fs_flags = 0;
		memcpy(data + pos, &g, sizeof(g));
		if (g.record_len < sizeof(g) || g.record_len > size - pos)
			return;
		pos += g.record_len;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u8 *copy = malloc(size + 1);
	struct ghosts *g;
	u64 pos;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	make_good(copy, size);
	if (ghosts_parse(copy, size, &g, NULL))
		return 0;
	for (pos = sizeof(struct ohib_ghosts_header); size - pos >= sizeof(struct ohib_ghost);) {
		struct ohib_ghost r;
		int fd = memfd_create("ghost", 0);

		memcpy(&r, copy + pos, sizeof(r));
		ghosts_write(g, r.id, fd, NULL);
		close(fd);
		pos += r.record_len;
	}
	ghosts_free(g);
	return 0;
}
