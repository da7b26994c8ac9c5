// SPDX-License-Identifier: GPL-2.0-only
/*
 * AF_INET and AF_INET6: for now only what they are, so that a refusal says it.
 * Source: include/net/sock.h.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "translate/sock.h"

static u32 address(struct xlate *x, u64 sk, const struct m_sock *s, bool remote, u8 *out)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in a4 = { .sin_family = AF_INET };

	if (s->family == AF_INET) {
		a4.sin_addr.s_addr = x_u64(x, sk, remote ? F_SK_DADDR : F_SK_SADDR);
		a4.sin_port = remote ? x_u64(x, sk, F_SK_DPORT) : htons(x_u64(x, sk, F_SK_NUM));
		memcpy(out, &a4, sizeof(a4));
		return a4.sin_port ? sizeof(a4) : 0;
	}
	x_bytes(x, sk, remote ? F_SK_V6_DADDR : F_SK_V6_SADDR, &a6.sin6_addr, sizeof(a6.sin6_addr));
	a6.sin6_port = remote ? x_u64(x, sk, F_SK_DPORT) : htons(x_u64(x, sk, F_SK_NUM));
	memcpy(out, &a6, sizeof(a6));
	return a6.sin6_port ? sizeof(a6) : 0;
}

static void print(const u8 *addr, u32 len, char *out, size_t size)
{
	const struct sockaddr_in6 *a6 = (const void *)addr;
	const struct sockaddr_in *a4 = (const void *)addr;
	char host[INET6_ADDRSTRLEN] = "?";

	if (!len) {
		snprintf(out, size, "no address");
		return;
	}
	inet_ntop(a4->sin_family, a4->sin_family == AF_INET ? (const void *)&a4->sin_addr :
							      (const void *)&a6->sin6_addr,
		  host, sizeof(host));
	snprintf(out, size, "%s port %u", host, ntohs(a4->sin_port));
}

void xlate_inet(struct xlate *x, u64 sk, struct m_sock *s)
{
	const char *type = s->protocol == IPPROTO_TCP ? "TCP" :
			   s->protocol == IPPROTO_UDP ? "UDP" : "IP";
	char local[80], remote[80];

	s->addr_len = address(x, sk, s, false, s->addr);
	s->peer_addr_len = address(x, sk, s, true, s->peer_addr);
	if (s->family == AF_INET6)
		s->v6only = x_u64(x, sk, F_SK_V6ONLY);
	print(s->addr, s->addr_len, local, sizeof(local));
	print(s->peer_addr, s->peer_addr_len, remote, sizeof(remote));
	if (s->state == TCP_LISTEN)
		x_refuse(x, "is a %s socket that listens on %s, which cannot be carried yet", type,
			 local);
	else if (s->peer_addr_len)
		x_refuse(x, "is a %s connection of %s with %s, which cannot be carried yet", type,
			 local, remote);
	else
		x_refuse(x, "is a %s socket with %s, which cannot be carried yet", type, local);
}
