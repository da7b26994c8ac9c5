// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks for a new image, made by a process of their own. What the passphrase and what Argon2id leave in
 * memory is given back to the kernel with that process, before anything is frozen: free pages are not in an
 * image, and no other process knows more than the half of a lock that closes it.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "seal/keyring.h"
#include "seal/prompt.h"
#include "unlock/keys.h"

static int ask_new(struct secret **out, struct ohib_err *err)
{
	struct secret *again;
	bool same;
	int r = prompt_read(STDIN_FILENO, "Passphrase for the image: ", out, err);

	if (r || !isatty(STDIN_FILENO))
		return r;
	r = prompt_read(STDIN_FILENO, "Verify passphrase: ", &again, err);
	same = !r && again->len == (*out)->len && !memcmp(again->data, (*out)->data, again->len);
	if (!r)
		secret_free(again);
	if (!r && !same)
		r = ohib_err_set(err, -EINVAL, "the passphrases are not the same");
	if (r)
		secret_free(*out);
	return r;
}

/* The passphrase of the policy, from a ring or asked for; -ENODATA: it has none. */
static int passphrase(const struct key_policy *p, struct secret **out, struct ohib_err *err)
{
	const char *ring = NULL;
	bool may_ask = false;

	for (unsigned int i = 0; i < p->nr; i++) {
		may_ask |= p->v[i].kind == KEY_PASSPHRASE;
		if (p->v[i].kind != KEY_RING)
			continue;
		ring = p->v[i].arg;
		if (!keyring_passphrase(ring, 0, out))
			return 0;
	}
	if (may_ask)
		return ask_new(out, err);
	if (!ring)
		return -ENODATA;
	return ohib_err_set(err, -ENOKEY, "no key ring has a user key \"%s\": unlock what puts it there, or let the "
			    "passphrase be asked for (--passphrase, or passphrase in key=)", ring);
}

static int locks_make(const struct key_policy *p, struct ohib_locks *l, struct ohib_err *err)
{
	struct secret *s;
	int r = passphrase(p, &s, err);

	if (!r) {
		r = ohib_lock_make(OHIB_SLOT_PASSPHRASE, s, &kdf_cost_default, &l->v[l->nr++], err);
		secret_free(s);
	} else if (r == -ENODATA && (!err || !err->code)) {
		r = 0;
	}
	for (unsigned int i = 0; !r && i < p->nr; i++) {
		if (p->v[i].kind != KEY_FILE)
			continue;
		if (l->nr == OHIB_LOCKS_MAX)
			return ohib_err_set(err, -E2BIG, "an image has room for %d keys", OHIB_LOCKS_MAX);
		r = key_file_read(p->v[i].arg, &s, err);
		if (r)
			break;
		r = ohib_lock_make(OHIB_SLOT_KEY_FILE, s, &kdf_cost_default, &l->v[l->nr++], err);
		secret_free(s);
	}
	return r;
}

struct answer {
	int result;
	struct ohib_locks locks;
	struct ohib_err err;
};
static_assert(sizeof(struct answer) <= 4096, "no more than PIPE_BUF: all of it or nothing");

int key_locks_make(const struct key_policy *p, bool lock_memory, struct ohib_locks *out,
		   struct ohib_err *err)
{
	struct answer a = { 0 };
	int end[2], r = 0;
	ssize_t n = 0;
	pid_t pid;

	*out = (struct ohib_locks){ 0 };
	if (!p->nr)
		return 0;
	if (pipe(end))
		return ohib_err_set(err, -errno, "pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (!pid) {
		/* what it touches, not all that it has from its parent */
		if (lock_memory && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
			a.result = ohib_err_set(&a.err, -errno, "locking memory: %s", strerror(errno));
		if (!a.result)
			a.result = locks_make(p, &a.locks, &a.err);
		_exit(write(end[1], &a, sizeof(a)) != sizeof(a));
	}
	if (pid < 0)
		r = ohib_err_set(err, -errno, "fork: %s", strerror(errno));
	close(end[1]);
	if (!r) {
		do
			n = read(end[0], &a, sizeof(a));
		while (n < 0 && errno == EINTR);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(end[0]);
	if (!r && n != sizeof(a))
		r = ohib_err_set(err, -EIO, "the process that derives the key ended too early");
	if (!r && a.result)
		r = ohib_err_set(err, a.result, "%s", a.err.msg);
	if (!r)
		*out = a.locks;
	explicit_bzero(&a, sizeof(a));
	return r;
}
