// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unix sockets, all in one go, in the order in which they could have come about: bound, listening,
 * connected, names taken away, data, ends.
 * Those who listened, connected, and made pairs do so again themselves: see sock_peer.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "caller.h"
#include "sock.h"

#define STATE_ESTABLISHED 1
#define STATE_LISTEN 10

/* @told is to be told that its peer has connected; without a peer that is known, this process does. */
static int connect_to(struct restore *r, int fd, const struct m_sock *to, const struct m_sock *told)
{
	struct sockaddr_un last = { .sun_family = AF_UNIX };
	const void *addr = to->addr;
	u32 len = to->addr_len;
	int ret = 0, dir = -1;
	struct place p;

	if (told && told->peer_pid) {
		if (sock_has_path(to)) {
			dir = sock_folder(r, to, &last);
			ret = dir < 0 ? dir : 0;
			addr = &last;
			len = offsetof(struct sockaddr_un, sun_path) + (u32)strlen(last.sun_path) + 1;
		}
		if (!ret)
			ret = peer_connect(r, told, fd, dir, addr, len);
		if (dir >= 0)
			close(dir);
	} else {
		if (sock_has_path(to))
			ret = place_enter(r, &p, to);
		if (!ret && connect(fd, addr, len))
			ret = -errno;
		if (sock_has_path(to))
			place_leave(&p);
	}
	return ret ? r_fail(r, ret, "cannot connect to socket %.100s again",
			    sock_has_path(to) ? sock_path(to) : "with an abstract address") : 0;
}

static int listen_as(struct restore *r, const struct m_sock *told, int fd, int backlog)
{
	int ret = peer_listen(r, told, fd, backlog);

	return ret ? r_fail(r, ret, "cannot listen on a unix socket again") : 0;
}

static bool same_peer(const struct m_sock *a, const struct m_sock *b)
{
	return a->peer_pid == b->peer_pid && a->peer_uid == b->peer_uid && a->peer_gid == b->peer_gid;
}

/* The listener @l (NULL: one for the moment) as @client found it: maybe another process listened then. */
static int connect_client(struct restore *r, int lfd, const struct m_sock *l, const struct m_sock *client,
			  const struct m_sock *server)
{
	bool other = client->peer_pid && !(l && same_peer(client, l));
	int ret = other ? listen_as(r, client, lfd, SOMAXCONN) : 0;

	if (!ret)
		ret = connect_to(r, sock_fd(client), server, server);
	if (!ret && l && other)
		ret = listen_as(r, l, lfd, SOMAXCONN);
	return ret;
}

