// SPDX-License-Identifier: GPL-2.0-only
/* A live process's unix sockets: peers by sock_diag, contents by reading them empty. See scrape.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "scrape_priv.h"

static struct map socks, peers; /* by inode */
static int held[1024]; /* open until all have been looked at */
static int nr_held;

void scrape_sock_reset(void)
{
	map_free(&socks);
	map_free(&peers);
}

/* The inode of the socket that @ino is connected to; 0: none. */
static u64 peer_of(u32 ino)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req q;
	} req = {
		{ sizeof(req), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0 },
		{ .sdiag_family = AF_UNIX, .udiag_states = ~0u, .udiag_ino = ino,
		  .udiag_show = UDIAG_SHOW_PEER, .udiag_cookie = { ~0u, ~0u } },
	};
	char buf[4096];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct nlmsghdr *h = (void *)buf;
	struct nlattr *a;
	u64 peer = 0;

	if (send(fd, &req, sizeof(req), 0) > 0 && recv(fd, buf, sizeof(buf), 0) > 0 &&
	    h->nlmsg_type == SOCK_DIAG_BY_FAMILY) {
		char *p = (char *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(struct unix_diag_msg));

		for (; p < (char *)h + h->nlmsg_len; p += NLA_ALIGN(a->nla_len)) {
			a = (void *)p;
			if (a->nla_type == UNIX_DIAG_PEER)
				peer = *(u32 *)(p + NLA_HDRLEN);
			if (!a->nla_len)
				break;
		}
	}
	close(fd);
	return peer;
}

static u64 inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

static void read_all(struct scrape *s, struct m_sock *k, int fd)
{
	static u8 buf[1 << 20];
	struct sockaddr_un from;

	for (;;) {
		struct m_sock_skb skb = { 0 };
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (void *)&from, &len);

		if (n <= 0)
			return;
		skb.data = arena_memdup(s->m->arena, buf, (size_t)n);
		skb.len = (u32)n;
		if (k->type == SOCK_DGRAM && len > 2) {
			memcpy(skb.addr, &from, len);
			skb.addr_len = len;
		}
		vec_push(&k->receive, skb);
	}
}

/* The number in the namespace of what the scraper knows by the outer one; 0: it has ended. */
static pid_t inner_pid(struct scrape *s, pid_t outer)
{
	struct m_process *p = inner_of(s, outer);

	return p ? p->pid : 0;
}

static struct m_sock *describe(struct scrape *s, int fd)
{
	struct m_sock *k = arena_new(s->m->arena, struct m_sock);
	socklen_t len = sizeof(int);
	struct ucred cred;
	int listening = 0, v;
	char path[128];

	k->family = AF_UNIX;
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &k->type, &len);
	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len);
	getsockopt(fd, SOL_SOCKET, SO_PASSCRED, &v, &len);
	k->passcred = v;
	getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &k->sndbuf, &len);
	len = sizeof(k->addr);
	getsockname(fd, (void *)k->addr, &len);
	k->addr_len = len > 2 ? len : 0;
	len = sizeof(cred);
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		k->peer_pid = inner_pid(s, cred.pid), k->peer_uid = cred.uid, k->peer_gid = cred.gid;
	k->state = listening ? 10 : 7;
	k->backlog = 5;
	k->peek_off = -1;
	len = sizeof(k->peer_addr);
	if (!listening && k->type != SOCK_DGRAM && !getpeername(fd, (void *)k->peer_addr, &len)) {
		k->state = 1;
		k->peer_addr_len = len > 2 ? len : 0;
		k->accepted = k->addr_len; /* no program of cases/ binds a socket that connects */
	}
	if (k->addr_len && k->addr[2]) {
		snprintf(path, sizeof(path), "%.108s", k->addr + 2);
		k->path = scrape_path(s, path);
		k->path->unlinked = access(path, F_OK) != 0;
	}
	if (nr_held < 1024)
		held[nr_held++] = fd;
	map_put(&socks, inode_of(fd), k);
	map_put(&peers, (u64)k, (void *)peer_of((u32)inode_of(fd)));
	vec_push(&s->m->socks, k);
	if (listening) {
		int got;

		while ((got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
			vec_push(&k->pending, describe(s, got));
			/* left open: its peer is to stay connected while it is looked at */
		}
	} else {
		read_all(s, k, fd);
	}
	return k;
}

int scrape_sock(struct scrape *s, struct sproc *sp, int num, struct m_file *f)
{
	int pidfd = (int)syscall(SYS_pidfd_open, sp->outer, 0), fd, flags;

	fd = (int)syscall(SYS_pidfd_getfd, pidfd, num, 0);
	close(pidfd);
	if (fd < 0)
		return -errno;
	flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	f->kind = M_FILE_SOCKET;
	f->sock = describe(s, fd);
	f->sock->file = f;
	/* Left open until all are seen. */
	return 0;
}

/* When all sockets are known. */
void scrape_sock_peers(struct scrape *s)
{
	struct m_sock *k;

	while (nr_held)
		close(held[--nr_held]);
	vec_foreach(k, &s->m->socks) {
		k->peer = map_get(&socks, (u64)map_get(&peers, (u64)k));
	}
}
