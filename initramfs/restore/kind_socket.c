// SPDX-License-Identifier: GPL-2.0-only
/* Sockets of every family: what they have in common, and unconnected inet ones. */
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "kinds.h"
#include "sock.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* 6.5 */
#endif
#define STATE_LISTEN 10 /* TCP_LISTEN */

struct sock_obj *sock_obj(struct restore *r, struct m_sock *s)
{
	struct sock_obj *o = s->restore;

	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o || vec_push(&r->socks, s)) {
			free(o);
			r_fail(r, -ENOMEM, "no memory for sockets");
			return NULL;
		}
		o->fd = -1;
		s->restore = o;
	}
	return o;
}

int sock_fd(const struct m_sock *s)
{
	return s && s->restore ? ((struct sock_obj *)s->restore)->fd : -1;
}

void socks_close(struct restore *r)
{
	struct m_sock *s;

	vec_foreach(s, &r->socks) {
		struct sock_obj *o = s->restore;

		if (o->fd >= 0 && !o->given)
			close(o->fd);
		free(o);
		s->restore = NULL;
	}
	vec_free(&r->socks);
	for (size_t i = 0; i < r->socks_said.n; i++)
		free(r->socks_said.v[i]);
	vec_free(&r->socks_said);
	r->unix_done = false;
}

static int set_int(struct restore *r, int fd, int opt, int value, const char *what)
{
	return setsockopt(fd, SOL_SOCKET, opt, &value, sizeof(value)) ?
		       r_fail(r, -errno, "cannot set %s of a socket", what) : 0;
}

static int set_time(struct restore *r, int fd, int opt, s64 us)
{
	struct timeval tv = { us / 1000000, us % 1000000 };

	return setsockopt(fd, SOL_SOCKET, opt, &tv, sizeof(tv)) ?
		       r_fail(r, -errno, "cannot set a time limit of a socket") : 0;
}

int sock_unlimited(struct restore *r, int fd)
{
	return set_int(r, fd, SO_SNDBUFFORCE, INT_MAX / 2, "the send buffer");
}

/* The kernel doubles what it is told; FORCE passes the administrator's limits. */
int sock_limit(struct restore *r, const struct m_sock *s, int fd)
{
	if (!s->sndbuf || (!s->sndbuf_locked && s->sndbuf / 2 <= 0))
		return 0;
	return set_int(r, fd, SO_SNDBUFFORCE, s->sndbuf / 2, "the send buffer");
}

int sock_options(struct restore *r, const struct m_sock *s, int fd)
{
	int ret = sock_limit(r, s, fd);

	if (!ret && s->rcvbuf)
		ret = set_int(r, fd, SO_RCVBUFFORCE, s->rcvbuf / 2, "the receive buffer");
	if (!ret && s->reuseaddr)
		ret = set_int(r, fd, SO_REUSEADDR, 1, "SO_REUSEADDR");
	if (!ret && s->reuseport)
		ret = set_int(r, fd, SO_REUSEPORT, 1, "SO_REUSEPORT");
	if (!ret && s->broadcast)
		ret = set_int(r, fd, SO_BROADCAST, 1, "SO_BROADCAST");
	if (!ret && s->keepalive)
		ret = set_int(r, fd, SO_KEEPALIVE, 1, "SO_KEEPALIVE");
	if (!ret && s->mark)
		ret = set_int(r, fd, SO_MARK, s->mark, "SO_MARK");
	if (!ret && s->priority)
		ret = set_int(r, fd, SO_PRIORITY, s->priority, "SO_PRIORITY");
	if (!ret && s->bound_ifindex)
		ret = set_int(r, fd, SO_BINDTOIFINDEX, s->bound_ifindex, "the interface");
	return ret;
}

