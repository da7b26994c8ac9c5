// SPDX-License-Identifier: GPL-2.0-only
/* Event counters. Source: fs/eventfd.c. */
#include <string.h>
#include <sys/eventfd.h>

#include "translate/kinds.h"

static bool eventfd_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)x, (void)file, (void)mode;
	return !strcmp(fop, "eventfd_fops");
}

static void eventfd_translate(struct xlate *x, u64 file, struct m_file *f)
{
	u64 ctx = x_u64(x, file, F_FILE_PRIVATE);
	u32 flags = x_u64(x, ctx, F_EVENTFD_FLAGS);

	f->eventfd = x_new(x, struct m_eventfd);
	if (!f->eventfd)
		return;
	f->eventfd->count = x_u64(x, ctx, F_EVENTFD_COUNT);
	f->eventfd->semaphore = flags & EFD_SEMAPHORE;
	if (flags & ~(u32)(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		x_refuse(x, "is an eventfd with flags %#x, which are not known", flags);
}

const struct xlate_kind xlate_kind_eventfd = {
	.kind = M_FILE_EVENTFD,
	.name = "eventfd",
	.match = eventfd_match,
	.translate = eventfd_translate,
};
