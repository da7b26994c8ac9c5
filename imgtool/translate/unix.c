// SPDX-License-Identifier: GPL-2.0-only
/*
 * AF_UNIX: addresses, connections, and messages in flight with credentials and descriptors.
 * Source: net/unix/af_unix.c, include/net/af_unix.h.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "translate/sock.h"

#define SCM_FD_MAX 253	/* include/net/scm.h */
#define UNIX_HASH_MOD 255	/* include/net/af_unix.h */
#define UNREAD_MAX (256u << 20)	/* bytes; wmem_max and max_dgram_qlen keep far below */

/* sk's own name; @len 0: it has none. */
static void unix_addr(struct xlate *x, u64 sk, u8 *addr, u32 size, u32 *len)
{
	u64 a = x_u64(x, sk, F_UNIX_ADDR), n = a ? x_u64(x, a, F_UNIXADDR_LEN) : 0;

	*len = 0;
	if (!a)
		return;
	if (n < 2 || n > size) {
		if (!x->live)
			x_refuse(x, "has an address of %llu bytes", (unsigned long long)n);
		return;
	}
	x_read(x, x_addr(x, a, F_UNIXADDR_NAME), addr, n, "unix_address.name");
	*len = n;
}

static void bound_path(struct xlate *x, u64 sk, struct m_sock *s)
{
	u64 path = x_addr(x, sk, F_UNIX_PATH), dentry = x_u64(x, path, F_PATH_DENTRY), inode;

	if (!dentry)
		return;
	s->path = xlate_path(x, x_u64(x, path, F_PATH_MNT), dentry);
	xlate_in_reach(x, s->path);
	inode = x_u64(x, dentry, F_DENTRY_INODE);
	if (!inode)
		return;
	s->path_mode = x_u64(x, inode, F_INODE_MODE) & 07777;
	s->path_uid = x_u64(x, inode, F_INODE_UID);
	s->path_gid = x_u64(x, inode, F_INODE_GID);
}

static void passed_files(struct xlate *x, u64 fp, struct m_sock_skb *b)
{
	u64 n = x_u64(x, fp, F_SCMFP_COUNT), i, file;
	char object[sizeof(x->object)];

	if (n > SCM_FD_MAX) {
		if (!x->live)
			x_refuse(x, "has a message with %llu descriptors", (unsigned long long)n);
		return;
	}
	memcpy(object, x->object, sizeof(object));
	for (i = 0; i < n && !x_failed(x); i++) {
		struct m_file *f;

		x_read(x, x_addr(x, fp, F_SCMFP_FP) + i * 8, &file, sizeof(file),
		       "scm_fp_list.fp");
		x_object(x, "%.100s, descriptor in a message", object);
		f = xlate_file(x, file);
		if (!f)
			continue;
		f->messenger = x->pid;
		x_push(x, &b->fds, f);
	}
	memcpy(x->object, object, sizeof(object));
}

struct queue {
	struct m_sock *s;
	u64 bytes;
};

static int one_message(struct xlate *x, u64 skb, void *arg)
{
	struct queue *q = arg;
	struct m_sock *s = q->s;
	u64 cb = x_addr(x, skb, F_SKB_CB), pid = x_u64(x, cb, F_UNIXCB_PID);
	u64 fp = x_u64(x, cb, F_UNIXCB_FP), consumed = x_u64(x, cb, F_UNIXCB_CONSUMED);
	struct m_sock_skb b = {};

	q->bytes += x_u64(x, skb, F_SKB_LEN);
	if (q->bytes > UNREAD_MAX) {
		x_refuse(x, "has more than %u MiB of unread messages", UNREAD_MAX >> 20);
		return 1;
	}
	b.data = xlate_skb_bytes(x, skb, s->type == SOCK_STREAM ? consumed : 0, &b.len);
	if (!b.data)
		return x->err.code;
	b.from_kaddr = x_u64(x, skb, F_SKB_SK);
	if (b.from_kaddr)
		unix_addr(x, b.from_kaddr, b.addr, sizeof(b.addr), &b.addr_len);
	if (pid) {
		b.pid = x_u64(x, pid, F_PID_NR);
		b.uid = x_u64(x, cb, F_UNIXCB_UID);
		b.gid = x_u64(x, cb, F_UNIXCB_GID);
	}
	if (fp)
		passed_files(x, fp, &b);
	x_push(x, &s->receive, b);
	return x->err.code;
}

