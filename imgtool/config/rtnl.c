// SPDX-License-Identifier: GPL-2.0-only
/* Dumps and requests over netlink, by libnl; errors stay the kernel's errno. */
#include <errno.h>
#include <netlink/netlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/rtnl.h"

struct exchange {
	int (*each)(void *arg, struct nlmsghdr *n);
	void *arg;
	int r;		/* of @each, or the kernel's errno */
	bool done, interrupted;
};

int rtnl_open(struct nl_sock **sk, int protocol)
{
	*sk = nl_socket_alloc();
	if (!*sk)
		return -ENOMEM;
	if (nl_connect(*sk, protocol) || nl_socket_set_buffer_size(*sk, 1 << 20, 1 << 17)) {
		rtnl_closep(sk);
		return -EIO;
	}
	nl_socket_disable_auto_ack(*sk);
	return 0;
}

void rtnl_closep(struct nl_sock **sk)
{
	if (*sk)
		nl_socket_free(*sk);
	*sk = NULL;
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct exchange *x = arg;

	if (nlmsg_hdr(msg)->nlmsg_flags & NLM_F_DUMP_INTR)
		x->interrupted = true;
	if (!x->r && x->each)
		x->r = x->each(x->arg, nlmsg_hdr(msg));
	return NL_OK;
}

static int on_end(struct nl_msg *msg, void *arg)
{
	struct exchange *x = arg;
	int *status = nlmsg_data(nlmsg_hdr(msg));

	/* A dump that fails half-way says so in its NLMSG_DONE. */
	if (nlmsg_hdr(msg)->nlmsg_type == NLMSG_DONE && nlmsg_datalen(nlmsg_hdr(msg)) >= 4 &&
	    *status < 0 && !x->r)
		x->r = *status;
	x->done = true;
	return NL_STOP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct exchange *x = arg;

	(void)from;
	x->r = e->error ? e->error : -EIO;
	x->done = true;
	return NL_STOP;
}

static int receive(struct nl_sock *sk, struct exchange *x)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int r = 0;

	if (!cb)
		return -ENOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, x);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_end, x);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_end, x);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, x);
	while (!x->done && !r) {
		r = nl_recvmsgs(sk, cb);
		if (r == -NLE_DUMP_INTR) {
			x->interrupted = true;
			r = 0;
		}
	}
	nl_cb_put(cb);
	return x->r ? x->r : r ? -EIO : 0;
}

struct nl_msg *rtnl_request(int type, int flags, const void *hdr, size_t hdr_len)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

	if (msg && nlmsg_append(msg, (void *)hdr, hdr_len, NLMSG_ALIGNTO)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

static int send_it(struct nl_sock *sk, struct nl_msg *msg)
{
	int r = nl_send_auto(sk, msg);

	nlmsg_free(msg);
	return r < 0 ? -EIO : 0;
}

int rtnl_dump(struct nl_sock *sk, int type, const void *hdr, size_t hdr_len,
	    int (*each)(void *arg, struct nlmsghdr *n), void *arg)
{
	struct exchange x = { .each = each, .arg = arg };
	struct nl_msg *msg = rtnl_request(type, NLM_F_DUMP, hdr, hdr_len);
	int r = msg ? send_it(sk, msg) : -ENOMEM;

	if (!r)
		r = receive(sk, &x);
	/* Processes stand still, so what changes under a dump is the network itself. */
	return r ? r : x.interrupted ? -EAGAIN : 0;
}

int rtnl_talk(struct nl_sock *sk, struct nl_msg *msg)
{
	struct exchange x = { 0 };
	int r;

	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_ACK;
	r = send_it(sk, msg);
	return r ? r : receive(sk, &x);
}

void rtnl_row(struct refusals *rows, const char *object, const char *fmt, ...)
{
	char reason[240];
	va_list ap;

	if (!rows)
		return;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	refuse(rows, 0, "", object, "%s", reason);
	if (rows->list.n)
		rows->list.v[rows->list.n - 1]->waivable = true;
}
