/* SPDX-License-Identifier: GPL-2.0-only */
/* A vDSO as bytes: its functions, and the code that makes them lead elsewhere. */
#pragma once

#include "util/types.h"

#define VDSO_FUNCS_MAX 16

struct vdso_func {
	char name[32];	/* "__vdso_time" */
	u64 off, size;	/* in the image */
};

struct vdso_image {
	const u8 *bytes;
	size_t len;
	struct vdso_func funcs[VDSO_FUNCS_MAX];
	size_t nr_funcs;
};

/* -ENOEXEC: not an ELF shared object with the symbols where they are expected. */
int vdso_image_parse(struct vdso_image *v, const u8 *bytes, size_t len);
const struct vdso_func *vdso_image_find(const struct vdso_image *v, const char *name);
/* Every function of @old is at the same place in @new. */
bool vdso_image_same_entries(const struct vdso_image *old, const struct vdso_image *new);

#define VDSO_PATCH_MAX 32
/*
 * Code for @f at address @at that goes on at @target, or, with @target 0, makes the plain system
 * call. Length, 0: there is no such code for it.
 */
size_t vdso_patch(const struct vdso_func *f, u64 at, u64 target, u8 code[VDSO_PATCH_MAX]);

/* Marks bytes that are a redirected copy and no kernel's own: in e_ident's padding. */
void vdso_mark(u8 *bytes);
bool vdso_is_marked(const u8 *bytes);
