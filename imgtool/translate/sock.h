/* SPDX-License-Identifier: GPL-2.0-only */
/* What the translators of the socket families share. */
#pragma once

#include "translate/xlate.h"

/* The socket at struct sock @sk, once; NULL: failed. Says what cannot be carried. */
struct m_sock *xlate_sock(struct xlate *x, u64 sk);

/* Each fills in the part of @s that only its family has. */
void xlate_unix(struct xlate *x, u64 sk, struct m_sock *s);
void xlate_netlink(struct xlate *x, u64 sk, struct m_sock *s);
void xlate_inet(struct xlate *x, u64 sk, struct m_sock *s);

/* Calls @fn with each sk_buff on @sk's receive queue, the first to be read first. */
int xlate_sock_queue(struct xlate *x, u64 sk, int (*fn)(struct xlate *x, u64 skb, void *arg),
		     void *arg);
/*
 * The bytes of @skb from @skip on, into the arena; refuses what cannot be read. NULL with *@len 0: none
 * (but an empty datagram gives a pointer).
 */
u8 *xlate_skb_bytes(struct xlate *x, u64 skb, u32 skip, u32 *len);
