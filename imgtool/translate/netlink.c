// SPDX-License-Identifier: GPL-2.0-only
/*
 * AF_NETLINK: port, groups, options. Messages to a group tell of the image kernel's own devices and
 * links; they are counted and left out, as the protocol allows. An answer that a process waits for
 * cannot be left out.
 * Source: net/netlink/af_netlink.c, net/netlink/genetlink.c.
 */
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "translate/sock.h"

/* bits of netlink_sock.flags (NETLINK_F_*); masks of the same value until 6.1 */
#define RECV_PKTINFO 1
#define BROADCAST_SEND_ERROR 2
#define RECV_NO_ENOBUFS 3
#define LISTEN_ALL_NSID 4
#define CAP_ACK 5
#define EXT_ACK 6
#define STRICT_CHK 7
#define FLAGS_KNOWN 0xff

#define GROUPS_MAX 1024u

struct unread {
	struct m_sock *s;
	u32 answers;
};

static int one_message(struct xlate *x, u64 skb, void *arg)
{
	struct unread *u = arg;
	u64 cb = x_addr(x, skb, F_SKB_CB);

	if (x_u64(x, cb, F_NLCB_DST_GROUP))
		u->s->nl_lost++;
	else
		u->answers++;
	return x->err.code;
}

static void options(struct xlate *x, u64 sk, struct m_sock *s)
{
	u64 flags = x_u64(x, sk, F_NL_FLAGS);

	s->nl_pktinfo = flags >> RECV_PKTINFO & 1;
	s->nl_broadcast_error = flags >> BROADCAST_SEND_ERROR & 1;
	s->nl_no_enobufs = flags >> RECV_NO_ENOBUFS & 1;
	s->nl_listen_all_nsid = flags >> LISTEN_ALL_NSID & 1;
	s->nl_cap_ack = flags >> CAP_ACK & 1;
	s->nl_ext_ack = flags >> EXT_ACK & 1;
	s->nl_strict = flags >> STRICT_CHK & 1;
	if (flags & ~(u64)FLAGS_KNOWN)
		x_refuse(x, "has netlink flags %#llx, which are not known",
			 (unsigned long long)flags);
}

/* Groups count from 1; the first is bit 0. */
static bool in_group(const struct m_sock *s, u32 group)
{
	u32 bit = group - 1;

	return bit < GROUPS_MAX && s->nl_groups[bit / 32] >> (bit % 32) & 1;
}

struct families {
	struct m_sock *s;
	u32 named;
};

static int one_family(struct xlate *x, u64 id, u64 family, void *arg)
{
	struct families *f = arg;
	u64 n = x_u64(x, family, F_GENL_NR_MCGRPS), at = x_u64(x, family, F_GENL_MCGRPS), i;
	u64 first = x_u64(x, family, F_GENL_MCGRP_OFFSET);

	(void)id;
	for (i = 0; i < n && first + i <= GROUPS_MAX && !x_failed(x); i++) {
		struct m_nl_group g = {};

		if (!in_group(f->s, first + i))
			continue;
		x_bytes(x, family, F_GENL_NAME, g.family, sizeof(g.family) - 1);
		x_bytes(x, at + i * x->f->size[T_GENL_GROUP], F_GENL_GROUP_NAME, g.group,
			sizeof(g.group) - 1);
		x_push(x, &f->s->nl_generic, g);
		f->named++;
	}
	return x->err.code;
}

static void groups(struct xlate *x, u64 sk, struct m_sock *s)
{
	u64 n = x_u64(x, sk, F_NL_NGROUPS), at = x_u64(x, sk, F_NL_GROUPS);
	struct families f = { .s = s };
	u32 i, set = 0;
	u64 idr;

	if (!at || !n)
		return;
	if (n > GROUPS_MAX) {
		x_refuse(x, "is a netlink socket with %llu groups", (unsigned long long)n);
		return;
	}
	x_read(x, at, s->nl_groups, (n + 63) / 64 * 8, "netlink_sock.groups");
	for (i = 1; i <= GROUPS_MAX; i++)
		set += in_group(s, i);
	if (s->protocol != NETLINK_GENERIC || !set)
		return;
	/* an idr is an xarray with another name */
	idr = x_sym(x, "genl_fam_idr");
	if (idr)
		x_xarray(x, x_addr(x, idr, F_IDR_RT), one_family, &f);
	if (f.named != set)
		x_refuse(x, "listens to %u groups of generic netlink, of which %u have a name", set,
			 f.named);
}

void xlate_netlink(struct xlate *x, u64 sk, struct m_sock *s)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	struct unread u = { .s = s };

	switch (s->protocol) {
	case NETLINK_ROUTE:
	case NETLINK_KOBJECT_UEVENT:
	case NETLINK_AUDIT:
	case NETLINK_GENERIC:
	case NETLINK_SOCK_DIAG:
		break;
	default:
		x_refuse(x, "is a netlink socket of protocol %d, which cannot be carried yet",
			 s->protocol);
	}
	s->nl_portid = x_u64(x, sk, F_NL_PORTID);
	s->nl_bound = x_u64(x, sk, F_NL_BOUND);
	s->nl_dst_portid = x_u64(x, sk, F_NL_DST_PORTID);
	s->nl_dst_group = x_u64(x, sk, F_NL_DST_GROUP);
	options(x, sk, s);
	groups(x, sk, s);
	if (s->nl_bound) {
		addr.nl_pid = s->nl_portid;
		addr.nl_groups = s->nl_groups[0];
		memcpy(s->addr, &addr, sizeof(addr));
		s->addr_len = sizeof(addr);
	}
	if (x_u64(x, sk, F_NL_CB_RUNNING))
		x_refuse(x, "is in the middle of a netlink dump: try again");
	xlate_sock_queue(x, sk, one_message, &u);
	if (u.answers)
		x_refuse(x, "has %u netlink messages for it alone that it has not read: try again",
			 u.answers);
}
