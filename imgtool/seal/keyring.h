/* SPDX-License-Identifier: GPL-2.0-only */
/* Secrets in the kernel's key rings: keys of type "user", found by name. */
#pragma once

#include "seal/secret.h"
#include "util/types.h"

/* From the rings of this process and of its user; -ENOKEY: there is none of that name. */
int keyring_read(const char *name, struct secret **out);
/*
 * Passphrase number @nth, from 0, that is in a user key; -ENOKEY: none. It is the key's one, but for systemd's "cryptsetup",
 * which has all that opened a disk so far, with a NUL behind each.
 */
int keyring_passphrase(const char *name, unsigned int nth, struct secret **out);
/* Into the ring of the user, for @seconds. */
int keyring_put(const char *name, const void *data, size_t len, unsigned int seconds);
/* The kernel wipes it. Not being there is no failure. */
void keyring_drop(const char *name);
