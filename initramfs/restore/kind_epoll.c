// SPDX-License-Identifier: GPL-2.0-only
/*
 * epoll. An entry's key is the open file and the descriptor number it was added under, so entries
 * are added by a process that holds the epoll, with the target at that number for the moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "kinds.h"

static int open_epoll(struct restore *r, struct m_file *f, int *fd)
{
	(void)f;
	*fd = epoll_create1(EPOLL_CLOEXEC);
	return *fd < 0 ? r_fail(r, -errno, "cannot make an epoll") : 0;
}

static struct m_file *held_at(struct rproc *p, int num)
{
	struct m_fdtable *ft = p->m->fdtable;

	for (size_t i = 0; i < ft->fds.n; i++)
		if (ft->fds.v[i].fd == num)
			return ft->fds.v[i].file;
	return NULL;
}

static int add(struct restore *r, struct rtask *t, int num, const struct m_epoll_item *it)
{
	struct epoll_event ev = { .events = it->events, .data.u64 = it->data };
	struct m_file *there = held_at(t->proc, it->fd);
	s64 ret, saved = -1, sent = -1;
	int cloexec = 0;

	if (there != it->target) {
		/* The number was closed, or is another file's in this process. */
		int fd = file_fd(r, it->target);

		if (fd < 0)
			return fd;
		if (there) {
			cloexec = (int)remote_syscall(t, SYS_fcntl, it->fd, F_GETFD);
			saved = remote_syscall(t, SYS_fcntl, it->fd, F_DUPFD, r->ctl_fd + 1);
			if (saved < 0)
				return (int)saved;
			if (num == it->fd)
				num = (int)saved;
		}
		sent = file_send(r, t, fd);
		if (sent < 0)
			return (int)sent;
		if (sent != it->fd)
			remote_syscall(t, SYS_dup3, sent, it->fd, 0);
	}
	ret = remote_syscall(t, SYS_epoll_ctl, num, EPOLL_CTL_ADD, it->fd,
			     remote_put(t, 0, &ev, sizeof(ev)));
	if (sent >= 0) {
		if (sent != it->fd)
			remote_syscall(t, SYS_close, sent);
		if (saved >= 0) {
			remote_syscall(t, SYS_dup3, saved, it->fd, cloexec ? O_CLOEXEC : 0);
			remote_syscall(t, SYS_close, saved);
		} else {
			remote_syscall(t, SYS_close, it->fd);
		}
	}
	return (int)ret;
}

static int finish_epoll(struct restore *r, struct m_file *f, struct rtask *t, int num)
{
	for (size_t i = 0; i < f->epoll->items.n; i++) {
		int ret = add(r, t, num, &f->epoll->items.v[i]);

		if (ret)
			return r_fail_pid(r, t->tid, ret, "cannot add fd %d to epoll %d again",
					  f->epoll->items.v[i].fd, num);
	}
	return 0;
}

const struct restore_kind kind_epoll = {
	.id = M_FILE_EPOLL, .name = "epoll", .open = open_epoll, .finish = finish_epoll,
};
