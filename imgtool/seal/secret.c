// SPDX-License-Identifier: GPL-2.0-only
/* Bytes that nobody else may see: a mapping of their own for each. */
#include <string.h>
#include <sys/mman.h>

#include "seal/secret.h"

static size_t mapping(size_t room)
{
	return (sizeof(struct secret) + room + OHIB_PAGE_SIZE - 1) & ~(size_t)(OHIB_PAGE_SIZE - 1);
}

struct secret *secret_create(size_t room)
{
	size_t len = mapping(room);
	struct secret *s;

	s = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return NULL;
	if (mlock(s, len)) {
		munmap(s, len);
		return NULL;
	}
	madvise(s, len, MADV_DONTDUMP);
	madvise(s, len, MADV_WIPEONFORK);
	s->room = room;
	return s;
}

void secret_free(struct secret *s)
{
	size_t len;

	if (!s)
		return;
	len = mapping(s->room);
	explicit_bzero(s, len);
	munmap(s, len);
}