static int make_socket(struct restore *r, struct m_sock *s)
{
	struct sock_obj *o = sock_obj(r, s);

	if (!o)
		return -ENOMEM;
	o->fd = socket(AF_UNIX, s->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return o->fd < 0 ? r_fail(r, -errno, "cannot make a unix socket") :
			   sock_options(r, s, o->fd);
}

static struct m_sock *listener_at(struct restore *r, const struct m_sock *s)
{
	struct m_sock *l;

	vec_foreach(l, &r->m->socks)
		if (l->family == AF_UNIX && l->state == STATE_LISTEN && l->addr_len == s->addr_len &&
		    !memcmp(l->addr, s->addr, s->addr_len))
			return l;
	return NULL;
}

/* Both ends of a connection of which one was accepted: by a listener at that address. */
static int make_accepted(struct restore *r, struct m_sock *server, struct m_sock *client)
{
	struct m_sock *l = listener_at(r, server), temp = *server;
	struct sock_obj *o = sock_obj(r, server);
	int ret = 0, lfd = sock_fd(l);

	if (!o)
		return -ENOMEM;
	if (lfd < 0) { /* the listener is gone: one for the moment */
		lfd = socket(AF_UNIX, server->type | SOCK_CLOEXEC, 0);
		temp.path = NULL;
		r->unix_unlink_later = true;
		ret = lfd < 0 ? -errno : sock_bind(r, &temp, lfd);
		r->unix_unlink_later = false;
		if (!ret && listen(lfd, 1))
			ret = -errno;
	}
	if (!ret)
		ret = make_socket(r, client);
	if (!ret)
		ret = sock_bind(r, client, sock_fd(client));
	if (!ret)
		ret = connect_client(r, lfd, l, client, server);
	if (!ret) {
		o->fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		ret = o->fd < 0 ? r_fail(r, -errno, "cannot accept a connection again") :
				  sock_options(r, server, o->fd);
	}
	if (!l && lfd >= 0) {
		struct place p;

		if (sock_has_path(server) && !place_enter(r, &p, server)) {
			unlink(sock_path(server));
			place_leave(&p);
		}
		close(lfd);
	}
	return ret < 0 ? r_fail(r, ret, "cannot make a connection again") : 0;
}

static int make_pair(struct restore *r, struct m_sock *a, struct m_sock *b)
{
	struct sock_obj *oa = sock_obj(r, a), *ob = sock_obj(r, b);
	int fd[2], ret;

	if (!oa || !ob)
		return -ENOMEM;
	ret = peer_pair(r, a->peer_pid ? a : b, a->type | SOCK_CLOEXEC | SOCK_NONBLOCK, fd);
	if (ret)
		return r_fail(r, ret, "cannot make a pair of sockets");
	oa->fd = fd[0];
	ob->fd = fd[1];
	ret = sock_options(r, a, fd[0]);
	if (!ret)
		ret = sock_options(r, b, fd[1]);
	if (!ret)
		ret = sock_bind(r, a, fd[0]);
	if (!ret)
		ret = sock_bind(r, b, fd[1]);
	return ret;
}

static int send_now(struct restore *r, int from, const struct m_sock_skb *skb, const void *to, u32 to_len)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * 253)];
	} ctl;
	struct iovec iov = { skb->data, skb->len };
	struct msghdr msg = { (void *)to, to_len, &iov, 1, ctl.buf, 0, 0 };
	struct ucred cred = { skb->pid, skb->uid, skb->gid };
	struct cmsghdr *c = &ctl.align;

	memset(&ctl, 0, sizeof(ctl));
	if (skb->pid) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_CREDENTIALS;
		c->cmsg_len = CMSG_LEN(sizeof(cred));
		memcpy(CMSG_DATA(c), &cred, sizeof(cred));
		msg.msg_controllen = CMSG_SPACE(sizeof(cred));
	}
	if (skb->fds.n) {
		int fds[253];

		if (skb->fds.n > ARRAY_SIZE(fds))
			return r_fail(r, -E2BIG, "a message with %zu descriptors", skb->fds.n);
		for (size_t i = 0; i < skb->fds.n; i++) {
			fds[i] = file_fd(r, skb->fds.v[i]);
			if (fds[i] < 0)
				return fds[i];
		}
		c = (struct cmsghdr *)(ctl.buf + msg.msg_controllen);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * skb->fds.n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * skb->fds.n);
		msg.msg_controllen += CMSG_SPACE(sizeof(int) * skb->fds.n);
	}
	if (!msg.msg_controllen)
		msg.msg_control = NULL;
	if (sendmsg(from, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)skb->len)
		return 0;
	return errno == ESRCH && skb->pid ? -ESRCH :
	       r_fail(r, -errno, "cannot put back %u bytes that a socket had not read", skb->len);
}

/* A sender that has ended is there for the moment; if its number is taken it cannot be told any more. */
static int send_one(struct restore *r, int from, const struct m_sock_skb *skb, const void *to, u32 to_len)
{
	struct m_sock_skb nobody = *skb;
	struct caller c;
	int ret = send_now(r, from, skb, to, to_len);

	if (ret != -ESRCH)
		return ret;
	ret = caller_take(r, &c, skb->pid, 0, 0, NULL);
	if (!ret) {
		ret = send_now(r, from, skb, to, to_len);
		caller_release(r, &c);
	}
	nobody.pid = 0;
	return ret == -ESRCH ? send_now(r, from, &nobody, to, to_len) : ret;
}

/* A socket of ours that stood in for one that is closed. */
static void forget(struct restore *r, struct m_sock *s)
{
	struct sock_obj *o = s->restore;

	for (size_t i = 0; i < r->socks.n; i++) {
		if (r->socks.v[i] != s)
			continue;
		r->socks.v[i] = r->socks.v[--r->socks.n];
		break;
	}
	if (o && o->fd >= 0)
		close(o->fd);
	free(o);
	s->restore = NULL;
}

