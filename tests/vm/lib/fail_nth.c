// SPDX-License-Identifier: GPL-2.0-only
/*
 * To be preloaded: the FAIL_NTH-th allocation that a program itself asks for gives NULL. With FAIL_NTH=0 none does.
 * How many there were is written to the file FAIL_COUNT. Those of shared libraries do not count: json-c, for one,
 * does not look whether it has got the memory for a key.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t k, size_t n);
void *__libc_realloc(void *p, size_t n);

static atomic_ulong seen;
static unsigned long nth;
static const char *text_begin, *text_end;	/* of the program */

static int find_program(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size, (void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_LOAD && ph->p_flags & PF_X) {
			text_begin = (const char *)info->dlpi_addr + ph->p_vaddr;
			text_end = text_begin + ph->p_memsz;
		}
	}
	return 1; /* the program comes first */
}

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("FAIL_NTH");

	dl_iterate_phdr(find_program, NULL);
	nth = text ? strtoul(text, NULL, 10) : 0;
	seen = 0;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("FAIL_COUNT");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;

	if (fd >= 0) {
		dprintf(fd, "%lu\n", (unsigned long)seen);
		close(fd);
	}
}

static int fails(const char *caller)
{
	if (caller < text_begin || caller >= text_end || ++seen != nth)
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t k, size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(k, n);
}

void *realloc(void *p, size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

void *reallocarray(void *p, size_t k, size_t n)
{
	size_t all;

	if (__builtin_mul_overflow(k, n, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, all);
}
