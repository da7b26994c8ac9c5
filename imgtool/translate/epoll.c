// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets of watched descriptors. Source: fs/eventpoll.c.
 * Which of them are ready is not carried: the next kernel asks each of them when it is added. An
 * edge-triggered one that is still ready is thereby reported once more.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "translate/kinds.h"

static bool epoll_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)x, (void)file, (void)mode;
	return !strcmp(fop, "eventpoll_fops");
}

/* EP_PRIVATE_BITS: what is left of the events of a one-shot entry that has been told of */
#define PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)

/* Those that never say EPOLLERR or EPOLLHUP. */
static bool never_hangs_up(const struct m_file *f)
{
	switch (f->kind) {
	case M_FILE_EVENTFD:
	case M_FILE_TIMERFD:
	case M_FILE_SIGNALFD:
	case M_FILE_INOTIFY:
	case M_FILE_EPOLL:
		return true;
	default:
		return false;
	}
}

struct item_walk {
	struct m_epoll *epoll;
	char object[sizeof(((struct xlate *)0)->object)];
};

static int one_item(struct xlate *x, u64 node, void *arg)
{
	struct item_walk *w = arg;
	u64 epi = x_container(x, node, F_EPITEM_RBN);
	struct m_epoll_item item = {
		.fd = x_s64(x, epi, F_EPITEM_FD),
		.events = x_u64(x, epi, F_EPITEM_EVENTS),
		.data = x_u64(x, epi, F_EPITEM_DATA),
	};

	if (x_has(x, F_EPITEM_DYING) && x_u64(x, epi, F_EPITEM_DYING))
		return x->err.code;
	x_object(x, "%.100s, watched descriptor %d", w->object, item.fd);
	item.target = xlate_file(x, x_u64(x, epi, F_EPITEM_FILE));
	if (!item.target)
		return ohib_err_pid(&x->err, x->pid, -EINVAL,
				    "%s: a watched descriptor without a file", w->object);
	/* both EPOLL_CTL_ADD and _MOD add EPOLLERR and EPOLLHUP, which a spent entry is not told either */
	if (!(item.events & ~PRIVATE_BITS) && !never_hangs_up(item.target))
		x_refuse(x, "is a one-shot entry that is spent (EPOLLONESHOT): try again");
	x_push(x, &w->epoll->items, item);
	return x->err.code;
}

static void epoll_translate(struct xlate *x, u64 file, struct m_file *f)
{
	u64 ep = x_u64(x, file, F_FILE_PRIVATE);
	struct item_walk w = { .epoll = x_new(x, struct m_epoll) };

	f->epoll = w.epoll;
	if (!f->epoll)
		return;
	memcpy(w.object, x->object, sizeof(w.object));
	if (x_has(x, F_EPOLL_BUSY_USECS) && x_u64(x, ep, F_EPOLL_BUSY_USECS))
		x_refuse(x, "has busy polling set (EPIOCSPARAMS), which cannot be carried yet");
	x_rbtree(x, x_u64(x, ep, F_EPOLL_ROOT), one_item, &w);
	memcpy(x->object, w.object, sizeof(w.object));
}

const struct xlate_kind xlate_kind_epoll = {
	.kind = M_FILE_EPOLL,
	.name = "epoll",
	.match = epoll_match,
	.translate = epoll_translate,
};