/*
 * An accepted connection has its listener's address, but is not to be found by it:
 * net/unix/af_unix.c puts a socket that has bound an abstract name into the upper half of its
 * table, one with a path into that of inodes.
 */
static bool accepted(struct xlate *x, u64 sk, const struct m_sock *s)
{
	if (s->type == SOCK_DGRAM || s->state != TCP_ESTABLISHED || !s->addr_len)
		return false;
	return x_u64(x, x_addr(x, sk, F_UNIX_PATH), F_PATH_DENTRY) ? !x_u64(x, sk, F_SK_BIND_PPREV) :
								     x_u64(x, sk, F_SK_HASH) <= UNIX_HASH_MOD;
}

/* unix_stream_connect(): each message of a listener's queue belongs to a new connection. */
static int one_connection(struct xlate *x, u64 skb, void *arg)
{
	struct m_sock *s = arg, *c;

	x->nesting++;
	c = xlate_sock(x, x_u64(x, skb, F_SKB_SK));
	x->nesting--;
	if (c)
		x_push(x, &s->pending, c);
	return x->err.code;
}

static void peer(struct xlate *x, u64 sk, struct m_sock *s)
{
	u64 other = x_u64(x, sk, F_UNIX_PEER);

	s->peer_kaddr = other;
	if (!other)
		return;
	unix_addr(x, other, s->peer_addr, sizeof(s->peer_addr), &s->peer_addr_len);
	s->peer_gone = x_bit(x_u64(x, other, F_SK_FLAGS), x->f->value[E_SOCK_DEAD]) &&
		       !x_u64(x, other, F_SK_SOCKET);
}

void xlate_unix(struct xlate *x, u64 sk, struct m_sock *s)
{
	struct queue q = { .s = s };

	unix_addr(x, sk, s->addr, sizeof(s->addr), &s->addr_len);
	bound_path(x, sk, s);
	s->accepted = accepted(x, sk, s);
	if (x_has(x, F_UNIX_OOB) && x_u64(x, sk, F_UNIX_OOB))
		x_refuse(x, "has an unread out-of-band byte (MSG_OOB)");
	if (s->state == TCP_LISTEN) {
		s->backlog = x_u64(x, sk, F_SK_MAX_BACKLOG);
		xlate_sock_queue(x, sk, one_connection, s);
		return;
	}
	peer(x, sk, s);
	xlate_sock_queue(x, sk, one_message, &q);
}

static void link_sock(struct xlate *x, struct m_sock *s)
{
	size_t i;

	for (i = 0; i < s->receive.n; i++)
		s->receive.v[i].from = map_get(&x->socks, s->receive.v[i].from_kaddr);
	if (!s->peer_kaddr || s->peer_gone)
		return;
	s->peer = map_get(&x->socks, s->peer_kaddr);
	if (!s->peer)
		x_refuse(x, "is connected to a socket that no process has open");
}

void xlate_sock_links(struct xlate *x)
{
	struct m_process *p;
	struct m_sock *s;
	size_t i;

	/* those that a process has open, so that it can be named; then those in flight */
	vec_foreach(p, &x->m->processes) {
		x->pid = p->pid;
		memcpy(x->comm, p->comm, sizeof(x->comm));
		for (i = 0; p->fdtable && i < p->fdtable->fds.n; i++) {
			struct m_fd *fd = &p->fdtable->fds.v[i];

			if (fd->file->kind != M_FILE_SOCKET || !fd->file->sock)
				continue;
			x_object(x, "fd %d", fd->fd);
			s = fd->file->sock;
			if (!s->peer)
				link_sock(x, s);
		}
	}
	x->pid = 0;
	x->comm[0] = '\0';
	x_object(x, "socket in flight");
	vec_foreach(s, &x->m->socks)
		if (!s->peer && !(s->file && s->file->nr_refs))
			link_sock(x, s);
}
