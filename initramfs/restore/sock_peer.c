// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who listened, who connected, who made a pair: the kernel notes the caller's process, ids and
 * groups for the other side to ask (SO_PEERCRED, SO_PEERGROUPS, SO_PEERPIDFD). @told is a socket
 * that is to be told so.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "caller.h"
#include "sock.h"

static int take(struct restore *r, struct caller *c, const struct m_sock *told)
{
	return caller_take(r, c, told->peer_pid, told->peer_uid, told->peer_gid, told->peer_cred);
}

int peer_listen(struct restore *r, const struct m_sock *told, int fd, int backlog)
{
	struct caller c;
	s64 num, ret;

	if (!told->peer_pid)
		return listen(fd, backlog) ? -errno : 0;
	ret = take(r, &c, told);
	if (ret)
		return (int)ret;
	num = file_send(r, c.t, fd);
	ret = num < 0 ? num : remote_syscall(c.t, SYS_listen, num, backlog);
	if (num >= 0)
		remote_syscall(c.t, SYS_close, num);
	caller_release(r, &c);
	return (int)ret;
}

int peer_connect(struct restore *r, const struct m_sock *told, int fd, int dir, const void *addr, u32 len)
{
	s64 num, dir_num = -1, old = -1, ret = 0;
	struct caller c;

	ret = take(r, &c, told);
	if (ret)
		return (int)ret;
	num = file_send(r, c.t, fd);
	if (num < 0)
		ret = num;
	if (!ret && dir >= 0) {
		old = remote_syscall(c.t, SYS_open, remote_put(c.t, 0, ".", 2), O_PATH | O_DIRECTORY);
		dir_num = old < 0 ? old : file_send(r, c.t, dir);
		ret = dir_num < 0 ? dir_num : remote_syscall(c.t, SYS_fchdir, dir_num);
	}
	if (!ret)
		ret = remote_syscall(c.t, SYS_connect, num, remote_put(c.t, 0, addr, len), len);
	if (old >= 0) {
		remote_syscall(c.t, SYS_fchdir, old);
		remote_syscall(c.t, SYS_close, old);
	}
	if (dir_num >= 0)
		remote_syscall(c.t, SYS_close, dir_num);
	if (num >= 0)
		remote_syscall(c.t, SYS_close, num);
	caller_release(r, &c);
	return (int)ret;
}

int peer_pair(struct restore *r, const struct m_sock *told, int type, int fd[2])
{
	int num[2] = { -1, -1 }, pidfd = -1;
	struct caller c;
	s64 ret;

	if (!told->peer_pid)
		return socketpair(AF_UNIX, type, 0, fd) ? -errno : 0;
	ret = take(r, &c, told);
	if (ret)
		return (int)ret;
	ret = remote_syscall(c.t, SYS_socketpair, AF_UNIX, type, 0, remote_put(c.t, 0, num, sizeof(num)));
	if (!ret)
		ret = remote_read(c.t, c.t->scratch, num, sizeof(num));
	if (!ret && (pidfd = (int)syscall(SYS_pidfd_open, c.t->tid, 0)) < 0)
		ret = -errno;
	for (int i = 0; !ret && i < 2; i++) {
		fd[i] = (int)syscall(SYS_pidfd_getfd, pidfd, num[i], 0);
		if (fd[i] < 0)
			ret = -errno;
		if (ret && i)
			close(fd[0]);
	}
	if (pidfd >= 0)
		close(pidfd);
	for (int i = 0; i < 2; i++)
		if (num[i] >= 0)
			remote_syscall(c.t, SYS_close, num[i]);
	caller_release(r, &c);
	return (int)ret;
}
