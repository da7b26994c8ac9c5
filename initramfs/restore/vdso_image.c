// SPDX-License-Identifier: GPL-2.0-only
/* A vDSO as bytes. */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "vdso_image.h"

static const u8 mark[EI_NIDENT - EI_PAD] = { 'o', 'h', 'i', 'b', 'v', '1', 0 };

void vdso_mark(u8 *bytes)
{
	memcpy(bytes + EI_PAD, mark, sizeof(mark));
}

bool vdso_is_marked(const u8 *bytes)
{
	return !memcmp(bytes, ELFMAG, SELFMAG) && !memcmp(bytes + EI_PAD, mark, sizeof(mark));
}

static int add(struct vdso_image *v, const char *name, const Elf64_Sym *sym)
{
	struct vdso_func *f = &v->funcs[v->nr_funcs];

	if (strncmp(name, "__vdso_", 7) || v->nr_funcs == VDSO_FUNCS_MAX)
		return 0;
	if (sym->st_value >= v->len || sym->st_size > v->len - sym->st_value)
		return -ENOEXEC;
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->off = sym->st_value;
	f->size = sym->st_size;
	v->nr_funcs++;
	return 0;
}

int vdso_image_parse(struct vdso_image *v, const u8 *bytes, size_t len)
{
	const Elf64_Ehdr *eh = (const void *)bytes;
	const Elf64_Shdr *sh, *str;
	int ret;

	memset(v, 0, sizeof(*v));
	v->bytes = bytes;
	v->len = len;
	if (len < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) ||
	    eh->e_shentsize != sizeof(*sh) || eh->e_shoff > len ||
	    eh->e_shnum > (len - eh->e_shoff) / sizeof(*sh) || eh->e_shoff % 8)
		return -ENOEXEC;
	sh = (const void *)(bytes + eh->e_shoff);
	for (u32 i = 0; i < eh->e_shnum; i++) {
		const Elf64_Sym *sym = (const void *)(bytes + sh[i].sh_offset);

		if (sh[i].sh_type != SHT_DYNSYM)
			continue;
		if (sh[i].sh_link >= eh->e_shnum || sh[i].sh_offset > len || sh[i].sh_offset % 8 ||
		    sh[i].sh_size > len - sh[i].sh_offset)
			return -ENOEXEC;
		str = &sh[sh[i].sh_link];
		if (str->sh_offset > len || str->sh_size > len - str->sh_offset || !str->sh_size ||
		    bytes[str->sh_offset + str->sh_size - 1])
			return -ENOEXEC;
		for (u64 k = 0; k < sh[i].sh_size / sizeof(*sym); k++) {
			if (sym[k].st_name >= str->sh_size || sym[k].st_shndx == SHN_UNDEF)
				continue;
			ret = add(v, (const char *)bytes + str->sh_offset + sym[k].st_name, &sym[k]);
			if (ret)
				return ret;
		}
		return v->nr_funcs ? 0 : -ENOEXEC;
	}
	return -ENOEXEC;
}

const struct vdso_func *vdso_image_find(const struct vdso_image *v, const char *name)
{
	for (size_t i = 0; i < v->nr_funcs; i++)
		if (!strcmp(v->funcs[i].name, name))
			return &v->funcs[i];
	return NULL;
}

bool vdso_image_same_entries(const struct vdso_image *old, const struct vdso_image *new)
{
	for (size_t i = 0; i < old->nr_funcs; i++) {
		const struct vdso_func *f = vdso_image_find(new, old->funcs[i].name);

		if (!f || f->off != old->funcs[i].off)
			return false;
	}
	return true;
}

static const struct {
	const char *name;
	u32 nr;
} plain[] = {
	{ "__vdso_clock_gettime", SYS_clock_gettime },
	{ "__vdso_clock_getres", SYS_clock_getres },
	{ "__vdso_gettimeofday", SYS_gettimeofday },
	{ "__vdso_time", SYS_time },
	{ "__vdso_getcpu", SYS_getcpu },
	{ "__vdso_getrandom", SYS_getrandom },
};

/* getrandom's fifth argument ~0 asks for the state's parameters: there is none to be had then. */
static const u8 no_state[] = {
	0x49, 0x83, 0xf8, 0xff,			  /* cmp $-1, %r8 */
	0x75, 0x08,				  /* jne +8 */
	0x48, 0xc7, 0xc0, 0xda, 0xff, 0xff, 0xff, /* mov $-ENOSYS, %rax */
	0xc3,					  /* ret */
};

size_t vdso_patch(const struct vdso_func *f, u64 at, u64 target, u8 code[VDSO_PATCH_MAX])
{
	size_t n = 0;
	s64 rel;
	s32 rel32;

	if (target) {
		rel = (s64)(target - (at + 5));
		rel32 = (s32)rel;
		if (rel32 != rel)
			return 0;
		code[n++] = 0xe9; /* jmp rel32 */
		memcpy(code + n, &rel32, sizeof(rel32));
		return n + sizeof(rel32);
	}
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (strcmp(plain[i].name, f->name))
			continue;
		if (plain[i].nr == SYS_getrandom) {
			memcpy(code, no_state, sizeof(no_state));
			n = sizeof(no_state);
		}
		code[n++] = 0xb8; /* mov $nr, %eax */
		memcpy(code + n, &plain[i].nr, 4);
		n += 4;
		code[n++] = 0x0f; /* syscall */
		code[n++] = 0x05;
		code[n++] = 0xc3; /* ret */
		return n <= f->size ? n : 0;
	}
	return 0;
}
