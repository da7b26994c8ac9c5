// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets: the kind of file, and the options that all families have.
 * Source: include/net/sock.h, net/core/sock.c, include/linux/skbuff.h.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "translate/kinds.h"
#include "translate/sock.h"

/* bits of socket.flags until 6.16 */
#define PASSCRED 3
#define PASSSEC 4
#define PASSPIDFD 7	/* 6.5 on: 5e2ff6704a27; no other use before */
#define RCV_SHUTDOWN 1
#define SEND_SHUTDOWN 2
#define USERLOCK_SNDBUF 1
#define USERLOCK_RCVBUF 2
#define FILTER_MAX 4096	/* BPF_MAXINSNS */
#define SKB_MAX (16u << 20)
#define QUEUE_MAX (1u << 20)
#define FRAG_SIZE 16
#define DEPTH_MAX 64	/* of sockets in queues of sockets */

static bool sk_flag(struct xlate *x, u64 sk, enum field_enum flag)
{
	return x_bit(x_u64(x, sk, F_SK_FLAGS), x->f->value[flag]);
}

/* sk_rcvtimeo, sk_sndtimeo: jiffies, MAX_SCHEDULE_TIMEOUT for none. */
static s64 timeout_us(struct xlate *x, u64 sk, enum field f)
{
	s64 ticks = x_s64(x, sk, f);

	if (ticks == LONG_MAX || ticks < 0)
		return 0;
	if (!x->clocks.hz) {
		x_refuse(x, "has a timeout, and the length of the kernel's ticks is not known");
		return 0;
	}
	if (ticks / x->clocks.hz >= INT64_MAX / 1000000)
		return INT64_MAX;
	return (ticks / x->clocks.hz) * 1000000 +
	       (ticks % x->clocks.hz) * 1000000 / x->clocks.hz;
}

/* sk_get_filter(): the classic program is kept beside the translated one. */
static void filter(struct xlate *x, u64 sk, struct m_sock *s)
{
	u64 flt = x_u64(x, sk, F_SK_FILTER), orig, len;

	s->filter_locked = sk_flag(x, sk, E_SOCK_FILTER_LOCKED);
	if (!flt)
		return;
	orig = x_u64(x, x_u64(x, flt, F_FILTER_PROG), F_PROG_ORIG);
	if (!orig) {
		x_refuse(x, "has an eBPF program as its filter");
		return;
	}
	len = x_u64(x, orig, F_FPROG_LEN);
	if (!len || len > FILTER_MAX) {
		x_refuse(x, "has a filter of %llu instructions", (unsigned long long)len);
		return;
	}
	s->filter = x_alloc(x, len * 8);
	if (!s->filter)
		return;
	x_read(x, x_u64(x, orig, F_FPROG_FILTER), s->filter, len * 8, "sock_fprog_kern.filter");
	s->filter_len = len;
}

static void options(struct xlate *x, u64 sk, struct m_sock *s)
{
	u64 locks = x_u64(x, sk, F_SK_USERLOCKS), shut = x_u64(x, sk, F_SK_SHUTDOWN), pid;

	s->shut_read = shut & RCV_SHUTDOWN;
	s->shut_write = shut & SEND_SHUTDOWN;
	s->sndbuf = x_u64(x, sk, F_SK_SNDBUF);
	s->rcvbuf = x_u64(x, sk, F_SK_RCVBUF);
	s->sndbuf_locked = locks & USERLOCK_SNDBUF;
	s->rcvbuf_locked = locks & USERLOCK_RCVBUF;
	s->rcvlowat = x_u64(x, sk, F_SK_RCVLOWAT);
	s->peek_off = x_u64(x, sk, F_SK_PEEK_OFF);
	s->rcvtimeo_us = timeout_us(x, sk, F_SK_RCVTIMEO);
	s->sndtimeo_us = timeout_us(x, sk, F_SK_SNDTIMEO);
	s->err = x_u64(x, sk, F_SK_ERR);
	s->priority = x_u64(x, sk, F_SK_PRIORITY);
	s->mark = x_u64(x, sk, F_SK_MARK);
	s->bound_ifindex = x_u64(x, sk, F_SK_BOUND_IF);
	s->reuseaddr = x_u64(x, sk, F_SK_REUSE);
	s->reuseport = x_u64(x, sk, F_SK_REUSEPORT);
	s->broadcast = sk_flag(x, sk, E_SOCK_BROADCAST);
	s->keepalive = sk_flag(x, sk, E_SOCK_KEEPOPEN);
	s->timestamp_ns = sk_flag(x, sk, E_SOCK_RCVTSTAMPNS);
	s->timestamp = sk_flag(x, sk, E_SOCK_RCVTSTAMP) && !s->timestamp_ns;
	if (x_u64(x, sk, F_SK_TSFLAGS))
		x_refuse(x, "has SO_TIMESTAMPING set, which cannot be carried yet");
	if (x_u64(x, sk, F_SK_ERRQ))
		x_refuse(x, "has messages on its error queue");
	pid = x_u64(x, sk, F_SK_PEER_PID);
	s->peer_pid = pid ? (pid_t)x_u64(x, pid, F_PID_NR) : 0;
	s->peer_cred = xlate_cred(x, x_u64(x, sk, F_SK_PEER_CRED));
	if (s->peer_cred) {
		s->peer_uid = s->peer_cred->euid;
		s->peer_gid = s->peer_cred->egid;
	}
	filter(x, sk, s);
}

