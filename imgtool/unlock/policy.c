// SPDX-License-Identifier: GPL-2.0-only
/* Words that say where a key comes from. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/locate.h"
#include "unlock/keys.h"
#include "util/cleanup.h"

#define KEY_FILE_MAX (64u << 10)

static const struct {
	const char *prefix;
	enum key_kind kind;
	bool has_arg;
} words[] = {
	{ "passphrase", KEY_PASSPHRASE, false },
	{ "keyring:", KEY_RING, true },
	{ "file:", KEY_FILE, true },
};

int key_policy_add(struct key_policy *p, const char *word, struct ohib_err *err)
{
	struct key_source s;

	if (!strcmp(word, "none")) {
		p->none = true;
		if (p->nr)
			return ohib_err_set(err, -EINVAL, "key=none together with a key");
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i].prefix);

		if (strncmp(word, words[i].prefix, n) || (words[i].has_arg ? !word[n] : word[n]))
			continue;
		if (p->none)
			return ohib_err_set(err, -EINVAL, "key=none together with a key");
		if (p->nr == KEY_SOURCES_MAX || strlen(word + n) >= sizeof(s.arg))
			return ohib_err_set(err, -E2BIG, "%s: too long, or one too many", word);
		s.kind = words[i].kind;
		strcpy(s.arg, word + n);
		p->v[p->nr++] = s;
		return 0;
	}
	return ohib_err_set(err, -EINVAL, "%s is none of passphrase, keyring:NAME, file:PATH, none", word);
}

int key_policy_load(struct key_policy *p, struct ohib_err *err)
{
	char text[1024], *save, *word;
	int r = ohib_conf_get("key", text, sizeof(text));

	*p = (struct key_policy){ 0 };
	if (r == -ENODATA)
		return 0;
	if (r)
		return ohib_err_set(err, r, "%s: %s", OHIB_CONF, strerror(-r));
	for (word = strtok_r(text, " \t", &save); word && !r; word = strtok_r(NULL, " \t", &save)) {
		struct ohib_err e = { 0 };

		r = key_policy_add(p, word, &e);
		if (r)
			ohib_err_set(err, r, "%s: key=: %s", OHIB_CONF, e.msg);
	}
	return r;
}

int key_file_read(const char *path, struct secret **out, struct ohib_err *err)
{
	bool is_stdin = !strcmp(path, "-");
	_cleanup_close_ int own = is_stdin ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int fd = is_stdin ? STDIN_FILENO : own;
	_cleanup_secret_ struct secret *s = NULL;
	ssize_t n;

	if (fd < 0)
		return ohib_err_set(err, -errno, "key file %s: %s", path, strerror(errno));
	s = secret_create(KEY_FILE_MAX);
	if (!s)
		return ohib_err_set(err, -ENOMEM, "no memory that can be locked for the key file");
	while ((n = read(fd, s->data + s->len, s->room - s->len)) > 0) {
		s->len += (size_t)n;
		if (s->len == s->room)
			return ohib_err_set(err, -EFBIG, "key file %s: more than %u bytes", path,
					    KEY_FILE_MAX - 1);
	}
	if (n < 0)
		return ohib_err_set(err, -errno, "key file %s: %s", path, strerror(errno));
	if (!s->len)
		return ohib_err_set(err, -EINVAL, "key file %s: it is empty", path);
	*out = no_free_ptr(s);
	return 0;
}
