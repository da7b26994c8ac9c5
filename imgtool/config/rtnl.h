/* SPDX-License-Identifier: GPL-2.0-only */
/* rtnetlink: dumps and requests, and messages as JSON. Not for anyone outside of config/. */
#pragma once

#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/socket.h>

#include "config/parts.h"
#include "util/cleanup.h"

/* rtnl.c. Errors are negative errno, the kernel's own where it refused. */
int rtnl_open(struct nl_sock **sk, int protocol);
void rtnl_closep(struct nl_sock **sk);
#define _cleanup_nl_ _cleanup_(rtnl_closep)
/* @each gets every message of a dump of @type with family header @hdr; non-zero ends it. */
int rtnl_dump(struct nl_sock *sk, int type, const void *hdr, size_t hdr_len,
	    int (*each)(void *arg, struct nlmsghdr *n), void *arg);
/* Send, free @msg, wait for the kernel's answer. */
int rtnl_talk(struct nl_sock *sk, struct nl_msg *msg);
/* A request with header @hdr; NULL: out of memory. */
struct nl_msg *rtnl_request(int type, int flags, const void *hdr, size_t hdr_len);

/* attr.c: attributes by number, and what becomes of each; one that has no row is refused. */
enum attr_how {
	ATTR_UNKNOWN,
	ATTR_RAW,	/* the same bytes under any kernel */
	ATTR_IFINDEX,	/* u32 that numbers an interface: carried as its name */
	ATTR_NEXTHOPS,	/* RTA_MULTIPATH */
	ATTR_STATE,	/* not configuration, or said by another attribute: left out */
	ATTR_REFUSE,	/* not carried yet */
};
struct attr_row {
	const char *name;
	enum attr_how how;
};
struct attr_table {
	const struct attr_row *row;	/* by attribute number */
	int nr;
	const struct attr_row *hop;	/* rows for the attributes of a nexthop */
	int nr_hop;
};
/*
 * Into a new object {name: hex | interface | [nexthops]}. -EOPNOTSUPP: @why tells which attribute
 * is not carried.
 */
int attrs_to_json(const struct attr_table *t, struct nlattr *head, int len,
		  struct json_object **out, char *why, size_t why_room);
/* Append to @msg. -ENODEV: an interface is not there; -EINVAL: not what attrs_to_json makes. */
int attrs_from_json(const struct attr_table *t, struct json_object *o, struct nl_msg *msg);

/* link.c */
int links_capture(struct nl_sock *sk, struct json_object *list, struct refusals *rows);
/* Names, numbers and settings as they were, and up. */
int links_restore(struct config_run *run, struct nl_sock *sk, struct json_object *list);
/* Are all the interfaces of @list there, by any name? Rows for those that are not. */
int links_find(struct config_run *run, struct nl_sock *sk, struct json_object *list);

/* ip.c: addresses, rules, routes and neighbours */
int ip_capture(struct nl_sock *sk, struct json_object *network, struct refusals *rows);
int ip_restore(struct config_run *run, struct nl_sock *sk);

void rtnl_row(struct refusals *rows, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