/* What lives in struct socket, which a connection that waits to be accepted has not yet. */
static void passing(struct xlate *x, u64 sk, struct m_sock *s)
{
	u64 socket = x_u64(x, sk, F_SK_SOCKET), flags;

	if (x_has(x, F_SK_SCM_CREDENTIALS)) {
		s->passcred = x_u64(x, sk, F_SK_SCM_CREDENTIALS);
		s->passsec = x_has(x, F_SK_SCM_SECURITY) && x_u64(x, sk, F_SK_SCM_SECURITY);
		s->passpidfd = x_has(x, F_SK_SCM_PIDFD) && x_u64(x, sk, F_SK_SCM_PIDFD);
		if (x_has(x, F_SK_SCM_RIGHTS) && !x_u64(x, sk, F_SK_SCM_RIGHTS))
			x_refuse(x, "has SO_PASSRIGHTS off, which cannot be carried yet");
	} else if (socket) {
		flags = x_u64(x, socket, F_SOCKET_FLAGS);
		s->passcred = flags >> PASSCRED & 1;
		s->passsec = flags >> PASSSEC & 1;
		s->passpidfd = flags >> PASSPIDFD & 1;
	}
}

struct m_sock *xlate_sock(struct xlate *x, u64 sk)
{
	struct m_sock *s = map_get(&x->socks, sk);
	u64 nsproxy;

	if (s || !sk || x_failed(x))
		return s;
	if (x->nesting > DEPTH_MAX) {
		ohib_err_pid(&x->err, x->pid, -ELOOP, "%s: sockets within sockets have no end",
			     x->object);
		return NULL;
	}
	s = x_new(x, struct m_sock);
	/* known before it is complete: a descriptor of it may be in its own queue */
	if (!s || map_put(&x->socks, sk, s)) {
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
		return NULL;
	}
	x_push(x, &x->m->socks, s);
	s->kaddr = sk;
	s->family = x_u64(x, sk, F_SK_FAMILY);
	s->type = x_u64(x, sk, F_SK_TYPE);
	s->protocol = x_u64(x, sk, F_SK_PROTOCOL);
	s->state = x_u64(x, sk, F_SK_STATE);
	nsproxy = x_u64(x, x->init_task, F_TASK_NSPROXY);
	if (x_u64(x, sk, F_SK_NET) != x_u64(x, nsproxy, F_NS_NET))
		x_refuse(x, "is a socket of another network namespace");
	switch (s->family) {
	case AF_UNIX:
	case AF_NETLINK:
	case AF_INET:
	case AF_INET6:
		options(x, sk, s);
		passing(x, sk, s);
		break;
	}
	switch (s->family) {
	case AF_UNIX:
		xlate_unix(x, sk, s);
		break;
	case AF_NETLINK:
		xlate_netlink(x, sk, s);
		break;
	case AF_INET:
	case AF_INET6:
		xlate_inet(x, sk, s);
		break;
	case AF_PACKET:
		x_refuse(x, "is a packet socket (AF_PACKET), which cannot be carried yet");
		break;
	default:
		x_refuse(x, "is a socket of address family %d, which cannot be carried yet",
			 s->family);
	}
	return x_failed(x) ? NULL : s;
}

