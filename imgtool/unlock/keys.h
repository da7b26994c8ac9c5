/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the key of an image comes from: key= in overlayctl.conf, options of the commands. Each source is
 * one word:
 *
 *	passphrase	asked for
 *	keyring:NAME	a passphrase that is in the kernel's key rings already, as key NAME of type user
 *	file:PATH	all bytes of a file
 *	none		no key: the image is not sealed
 *
 * Several may be given: any of them opens the image. A passphrase is looked for in the key rings first.
 */
#pragma once

#include "image/unlock.h"
#include "util/err.h"
#include "util/types.h"

#define KEY_SOURCES_MAX 8

enum key_kind { KEY_PASSPHRASE, KEY_RING, KEY_FILE };

struct key_source {
	enum key_kind kind;
	char arg[256];		/* name or path */
};

struct key_policy {
	unsigned int nr;
	struct key_source v[KEY_SOURCES_MAX];
	bool none;		/* said, not only left out */
	bool demands;		/* an image that is not sealed is refused */
};

/* -EINVAL: not one of the words above, or none together with another. */
int key_policy_add(struct key_policy *p, const char *word, struct ohib_err *err);
/* What the configuration file says, separated by blanks; nothing: an empty policy. */
int key_policy_load(struct key_policy *p, struct ohib_err *err);
/* All bytes of a key file; "-" is standard input. */
int key_file_read(const char *path, struct secret **out, struct ohib_err *err);

/*
 * Locks for a new image. The passphrase is asked for, twice on a terminal, on standard input; it is read and
 * made into a key by a child process, which is gone when this returns: this process gets to know
 * nothing that opens an image. @lock_memory: of that child, all of it.
 */
int key_locks_make(const struct key_policy *p, bool lock_memory, struct ohib_locks *out,
		   struct ohib_err *err);

struct key_asking {
	const char *program;	/* see prompt_program(); NULL: ask on the terminal */
	int tty;		/* -1: nobody can be asked */
	unsigned int tries;	/* 0: until there is the right one */
	const char *give_up;	/* a word that ends it, when it is not the passphrase; NULL: none */
};

/*
 * The keys of the image on @path, by the sources of @p and then by asking; NULL in @keys: it is not sealed.
 * -ENOKEY: no source opens it, and nobody answered; -ECANCELED: given up; -EKEYREJECTED: not the right passphrase, or not sealed
 * where @p demands it.
 */
int key_find(const char *path, const struct key_policy *p, const struct key_asking *ask,
	     struct secret **keys, struct ohib_err *err);
/* Both in one. */
int key_image_open(const char *path, const struct key_policy *p, const struct key_asking *ask,
		   struct ohib_image **img, struct ohib_err *err);

/* The keys of one image, kept by the kernel for the next program of this boot (the hooks start several). */
int key_cache_put(const struct ohib_image_info *info, const struct secret *keys);
void key_cache_drop(const struct ohib_image_info *info);
