// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's key rings by plain system calls (security/keys/keyctl.c). */
#include <errno.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seal/keyring.h"

#define TYPE "user"
#define PERM_ALL 0x3f3f0000u	/* KEY_POS_ALL | KEY_USR_ALL (include/linux/key.h) */

static long find(const char *name)
{
	/* process, session and, where there is no session, the user's session ring; then the user's own */
	long id = syscall(SYS_request_key, TYPE, name, NULL, 0);

	if (id < 0)
		id = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, TYPE, name, 0);
	return id;
}

int keyring_read(const char *name, struct secret **out)
{
	long id = find(name), len;
	struct secret *s;

	if (id < 0)
		return errno == ENOSYS || errno == EKEYEXPIRED || errno == EKEYREVOKED ? -ENOKEY : -errno;
	len = syscall(SYS_keyctl, KEYCTL_READ, id, NULL, 0);
	if (len < 0)
		return -errno;
	s = secret_create((size_t)len);
	if (!s)
		return -ENOMEM;
	s->len = (size_t)len;
	if (syscall(SYS_keyctl, KEYCTL_READ, id, s->data, (size_t)len) != len) {
		secret_free(s);
		return -EIO;
	}
	*out = s;
	return 0;
}

int keyring_passphrase(const char *name, unsigned int nth, struct secret **out)
{
	struct secret *s;
	size_t at = 0, n;
	int r = keyring_read(name, &s);

	if (r)
		return r;
	n = s->len;
	if (!strcmp(name, "cryptsetup"))
		n = strnlen((char *)s->data, s->len);
	for (; nth && at + n < s->len; nth--) {
		at += n + 1;
		n = strnlen((char *)s->data + at, s->len - at);
	}
	if (nth || !n) {
		secret_free(s);
		return -ENOKEY;
	}
	memmove(s->data, s->data + at, n);
	s->len = n;
	*out = s;
	return 0;
}

int keyring_put(const char *name, const void *data, size_t len, unsigned int seconds)
{
	long id = syscall(SYS_add_key, TYPE, name, data, len, KEY_SPEC_USER_KEYRING);

	if (id < 0)
		return -errno;
	/* Whoever has a session ring of its own does not possess what is in the user's. */
	syscall(SYS_keyctl, KEYCTL_SETPERM, id, PERM_ALL);
	syscall(SYS_keyctl, KEYCTL_SET_TIMEOUT, id, seconds);
	return 0;
}

void keyring_drop(const char *name)
{
	long id = find(name);

	if (id < 0)
		return;
	syscall(SYS_keyctl, KEYCTL_REVOKE, id);
	syscall(SYS_keyctl, KEYCTL_UNLINK, id, KEY_SPEC_USER_KEYRING);
}
