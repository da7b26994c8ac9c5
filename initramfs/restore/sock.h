/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets, shared by the files that make them. */
#pragma once

#include "engine.h"

/* Hangs on m_sock.restore. */
struct sock_obj {
	int fd;
	bool given;	/* an open file of the machine's has it */
};

/*
 * What has been said on a connection by a side that cannot say it in its turn: it has hung up
 * (then @gone stands for it), or the listener has not accepted it yet.
 */
struct sock_said {
	struct m_sock gone, *by;
	const struct m_sock *to;
};

struct sock_obj *sock_obj(struct restore *r, struct m_sock *s);
int sock_fd(const struct m_sock *s);	/* -1: not made */
/* Buffer sizes, time limits and the like; before data. */
int sock_options(struct restore *r, const struct m_sock *s, int fd);
/* While unread data is put back no limit holds: who said it may have had a larger one then. */
int sock_unlimited(struct restore *r, int fd);
int sock_limit(struct restore *r, const struct m_sock *s, int fd);	/* as it was */
/* Those that act on data that comes; after it. */
int sock_options_last(struct restore *r, const struct m_sock *s, int fd);

/* sock_name.c: a unix socket's name in a file system; its path, as the program gave it. */
struct sockaddr_un;
bool sock_has_path(const struct m_sock *s);
const char *sock_path(const struct m_sock *s);
/* Inside the machine's root, at the folder that a relative path is relative to; leave after failure too. */
struct place {
	int old_root, old_cwd;
};
int place_enter(struct restore *r, struct place *p, const struct m_sock *s);
void place_leave(struct place *p);
int sock_bind(struct restore *r, struct m_sock *s, int fd);
/* The folder of a path, O_PATH; @last: what the socket is called in there. */
int sock_folder(struct restore *r, const struct m_sock *s, struct sockaddr_un *last);
/*
 * The name of a sender that is gone: its datagram keeps it, whatever the machine has under that
 * name by now. So it is bound where nothing else is.
 */
int sock_bind_elsewhere(struct restore *r, const struct m_sock_skb *skb, int fd);

/* sock_peer.c: the call by whom @told's peer is to be; @dir: where a relative address begins, -1: nowhere. */
int peer_listen(struct restore *r, const struct m_sock *told, int fd, int backlog);
int peer_connect(struct restore *r, const struct m_sock *told, int fd, int dir, const void *addr, u32 len);
int peer_pair(struct restore *r, const struct m_sock *told, int type, int fd[2]);

int sock_unix_all(struct restore *r);
int sock_netlink(struct restore *r, struct m_sock *s, int *fd);
int sock_inet(struct restore *r, struct m_sock *s, int *fd);
