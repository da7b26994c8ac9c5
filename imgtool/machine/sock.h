/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets that a plain machine's daemons hold: unix, netlink, and unconnected inet ones. */
#pragma once

#include "util/types.h"
#include "util/vec.h"

struct m_cred;
struct m_file;
struct m_path;

struct m_sock_skb {
	u8 *data;
	u32 len;
	u64 from_kaddr;
	struct m_sock *from;	/* unix: the socket that sent it; NULL: closed since */
	u8 addr[128];		/* sender's address; length 0: it had none */
	u32 addr_len;
	pid_t pid;		/* SCM_CREDENTIALS; 0: none were kept */
	u32 uid, gid;
	VEC(struct m_file *) fds; /* SCM_RIGHTS */
};

/* Multicast group of generic netlink, whose numbers every kernel gives out anew. */
struct m_nl_group {
	char family[16], group[16];
};

struct m_sock {
	u64 kaddr;		/* struct sock */
	s32 family, type, protocol;
	s32 state;		/* SS_*-like: TCP_LISTEN, TCP_ESTABLISHED, TCP_CLOSE */
	u8 addr[128];		/* bound address, sockaddr; length 0: not bound */
	u32 addr_len;
	struct m_path *path;	/* unix: the socket's inode in a file system */
	u32 path_mode, path_uid, path_gid;
	bool accepted;		/* unix: has its listener's address, and has not bound it itself */
	s32 backlog;
	u64 peer_kaddr;
	struct m_sock *peer;	/* unix: connected to */
	bool peer_gone;		/* connected, and the other socket has been closed */
	u8 peer_addr[128];	/* what it is or was connected to; length 0: no address */
	u32 peer_addr_len;
	VEC(struct m_sock *) pending;	/* unix, listening: connections not accepted yet */
	VEC(struct m_sock_skb) receive;	/* not read yet */
	pid_t peer_pid;		/* SO_PEERCRED */
	u32 peer_uid, peer_gid;
	struct m_cred *peer_cred; /* the same in full; listening: its own, for those that connect */
	bool shut_read, shut_write;
	bool passcred, passsec, passpidfd;
	bool timestamp, timestamp_ns;	/* SO_TIMESTAMP, SO_TIMESTAMPNS: not both */
	s32 rcvlowat, peek_off;	/* normally 1, -1 */
	s32 sndbuf, rcvbuf;
	bool sndbuf_locked, rcvbuf_locked;
	u32 nl_groups[32];	/* netlink multicast groups; the lowest bit is group 1 */
	VEC(struct m_nl_group) nl_generic; /* NETLINK_GENERIC: these instead of nl_groups */
	u32 nl_portid;
	bool nl_bound;
	u32 nl_dst_portid, nl_dst_group; /* connect(2) */
	bool nl_pktinfo, nl_broadcast_error, nl_no_enobufs, nl_listen_all_nsid;
	bool nl_cap_ack, nl_ext_ack, nl_strict;
	/*
	 * Multicast messages left out: the image kernel's events mean nothing under the next one,
	 * and such messages may get lost anyway.
	 */
	u32 nl_lost;
	u8 *filter;		/* classic BPF, struct sock_filter[] */
	u32 filter_len;		/* instructions */
	bool filter_locked;	/* SO_LOCK_FILTER */
	s32 err;		/* pending SO_ERROR */
	s64 rcvtimeo_us, sndtimeo_us;
	bool reuseaddr, reuseport, broadcast, keepalive, v6only;
	s32 mark, priority, bound_ifindex;
	struct m_file *file;	/* NULL: not accepted yet */
	void *restore;		/* restore's own */
};
