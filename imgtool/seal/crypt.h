/* SPDX-License-Identifier: GPL-2.0-only */
/* What this folder's files share of libgcrypt; not for anyone else. */
#pragma once

#include <gcrypt.h>

#include "util/types.h"

/* Before the first call of libgcrypt; any thread, any number of times. */
void crypt_init(void);
/* A negative errno: -EBADMSG what was authenticated was changed, -ENOMEM, else -EINVAL. 0 stays 0. */
int crypt_errno(gcry_error_t e);