/* A sender of datagrams: the socket that has the address, or one of the moment that takes it. */
static int sender(struct restore *r, const struct m_sock_skb *skb, const struct m_sock *s, int *temp)
{
	struct m_sock *p;
	int ret;

	*temp = -1;
	if (skb->from && sock_fd(skb->from) >= 0)
		return sock_fd(skb->from);
	vec_foreach(p, &r->m->socks)
		if (skb->addr_len && p->family == AF_UNIX && p->addr_len == skb->addr_len &&
		    !memcmp(p->addr, skb->addr, skb->addr_len) && sock_fd(p) >= 0)
			return sock_fd(p);
	if (!skb->addr_len && s->peer && s->peer->peer == s && sock_fd(s->peer) >= 0)
		return sock_fd(s->peer);
	*temp = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ret = *temp < 0 ? -errno : sock_unlimited(r, *temp);
	if (!ret)
		ret = sock_bind_elsewhere(r, skb, *temp);
	return ret ? ret : *temp;
}

static int put_data(struct restore *r, struct m_sock *s)
{
	struct place p;
	int ret = 0;

	for (size_t i = 0; !ret && i < s->receive.n; i++) {
		const struct m_sock_skb *skb = &s->receive.v[i];
		int temp = -1, from;

		if (s->type != SOCK_DGRAM) {
			from = sock_fd(s->peer);
			ret = send_one(r, from, skb, NULL, 0);
			continue;
		}
		from = sender(r, skb, s, &temp);
		if (from < 0)
			return r_fail(r, from, "no sender for a datagram");
		if (s->peer && s->peer->peer == s && from == sock_fd(s->peer)) {
			ret = send_one(r, from, skb, NULL, 0);
		} else {
			ret = sock_has_path(s) ? place_enter(r, &p, s) : 0;
			if (!ret)
				ret = send_one(r, from, skb, s->addr, s->addr_len);
			if (sock_has_path(s))
				place_leave(&p);
		}
		if (temp >= 0)
			close(temp);
	}
	return ret;
}

static int finish_one(struct restore *r, struct m_sock *s)
{
	int fd = sock_fd(s), ret;

	ret = sock_options_last(r, s, fd);
	if (!ret && (s->shut_read || s->shut_write) &&
	    shutdown(fd, s->shut_read && s->shut_write ? SHUT_RDWR : s->shut_read ? SHUT_RD : SHUT_WR) &&
	    errno != ENOTCONN)
		ret = r_fail(r, -errno, "cannot shut a socket down");
	return ret;
}

/* @to's messages come from @by when all sockets are there; @by NULL: from one that is closed then. */
static struct sock_said *said(struct restore *r, struct m_sock *by, const struct m_sock *to)
{
	struct sock_said *d = calloc(1, sizeof(*d));

	if (!d || vec_push(&r->socks_said, d)) {
		free(d);
		r_fail(r, -ENOMEM, "no memory for sockets");
		return NULL;
	}
	d->gone = (struct m_sock){ .family = AF_UNIX, .type = to->type, .state = STATE_ESTABLISHED };
	d->by = by ? by : &d->gone;
	d->to = to;
	return d;
}

/* The other side is closed: it is there for as long as it takes to say what it had said. */
static int make_lone(struct restore *r, struct m_sock *s)
{
	struct sock_said *d = said(r, NULL, s);
	struct m_sock *gone;

	if (!d)
		return -ENOMEM;
	gone = d->by;
	memcpy(gone->addr, s->peer_addr, sizeof(gone->addr));
	gone->addr_len = s->peer_addr_len;
	if (s->accepted)
		return make_accepted(r, s, gone);
	if (gone->addr_len)
		return make_accepted(r, gone, s);
	return make_pair(r, s, gone);
}

static int say(struct restore *r, const struct sock_said *d)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < d->to->receive.n; i++)
		ret = send_one(r, sock_fd(d->by), &d->to->receive.v[i], NULL, 0);
	return ret;
}

/* A datagram socket that is connected to one that was closed: what it sends is refused. */
static int connect_gone(struct restore *r, struct m_sock *s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(un);
	int fd = socket(AF_UNIX, s->type | SOCK_CLOEXEC, 0), ret = 0;

	/* Bound to nothing but its family it gets an abstract address. */
	if (fd < 0 || bind(fd, (void *)&un, sizeof(sa_family_t)) ||
	    getsockname(fd, (void *)&un, &len) || connect(sock_fd(s), (void *)&un, len))
		ret = r_fail(r, -errno, "cannot connect a socket to one that is gone");
	if (fd >= 0)
		close(fd);
	return ret;
}

