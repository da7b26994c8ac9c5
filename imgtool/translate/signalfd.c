// SPDX-License-Identifier: GPL-2.0-only
/* Signals as a descriptor. Source: fs/signalfd.c. */
#include <string.h>

#include "translate/kinds.h"

static bool signalfd_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)x, (void)file, (void)mode;
	return !strcmp(fop, "signalfd_fops");
}

static void signalfd_translate(struct xlate *x, u64 file, struct m_file *f)
{
	f->signalfd = x_new(x, struct m_signalfd);
	if (!f->signalfd)
		return;
	/* the kernel keeps the complement: the signals that it is not to take (do_signalfd4) */
	f->signalfd->mask = ~x_u64(x, x_u64(x, file, F_FILE_PRIVATE), F_SIGNALFD_MASK);
}

const struct xlate_kind xlate_kind_signalfd = {
	.kind = M_FILE_SIGNALFD,
	.name = "signalfd",
	.match = signalfd_match,
	.translate = signalfd_translate,
};
