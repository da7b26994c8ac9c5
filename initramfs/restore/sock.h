/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets, shared by the files that make them. */
#pragma once

#include "engine.h"

/* Hangs on m_sock.restore. */
struct sock_obj {
	int fd;
	bool given;	/* an open file of the machine's has it */
	bool data_done;
};

struct sock_obj *sock_obj(struct restore *r, struct m_sock *s);
int sock_fd(const struct m_sock *s);	/* -1: not made */
/* Buffer sizes, time limits and the like; before data. */
int sock_options(struct restore *r, const struct m_sock *s, int fd);
/* Those that act on data that comes; after it. */
int sock_options_last(struct restore *r, const struct m_sock *s, int fd);

int sock_unix_all(struct restore *r);
int sock_netlink(struct restore *r, struct m_sock *s, int *fd);
int sock_inet(struct restore *r, struct m_sock *s, int *fd);
