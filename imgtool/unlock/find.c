// SPDX-License-Identifier: GPL-2.0-only
/* The keys of an image that is there: what needs nobody first, then somebody is asked. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "image/locate.h"
#include "seal/keyring.h"
#include "seal/prompt.h"
#include "unlock/keys.h"

#define CACHE_SECONDS 900
#define EMPTY_MAX 3u
#define WORDS_MAX 16u	/* that one key ring entry is asked for */

struct cache_name {
	char s[48];
};

static struct cache_name cache_name(const struct ohib_image_info *info)
{
	struct cache_name n = { "overlayctl:" };

	for (int i = 0; i < 16; i++)
		snprintf(n.s + strlen(n.s), 3, "%02x", info->uuid[i]);
	return n;
}

int key_cache_put(const struct ohib_image_info *info, const struct secret *keys)
{
	return keyring_put(cache_name(info).s, keys->data, keys->len, CACHE_SECONDS);
}

void key_cache_drop(const struct ohib_image_info *info)
{
	keyring_drop(cache_name(info).s);
}

static int cache_get(const struct ohib_image_info *info, struct secret **keys)
{
	int r = keyring_read(cache_name(info).s, keys);

	if (!r && (*keys)->len != OHIB_IMAGE_KEYS_BYTES) {
		secret_free(*keys);
		*keys = NULL;
		r = -ENOKEY;
	}
	return r;
}

/* One source that needs nobody. -ENOKEY: nothing there, -EKEYREJECTED: not the right one. */
static int try_source(const char *path, const struct key_source *s, struct secret **keys,
		      struct ohib_err *err)
{
	u32 type = s->kind == KEY_FILE ? OHIB_SLOT_KEY_FILE : OHIB_SLOT_PASSPHRASE;
	int r = -ENOKEY, got = -ENOKEY;

	for (unsigned int nth = 0; r && nth < WORDS_MAX; nth++) {
		struct secret *word = NULL;

		if (s->kind == KEY_RING)
			got = keyring_passphrase(s->arg, nth, &word);
		else
			got = nth ? -ENOKEY : key_file_read(s->arg, &word, err);
		if (got)
			return nth ? r : got;
		r = ohib_image_unlock(path, type, word, keys, NULL);
		if (r)
			ohib_err_set(err, r, "%s %s does not open the image",
				     s->kind == KEY_FILE ? "key file" : "the passphrase in key ring entry", s->arg);
		secret_free(word);
	}
	return r;
}

static int ask_once(const struct key_asking *ask, const char *program, const char *prompt,
		    struct secret **out, struct ohib_err *err)
{
	if (program)
		return prompt_program(program, prompt, out, err);
	if (ask->tty < 0)
		return ohib_err_set(err, -ENODATA, "there is nobody to be asked for the passphrase");
	return prompt_read(ask->tty, prompt, out, err);
}

static int ask_until(const char *path, const struct ohib_image_info *info, const struct key_asking *ask,
		     struct secret **keys, struct ohib_err *err)
{
	const char *program = ask->program;
	char prompt[300], when[32] = "?";
	time_t t = (time_t)info->created;
	unsigned int empty = 0;
	struct tm tm;
	int r = -ENODATA;

	if (gmtime_r(&t, &tm))
		strftime(when, sizeof(when), "%F %T UTC", &tm);
	for (unsigned int try = 0; !ask->tries || try < ask->tries; try++) {
		struct secret *word;
		bool stop;

		snprintf(prompt, sizeof(prompt), "%sPassphrase of the machine suspended %s%s%s%s: ",
			 try ? "No key with this passphrase. " : "", when, ask->give_up ? " (or \"" : "",
			 ask->give_up ? ask->give_up : "", ask->give_up ? "\")" : "");
		ohib_err_clear(err);
		r = ask_once(ask, program, prompt, &word, err);
		if (r == -ENODATA && program && (++empty < EMPTY_MAX || ask->tty >= 0)) {
			if (empty == EMPTY_MAX)
				program = NULL; /* it cannot ask: do it ourselves */
			continue;
		}
		/* Whoever wants it given up says so: an end of file is a slip, or a terminal that is gone. */
		if (r == -ENODATA && ask->give_up && !program) {
			if (++empty < 2 * EMPTY_MAX) {
				sleep(1);
				continue;
			}
			return err->code = -EAGAIN;
		}
		if (r)
			return r;
		empty = 0;
		r = ohib_image_unlock(path, OHIB_SLOT_PASSPHRASE, word, keys, err);
		stop = r == -EKEYREJECTED && ask->give_up && word->len == strlen(ask->give_up) &&
		       !memcmp(word->data, ask->give_up, word->len);
		secret_free(word);
		if (stop) {
			ohib_err_clear(err);
			return ohib_err_set(err, -ECANCELED, "given up by who was asked for the passphrase");
		}
		if (r != -EKEYREJECTED)
			return r;
	}
	return r;
}

int key_find(const char *path, const struct key_policy *p, const struct key_asking *ask,
	     struct secret **keys, struct ohib_err *err)
{
	struct ohib_image_info info;
	struct ohib_err why = { 0 };
	int r = ohib_image_peek(path, &info, err);

	*keys = NULL;
	if (r)
		return r;
	if (!info.sealed && p->demands)
		return ohib_err_set(err, -EKEYREJECTED, "%s: the image is not sealed, and key= in " OHIB_CONF
				    " demands that it is", path);
	if (!info.sealed)
		return 0;
	if (!info.slots)
		return 0; /* opening it tells that there is no key any more */
	if (!cache_get(&info, keys))
		return 0;
	for (unsigned int i = 0; i < p->nr; i++)
		if (p->v[i].kind != KEY_PASSPHRASE && !try_source(path, &p->v[i], keys, &why))
			return 0;
	if (info.slots & 1u << OHIB_SLOT_PASSPHRASE) {
		r = ask_until(path, &info, ask, keys, err);
		/* Nobody answered: that is not "no image". */
		if (r == -ENODATA)
			r = err->code = -ENOKEY;
		return r;
	}
	return ohib_err_set(err, -ENOKEY, "%s: the image is sealed with a key file%s%s", path,
			    why.code ? ": " : ", which was not given", why.msg);
}

int key_image_open(const char *path, const struct key_policy *p, const struct key_asking *ask,
		   struct ohib_image **img, struct ohib_err *err)
{
	struct secret *keys;
	int r = key_find(path, p, ask, &keys, err);

	if (!r)
		r = ohib_image_open_sealed(path, keys, img, err);
	secret_free(keys);
	return r;
}