static int make_connected(struct restore *r, struct m_sock *s)
{
	struct m_sock *peer = s->peer;

	if (!peer)
		return make_lone(r, s);
	if (s->accepted)
		return make_accepted(r, s, peer);
	if (peer->accepted)
		return make_accepted(r, peer, s);
	return make_pair(r, s, peer);
}

/* A connection that the listener has not accepted: only the client's side is a socket yet. */
static int make_pending(struct restore *r, struct m_sock *listener, struct m_sock *server)
{
	struct sock_said *d = said(r, server->peer, server);
	int ret;

	if (!d)
		return -ENOMEM;
	ret = make_socket(r, d->by);
	if (!ret)
		ret = sock_bind(r, d->by, sock_fd(d->by));
	return ret ? ret : connect_client(r, sock_fd(listener), listener, d->by, server);
}

#define for_each_unix(s, r) vec_foreach(s, &(r)->m->socks) if ((s)->family == AF_UNIX)

int sock_unix_all(struct restore *r)
{
	struct sock_said *d;
	struct m_sock *s;
	int ret = 0;

	for_each_unix(s, r) {
		bool dgram_pair = s->type == SOCK_DGRAM && s->peer && s->peer->peer == s &&
				  !s->addr_len && !s->peer->addr_len;

		if (ret || sock_fd(s) >= 0)
			continue;
		if (dgram_pair) {
			ret = make_pair(r, s, s->peer);
		} else if (s->type == SOCK_DGRAM || s->state != STATE_ESTABLISHED) {
			ret = make_socket(r, s);
			if (!ret)
				ret = sock_bind(r, s, sock_fd(s));
			/* for the connections made below; its own backlog comes after them */
			if (!ret && s->state == STATE_LISTEN)
				ret = listen_as(r, s, sock_fd(s), SOMAXCONN);
		}
	}
	for_each_unix(s, r)
		if (!ret && s->type != SOCK_DGRAM && s->state == STATE_ESTABLISHED && sock_fd(s) < 0 &&
		    s->file && (!s->peer || s->peer->file))
			ret = make_connected(r, s);
	/* Last those not accepted yet: what a listener is to accept stays in its queue now. */
	for_each_unix(s, r)
		for (size_t i = 0; !ret && i < s->pending.n; i++)
			ret = make_pending(r, s, s->pending.v[i]);
	for_each_unix(s, r)
		if (!ret && s->state == STATE_LISTEN)
			ret = listen_as(r, s, sock_fd(s), s->backlog);
	for_each_unix(s, r)
		if (!ret && s->type == SOCK_DGRAM && s->peer && s->peer->peer != s)
			ret = connect_to(r, sock_fd(s), s->peer, NULL);
	for_each_unix(s, r)
		if (!ret && s->type == SOCK_DGRAM && s->peer && s->peer->peer == s && s->addr_len)
			ret = connect_to(r, sock_fd(s->peer), s, NULL);
	for_each_unix(s, r)
		if (!ret && s->type == SOCK_DGRAM && !s->peer && s->peer_gone)
			ret = connect_gone(r, s);
	/* Those that stand for closed ones too. */
	vec_foreach(s, &r->socks)
		if (!ret && s->family == AF_UNIX && sock_fd(s) >= 0)
			ret = sock_unlimited(r, sock_fd(s));
	/* All are there now, as a message may have any of them in it. */
	vec_foreach(d, &r->socks_said)
		if (!ret)
			ret = say(r, d);
	for_each_unix(s, r)
		if (!ret && sock_fd(s) >= 0 && (s->type == SOCK_DGRAM || s->peer))
			ret = put_data(r, s);
	vec_foreach(d, &r->socks_said)
		if (d->by == &d->gone)
			forget(r, d->by);
	for_each_unix(s, r)
		if (!ret && sock_fd(s) >= 0 && !(ret = sock_limit(r, s, sock_fd(s))))
			ret = finish_one(r, s);
	return ret;
}