int sock_options_last(struct restore *r, const struct m_sock *s, int fd)
{
	int ret = 0;

	if (s->filter_len) {
		struct sock_fprog prog = { (unsigned short)s->filter_len, (void *)s->filter };

		if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)))
			ret = r_fail(r, -errno, "cannot attach the filter of a socket");
	}
	if (!ret && s->filter_locked)
		ret = set_int(r, fd, SO_LOCK_FILTER, 1, "SO_LOCK_FILTER");
	if (!ret && s->rcvlowat > 1)
		ret = set_int(r, fd, SO_RCVLOWAT, s->rcvlowat, "SO_RCVLOWAT");
	if (!ret && s->peek_off >= 0 && s->family == AF_UNIX && s->kaddr)
		ret = set_int(r, fd, SO_PEEK_OFF, s->peek_off, "SO_PEEK_OFF");
	if (!ret && s->passpidfd)
		ret = set_int(r, fd, SO_PASSPIDFD, 1, "SO_PASSPIDFD");
	if (!ret && s->timestamp_ns)
		ret = set_int(r, fd, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS");
	if (!ret && s->passcred)
		ret = set_int(r, fd, SO_PASSCRED, 1, "SO_PASSCRED");
	if (!ret && s->passsec)
		ret = set_int(r, fd, SO_PASSSEC, 1, "SO_PASSSEC");
	if (!ret && s->timestamp)
		ret = set_int(r, fd, SO_TIMESTAMP, 1, "SO_TIMESTAMP");
	if (!ret && s->rcvtimeo_us > 0)
		ret = set_time(r, fd, SO_RCVTIMEO, s->rcvtimeo_us);
	if (!ret && s->sndtimeo_us > 0)
		ret = set_time(r, fd, SO_SNDTIMEO, s->sndtimeo_us);
	return ret;
}

/* Not connected: bound, listening, or neither. The interfaces may come later than the socket. */
int sock_inet(struct restore *r, struct m_sock *s, int *out)
{
	bool v6 = s->family == AF_INET6;
	int fd, ret, one = 1, only = s->v6only;

	if (s->receive.n)
		return r_fail(r, -EOPNOTSUPP, "an inet socket with data not read yet");
	fd = socket(s->family, s->type | SOCK_CLOEXEC | SOCK_NONBLOCK, s->protocol);
	if (fd < 0)
		return r_fail(r, -errno, "cannot make a socket of family %d", s->family);
	ret = sock_options(r, s, fd);
	if (!ret && v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)))
		ret = r_fail(r, -errno, "cannot set IPV6_V6ONLY");
	if (!ret && s->addr_len) {
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
		if (bind(fd, (void *)s->addr, s->addr_len))
			ret = r_fail(r, -errno, "cannot bind a socket to its address again");
		one = 0;
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	}
	if (!ret && s->state == STATE_LISTEN && listen(fd, s->backlog))
		ret = r_fail(r, -errno, "cannot listen again");
	if (!ret)
		ret = sock_options_last(r, s, fd);
	if (ret)
		close(fd);
	*out = fd;
	return ret;
}

static int open_socket(struct restore *r, struct m_file *f, int *fd)
{
	struct sock_obj *o;
	int ret = 0;

	if (!f->sock)
		return r_fail(r, -EINVAL, "a socket's file without its socket");
	switch (f->sock->family) {
	case AF_UNIX:
		/* All of them together: they are tied to each other. */
		if (!r->unix_done) {
			/* once: a socket in a message of theirs is asked for while they are made */
			r->unix_done = true;
			ret = sock_unix_all(r);
			if (ret)
				return ret;
		}
		o = f->sock->restore;
		if (!o || o->fd < 0 || o->given)
			return r_fail(r, -EINVAL, "a unix socket was not made");
		o->given = true;
		*fd = o->fd;
		return 0;
	case AF_NETLINK:
		return sock_netlink(r, f->sock, fd);
	case AF_INET:
	case AF_INET6:
		return sock_inet(r, f->sock, fd);
	}
	return r_fail(r, -EOPNOTSUPP, "sockets of family %d cannot be made", f->sock->family);
}

const struct restore_kind kind_socket = {
	.id = M_FILE_SOCKET, .name = "socket", .open = open_socket,
};
