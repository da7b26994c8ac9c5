/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets that a plain machine's daemons hold: unix, netlink, and unconnected inet ones. */
#pragma once

#include "util/types.h"
#include "util/vec.h"

struct m_file;
struct m_path;

struct m_sock_skb {
	u8 *data;
	u32 len;
	u8 addr[128];		/* sender, datagrams */
	u32 addr_len;
	pid_t pid;		/* SCM_CREDENTIALS */
	u32 uid, gid;
	VEC(struct m_file *) fds; /* SCM_RIGHTS */
};

struct m_sock {
	u64 kaddr;		/* struct sock */
	s32 family, type, protocol;
	s32 state;		/* SS_*-like: TCP_LISTEN, TCP_ESTABLISHED, TCP_CLOSE */
	u8 addr[128];		/* bound address, sockaddr; length 0: not bound */
	u32 addr_len;
	struct m_path *path;	/* unix: the socket's inode in a file system */
	s32 backlog;
	struct m_sock *peer;	/* unix: connected to */
	VEC(struct m_sock *) pending;	/* unix, listening: connections not accepted yet */
	VEC(struct m_sock_skb) receive;	/* not read yet */
	pid_t peer_pid;		/* SO_PEERCRED */
	u32 peer_uid, peer_gid;
	bool shut_read, shut_write;
	bool passcred, passsec, timestamp;
	s32 sndbuf, rcvbuf;
	bool sndbuf_locked, rcvbuf_locked;
	u32 nl_groups[32];	/* netlink multicast groups */
	u32 nl_portid;
	bool nl_bound;
	u8 *filter;		/* classic BPF, struct sock_filter[] */
	u32 filter_len;		/* instructions */
	s32 err;		/* pending SO_ERROR */
	s64 rcvtimeo_us, sndtimeo_us;
	bool reuseaddr, reuseport, broadcast, keepalive, v6only;
	s32 mark, priority, bound_ifindex;
	struct m_file *file;	/* NULL: not accepted yet */
	void *restore;		/* restore's own */
};
