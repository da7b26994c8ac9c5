// SPDX-License-Identifier: GPL-2.0-only
/* libgcrypt, made ready once. */
#include <errno.h>
#include <pthread.h>

#include "seal/crypt.h"

static void init(void)
{
	/* Another user of it in this program may have been first. */
	if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
		return;
	gcry_check_version(NULL);
	/*
	 * Keys lie in memory of ours (secret.h), and so do contexts' copies for as long as they live:
	 * closing one wipes it. libgcrypt's own pool of locked memory would be too small for the threads.
	 */
	gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

void crypt_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init);
}

int crypt_errno(gcry_error_t e)
{
	switch (gcry_err_code(e)) {
	case GPG_ERR_NO_ERROR:
		return 0;
	case GPG_ERR_CHECKSUM:
		return -EBADMSG;
	case GPG_ERR_ENOMEM:
		return -ENOMEM;
	default:
		return -EINVAL;
	}
}
