/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernels that are installed, and what of their configuration matters here. */
#pragma once

#include "util/err.h"
#include "util/types.h"

/*
 * The release that @wanted means: a whole one, a series ("6.12" is the newest 6.12.…), or NULL: the
 * newest but the running one. -ENOENT: none is installed.
 */
int kernel_find(const char *wanted, char *release, size_t size, struct ohib_err *err);

/* Roles that a kernel can have here, as bits. */
#define KERNEL_IS_IMAGE 1u	/* its machine is suspended */
#define KERNEL_IS_BOOT 2u	/* it runs the reloader; for a switch that is the next kernel */
#define KERNEL_ON_TRIAL 4u	/* the machine runs on a layer under it, or it may have to merge one */
#define KERNEL_HAS_AREA 8u	/* it swaps on the overlay device */
#define KERNEL_SEALS_AREA 16u	/* and encrypts what it writes there */

struct kernel_option {
	const char *name;	/* without CONFIG_ */
	unsigned int roles;	/* that need it */
	const char *why;
};
extern const struct kernel_option kernel_options[];
extern const size_t nr_kernel_options;

/* The options of /boot/config-@release that are neither y nor m: @missing is called for each. */
int kernel_options_check(const char *release, unsigned int roles,
			 void (*missing)(void *arg, const struct kernel_option *o), void *arg,
			 struct ohib_err *err);

/*
 * Is there a vmlinuz and an initrd of @release, and is our reloader in the latter? The hook leaves a
 * stamp with the checksums of both. -ENOENT something is not there, -ESTALE it is an older one.
 */
int kernel_can_resume(const char *release, struct ohib_err *err);

/* The path of the initramfs of @release, as Debian or as dracut names it; -ENOENT: it has none. */
int kernel_initramfs(const char *release, char *path, size_t size);

/* Is the sum that the hook wrote under @key that of @file now? 0 also when it wrote none; -ESTALE, with @what: no. */
int kernel_stamp_file(const char *release, const char *key, const char *file, const char *what,
		      struct ohib_err *err);

/* What the hook wrote under @key when it made the initramfs of @release; -ENODATA: nothing. */
int kernel_stamp_get(const char *release, const char *key, char *value, size_t size);