int xlate_sock_queue(struct xlate *x, u64 sk, int (*fn)(struct xlate *x, u64 skb, void *arg),
		     void *arg)
{
	/* struct sk_buff_head begins as an sk_buff does: next, prev */
	u64 head = x_addr(x, sk, F_SK_RECEIVE), skb = x_u64(x, head, F_SKB_NEXT), next, mark = 0;
	u32 n;
	int r;

	for (n = 1; skb && skb != head && !x_failed(x); n++, skb = next) {
		if (n > QUEUE_MAX || x_again(n, skb, &mark))
			return ohib_err_pid(&x->err, x->pid, -ELOOP, "%s: queue without end",
					    x->object);
		next = x_u64(x, skb, F_SKB_NEXT);
		r = fn(x, skb, arg);
		if (r)
			return r;
	}
	return x->err.code;
}

struct frag {
	u64 page;
	u32 len, offset;
};

static void read_frag(struct xlate *x, u64 at, struct frag *g)
{
	bool own = x_has(x, F_FRAG_PAGE);

	g->page = x_u64(x, at, own ? F_FRAG_PAGE : F_BVEC_PAGE);
	g->len = x_u64(x, at, own ? F_FRAG_LEN : F_BVEC_LEN);
	g->offset = x_u64(x, at, own ? F_FRAG_OFFSET : F_BVEC_OFFSET);
}

/* The pages behind the linear part, whose description lies at skb_end_pointer(). */
static bool frags(struct xlate *x, u64 skb, u8 *out, u32 len)
{
	u64 info = x_u64(x, skb, F_SKB_HEAD) + x_u64(x, skb, F_SKB_END), n, i;

	if (!len)
		return true;
	n = x_u64(x, info, F_SHINFO_NR_FRAGS);
	if (n > x->f->loc[F_SHINFO_FRAGS].size / FRAG_SIZE || x_u64(x, info, F_SHINFO_FRAG_LIST))
		return false;
	for (i = 0; i < n && !x_failed(x); i++) {
		struct frag g;

		read_frag(x, x_addr(x, info, F_SHINFO_FRAGS) + i * FRAG_SIZE, &g);
		/* the lowest bit: memory of a device (netmem) */
		if (g.page & 1 || g.len > len || x_page_bytes(x, g.page, g.offset, out, g.len))
			return false;
		out += g.len;
		len -= g.len;
	}
	return !len;
}

u8 *xlate_skb_bytes(struct xlate *x, u64 skb, u32 skip, u32 *len)
{
	u64 total = x_u64(x, skb, F_SKB_LEN), paged = x_u64(x, skb, F_SKB_DATA_LEN);
	u8 *data;

	*len = 0;
	if (total > SKB_MAX || paged > total || skip > total) {
		if (!x->live) /* a running one changes while it is read */
			x_refuse(x, "has a message of %llu bytes, which makes no sense",
				 (unsigned long long)total);
		return NULL;
	}
	data = x_alloc(x, total + 1);
	if (!data)
		return NULL;
	if (total > paged)
		x_read(x, x_u64(x, skb, F_SKB_DATA), data, total - paged, "sk_buff.data");
	if (!frags(x, skb, data + (total - paged), paged) && !x->live)
		x_refuse(x, "has a message of %llu bytes that cannot be read",
			 (unsigned long long)total);
	*len = total - skip;
	return data + skip;
}

static bool sock_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)x, (void)file;
	return S_ISSOCK(mode) && !strcmp(fop, "socket_file_ops");
}

static void sock_translate(struct xlate *x, u64 file, struct m_file *f)
{
	u64 socket = x_u64(x, file, F_FILE_PRIVATE);
	u64 sk = socket ? x_u64(x, socket, F_SOCKET_SK) : 0;

	f->sock = xlate_sock(x, sk);
	if (!f->sock) {
		x_refuse(x, "is a socket without a protocol");
		return;
	}
	f->sock->file = f;
}

const struct xlate_kind xlate_kind_sock = {
	.kind = M_FILE_SOCKET,
	.name = "socket",
	.match = sock_match,
	.translate = sock_translate,
};
