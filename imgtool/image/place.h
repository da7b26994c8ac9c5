/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An image in a file of an ext2, ext3 or ext4, as NODE:/PATH: the device of the file system, and the
 * file's path on that. It is read and written through the device, so the file system need not be
 * mounted, and may be frozen.
 *
 * The image is the file, but for the 4 KiB at OHIB_ENV_OFFSET: these are the one block of PATH.env, a
 * small file that GRUB can write to. Both files are pinned (FS_IMMUTABLE_FL): as long as they are,
 * their blocks are ours and stay where they are.
 */
#pragma once

#include "disk/extfile.h"
#include "util/err.h"
#include "util/types.h"

#define PLACE_ENV ".env"

/* The path in "NODE:/PATH" or "UUID=…:/PATH"; NULL: a device or a file as such. */
const char *place_path(const char *spec);

/*
 * Where the image @spec lies on its device. -ENODATA: there is no such file; -EPERM: it is not
 * pinned; -EOPNOTSUPP: not in that file system. @image is to be freed in any case.
 */
int place_find(const char *spec, struct extfile *image, struct ohib_err *err);

/*
 * @spec (NODE:/PATH) and @name (UUID=…:/PATH, good at the next boot; may be NULL) of a file that is
 * mounted here; the kernel must agree with the file system's metadata on where it lies. Refuses what
 * GRUB or an initramfs could not use, and what place_find does.
 */
int place_of_file(const char *file, char *spec, size_t spec_size, char *name, size_t name_size,
		  struct ohib_err *err);

/* Could an image be in a file of this name? Its folder is there, and the name has no links in it. */
int place_usable(const char *file, struct ohib_err *err);

/*
 * create.c: make the file, its .env, and the begin of an image without a machine in it; nothing stays
 * when it fails. The name as it is without links goes to @real.
 */
int place_create(const char *file, u64 bytes, char *real, size_t real_size, struct ohib_err *err);
