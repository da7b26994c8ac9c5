/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Super blocks of file systems, from outside: the device that holds one, and whether it is still what it
 * was when the machine was suspended.
 * Reads: block devices, past every cache. Never: writes.
 */
#pragma once

#include "util/err.h"
#include "util/types.h"

/* ext2, ext3, ext4: struct ext4_super_block, fs/ext4/ext4.h. Nothing else is compared. */
#define SUPER_OFFSET 1024u
#define SUPER_BYTES 1024u

bool super_is_known(const char *type);
/* The file system's UUID in its super block of SUPER_BYTES; false: it has none. */
bool super_uuid(const u8 *super, u8 uuid[16]);

/*
 * The device with this file system: names differ between kernels. -ENODEV: there is none,
 * -ENOTUNIQ: several. @was: what it was called, for the message.
 */
int super_find(const u8 uuid[16], const char *was, char node[80], struct ohib_err *err);

/* @len bytes at @offset of the device. */
int super_read(const char *node, u64 offset, size_t len, void *bytes, struct ohib_err *err);

/* Has it no journal to be replayed? */
bool super_is_clean(const u8 *super);
/* -ESTALE: @node is not what it was any more. */
int super_compare(const char *node, const u8 *was, size_t len, u64 offset, struct ohib_err *err);
