// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network of the initial namespace: interfaces (link.c) and what hangs on them (ip.c).
 *
 *	network: {links: […], addresses: […], routes: […] …}
 */
#include <errno.h>
#include <linux/pkt_sched.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "config/rtnl.h"

static int read_all(struct nl_sock *sk, struct json_object *o, struct refusals *rows)
{
	struct json_object *links = json_object_new_array();
	int r;

	json_object_object_add(o, "links", links);
	r = links_capture(sk, links, rows);
	return r ? r : ip_capture(sk, o, rows);
}

/* A dump that the network changed under is taken again. */
static int read_network(struct json_object **out, struct refusals *rows, struct ohib_err *err)
{
	_cleanup_nl_ struct nl_sock *sk = NULL;
	int r = rtnl_open(&sk, NETLINK_ROUTE);

	for (int tries = 0; !r && tries < 5; tries++) {
		struct refusals found = { 0 };
		struct json_object *o = json_object_new_object();
		struct refusal *row;

		r = read_all(sk, o, &found);
		if (!r) {
			vec_foreach(row, &found.list)
				rtnl_row(rows, row->object, "%s", row->reason);
			refusals_free(&found);
			*out = o;
			return 0;
		}
		refusals_free(&found);
		json_object_put(o);
		if (r == -EAGAIN)
			r = tries < 4 ? 0 : -EAGAIN;
	}
	return ohib_err_set(err, r ? r : -EAGAIN, "network: %s", strerror(r ? -r : EAGAIN));
}

static int capture(struct json_object **out, struct ohib_err *err)
{
	return read_network(out, NULL, err);
}

static int on_qdisc(void *arg, struct nlmsghdr *n)
{
	const struct tcmsg *h = nlmsg_data(n);
	struct nlattr *tb[TCA_MAX + 1] = { 0 };

	/* Those that the kernel attaches by itself have no handle: qdisc_create_dflt(). */
	if (n->nlmsg_type == RTM_NEWQDISC && h->tcm_handle &&
	    !nlmsg_parse(n, sizeof(*h), tb, TCA_MAX, NULL))
		rtnl_row(arg, "traffic control", "queueing discipline %.32s on interface %d is not carried yet",
			 tb[TCA_KIND] ? nla_get_string(tb[TCA_KIND]) : "?", h->tcm_ifindex);
	return 0;
}

static int check(struct config_check *c)
{
	_cleanup_nl_ struct nl_sock *sk = NULL;
	struct json_object *o = NULL;
	struct tcmsg tc = { .tcm_family = AF_UNSPEC };
	struct stat mine, first;
	int r;

	if (!stat("/proc/self/ns/net", &mine) && !stat("/proc/1/ns/net", &first) &&
	    (mine.st_ino != first.st_ino || mine.st_dev != first.st_dev)) {
		rtnl_row(c->refusals, "network", "overlayctl runs in a network namespace of its own; start it in PID 1's");
		return 0;
	}
	r = read_network(&o, c->refusals, c->err);
	if (!r)
		r = rtnl_open(&sk, NETLINK_ROUTE);
	if (!r)
		r = rtnl_dump(sk, RTM_GETQDISC, &tc, sizeof(tc), on_qdisc, c->refusals);
	json_object_put(o);
	/* CONFIG_NET_SCHED=n */
	return r == -EOPNOTSUPP ? 0 : r;
}

static int prepare(struct config_run *run)
{
	_cleanup_nl_ struct nl_sock *sk = NULL;
	int r = run->mine ? rtnl_open(&sk, NETLINK_ROUTE) : 0;

	return run->mine && !r ? links_find(run, sk, js_arr(run->mine, "links")) : r;
}

static int restore(struct config_run *run)
{
	_cleanup_nl_ struct nl_sock *sk = NULL;
	int r = run->mine ? rtnl_open(&sk, NETLINK_ROUTE) : 0;

	return run->mine && !r ? links_restore(run, sk, js_arr(run->mine, "links")) : r;
}

const struct config_noun config_network = {
	.key = "network",
	.capture = capture,
	.check = check,
	.stage = { [CONFIG_PREPARE] = prepare, [CONFIG_RESTORE] = restore },
};
