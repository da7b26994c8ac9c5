// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses, rules, routes, neighbours … : dumped as they are told, and brought back by making the next
 * kernel tell the same.
 *
 *	KEY: [{header: hex, dev: interface, attrs: {…}, valid, preferred, expires}]
 *
 * Weaker than before: what routers announced (IPv6 addresses that follow from a prefix, temporary ones,
 * default routes) comes back as if a user had set it, with the time that it had left; the next kernel
 * makes it anew from an announcement when that has run out.
 *
 * header is the family header with the interface's number taken out; valid, preferred and expires are
 * the seconds that were left, absent when it does not end.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "config/ip_kinds.h"
#include "util/cleanup.h"

#define FOREVER 0xffffffffu

struct dump {
	const struct ip_kind *kind;
	struct json_object *list;
	struct refusals *rows;
};

/* "address 10.0.2.15/24 on ens3": what a row calls it. */
static void describe(const struct ip_kind *k, struct json_object *o, char *buf, size_t room)
{
	struct json_object *attrs = js_obj(o, "attrs");
	const char *dev = js_str(o, "dev"), *hex = js_str(attrs, "dst"), *gw = js_str(attrs, "gateway");
	u8 header[IP_HEADER_MAX] = { 0 }, bytes[16];
	char text[INET6_ADDRSTRLEN] = "default", via[INET6_ADDRSTRLEN + 8] = "";
	int n;

	if (js_str(o, "header"))
		js_hex(js_str(o, "header"), header, sizeof(header));
	if (!hex)
		hex = js_str(attrs, "address");
	n = hex ? js_hex(hex, bytes, sizeof(bytes)) : 0;
	if (n == 4 || n == 16)
		inet_ntop(n == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text));
	n = gw ? js_hex(gw, bytes, sizeof(bytes)) : 0;
	if (n == 4 || n == 16) {
		strcpy(via, " via ");
		inet_ntop(n == 4 ? AF_INET : AF_INET6, bytes, via + 5, sizeof(via) - 5);
	}
	if (!dev)
		dev = js_str(attrs, "oif");
	snprintf(buf, room, "%s %s/%u%s%s%s", k->what, text, header[1], via, dev ? " on " : "",
		 dev ? dev : "");
}

static void add_lifetimes(const struct ip_kind *k, struct nlattr *head, int len,
			  struct json_object *o)
{
	struct nlattr *a;
	int rem;

	nla_for_each_attr(a, head, len, rem) {
		if (k->get == RTM_GETADDR && nla_type(a) == IFA_CACHEINFO &&
		    nla_len(a) >= (int)sizeof(struct ifa_cacheinfo)) {
			const struct ifa_cacheinfo *c = nla_data(a);

			if (c->ifa_valid != FOREVER)
				js_add_int(o, "valid", c->ifa_valid);
			if (c->ifa_prefered != FOREVER)
				js_add_int(o, "preferred", c->ifa_prefered);
		}
		if (k->get == RTM_GETROUTE && nla_type(a) == RTA_CACHEINFO &&
		    nla_len(a) >= (int)sizeof(struct rta_cacheinfo)) {
			const struct rta_cacheinfo *c = nla_data(a);

			/* In USER_HZ: rtnl_put_cacheinfo(). */
			if (c->rta_expires > 0)
				js_add_int(o, "expires", c->rta_expires / 100);
		}
	}
}

static int on_message(void *arg, struct nlmsghdr *n)
{
	struct dump *d = arg;
	const struct ip_kind *k = d->kind;
	struct json_object *o, *attrs = NULL;
	u8 header[IP_HEADER_MAX];
	char why[128] = "", dev[IF_NAMESIZE], object[160];
	u32 index;
	int r;

	if (n->nlmsg_type != k->add || nlmsg_datalen(n) < (int)k->header)
		return 0;
	memcpy(header, nlmsg_data(n), k->header);
	if (header[0] != k->families[0] && header[0] != k->families[1] && k->families[0])
		return 0;
	r = attrs_to_json(&k->attrs, nlmsg_attrdata(n, (int)k->header),
			  nlmsg_attrlen(n, (int)k->header), &attrs, why, sizeof(why));
	if (r && r != -EOPNOTSUPP)
		return r;
	if (r)
		attrs = json_object_new_object();
	if (!k->carry(header, attrs)) {
		json_object_put(attrs);
		return 0;
	}
	o = json_object_new_object();
	if (k->index_at) {
		memcpy(&index, header + k->index_at, 4);
		memset(header + k->index_at, 0, 4);
		if (index && !if_indextoname(index, dev)) {
			r = -EOPNOTSUPP;
			snprintf(why, sizeof(why), "its interface %u has no name", index);
		} else if (index) {
			js_add_str(o, "dev", dev);
		}
	}
	js_add_hex(o, "header", header, k->header);
	json_object_object_add(o, "attrs", attrs);
	add_lifetimes(k, nlmsg_attrdata(n, (int)k->header), nlmsg_attrlen(n, (int)k->header), o);
	if (r) {
		describe(k, o, object, sizeof(object));
		rtnl_row(d->rows, object, "%s", why);
		json_object_put(o);
		return 0;
	}
	return json_object_array_add(d->list, o) ? -ENOMEM : 0;
}

static int dump_kind(struct nl_sock *sk, const struct ip_kind *k, struct json_object *list,
		     struct refusals *rows)
{
	struct dump d = { k, list, rows };

	for (int i = 0; i < 2 && (!i || k->families[i]); i++) {
		u8 header[IP_HEADER_MAX] = { k->families[i] };
		int r = rtnl_dump(sk, k->get, header, k->header, on_message, &d);

		/* A family that this kernel does not have has none of these. */
		if (r == -EOPNOTSUPP || r == -EAFNOSUPPORT)
			continue;
		if (r)
			return r;
		if (k->get == RTM_GETNEIGH) {
			((struct ndmsg *)header)->ndm_flags = NTF_PROXY;
			r = rtnl_dump(sk, k->get, header, k->header, on_message, &d);
			if (r)
				return r;
		}
	}
	return 0;
}

int ip_capture(struct nl_sock *sk, struct json_object *network, struct refusals *rows)
{
	for (size_t i = 0; i < nr_ip_kinds; i++) {
		struct json_object *list = json_object_new_array();
		int r;

		json_object_object_add(network, ip_kinds[i].key, list);
		r = dump_kind(sk, &ip_kinds[i], list, rows);
		if (r)
			return r;
	}
	return 0;
}

static bool same(struct json_object *a, struct json_object *b)
{
	const char *x = js_str(a, "dev"), *y = js_str(b, "dev");
	const char *h = js_str(a, "header"), *i = js_str(b, "header");

	return h && i && !strcmp(h, i) && !x == !y && (!x || !strcmp(x, y)) &&
	       json_object_equal(js_obj(a, "attrs"), js_obj(b, "attrs"));
}

static bool contains(struct json_object *list, struct json_object *o)
{
	for (size_t i = 0; i < js_len(list); i++)
		if (same(json_object_array_get_idx(list, i), o))
			return true;
	return false;
}

/* What is left of @seconds after @away; at least one, when anything is. */
static u32 left(s64 seconds, s64 away)
{
	return seconds > away ? (u32)(seconds - away) : 0;
}

static int put_lifetimes(const struct ip_kind *k, struct json_object *o, s64 away,
			 struct nl_msg *msg)
{
	bool has_valid = json_object_object_get_ex(o, "valid", NULL);
	bool has_preferred = json_object_object_get_ex(o, "preferred", NULL);

	if (k->get == RTM_GETROUTE && json_object_object_get_ex(o, "expires", NULL)) {
		u32 expires = left(js_int(o, "expires"), away);

		if (!expires)
			return -ETIME;
		return nla_put_u32(msg, RTA_EXPIRES, expires) ? -ENOMEM : 0;
	}
	if (k->get == RTM_GETADDR && (has_valid || has_preferred)) {
		struct ifa_cacheinfo c = { .ifa_valid = FOREVER, .ifa_prefered = FOREVER };

		if (has_valid)
			c.ifa_valid = left(js_int(o, "valid"), away);
		if (has_preferred)
			c.ifa_prefered = left(js_int(o, "preferred"), away);
		if (!c.ifa_valid)
			return -ETIME;
		if (c.ifa_prefered > c.ifa_valid)
			return -EINVAL;
		return nla_put(msg, IFA_CACHEINFO, sizeof(c), &c) ? -ENOMEM : 0;
	}
	return 0;
}

static int send_one(struct nl_sock *sk, const struct ip_kind *k, struct json_object *o, bool add,
		    s64 away)
{
	const char *hex = js_str(o, "header"), *dev = js_str(o, "dev");
	u8 header[IP_HEADER_MAX] = { 0 };
	struct nl_msg *msg;
	u32 index = 0;
	int r;

	if (!hex || js_hex(hex, header, sizeof(header)) != (int)k->header)
		return -EINVAL;
	if (dev) {
		index = if_nametoindex(dev);
		if (!index)
			return -ENODEV;
		if (!k->index_at)
			return -EINVAL;
		memcpy(header + k->index_at, &index, 4);
	}
	msg = rtnl_request(add ? k->add : k->del, add ? k->add_flags : 0, header, k->header);
	if (!msg)
		return -ENOMEM;
	r = attrs_from_json(&k->attrs, js_obj(o, "attrs"), msg);
	if (!r && add)
		r = put_lifetimes(k, o, away, msg);
	if (r) {
		nlmsg_free(msg);
		return r;
	}
	return rtnl_talk(sk, msg);
}

/*
 * What was there and is not is added, again and again as long as one helps another (a gateway's own
 * route …); then what the kernel made by itself and was not there goes.
 */
static int restore_kind(struct config_run *run, struct nl_sock *sk, const struct ip_kind *k)
{
	struct json_object *want = js_arr(run->mine, k->key), *have;
	size_t n = js_len(want), failed = n + 1, before;
	char object[160];
	int r;

	if (!want)
		return 0;
	have = json_object_new_array();
	r = dump_kind(sk, k, have, NULL);
	if (r)
		goto out;
	do {
		before = failed;
		failed = 0;
		for (size_t i = 0; i < n; i++) {
			struct json_object *o = json_object_array_get_idx(want, k->backwards ? n - 1 - i : i);

			if (!js_str(o, "header") || contains(have, o))
				continue;
			r = send_one(sk, k, o, true, run->away_s);
			if (!r)
				json_object_array_add(have, json_object_get(o));
			else
				failed++;
		}
	} while (failed && failed < before);
	for (size_t i = 0; i < n && failed; i++) {
		struct json_object *o = json_object_array_get_idx(want, i);

		if (!js_str(o, "header") || contains(have, o))
			continue;
		r = send_one(sk, k, o, true, run->away_s);
		describe(k, o, object, sizeof(object));
		if (r == -ETIME)
			config_note(run, object, "its time has run out in the meantime");
		else if (r)
			config_left(run, object, "cannot be added: %s", strerror(-r));
	}
	json_object_put(have);
	have = json_object_new_array();
	r = k->may_remove ? dump_kind(sk, k, have, NULL) : 0;
	for (size_t i = 0; !r && i < js_len(have); i++) {
		struct json_object *o = json_object_array_get_idx(have, i);
		u8 header[IP_HEADER_MAX];
		int error;

		if (js_hex(js_str(o, "header"), header, sizeof(header)) < 0 || contains(want, o) ||
		    !k->may_remove(header))
			continue;
		error = send_one(sk, k, o, false, 0);
		if (error && error != -EADDRNOTAVAIL && error != -ESRCH) {
			describe(k, o, object, sizeof(object));
			config_note(run, object, "this kernel added it, and it cannot be removed: %s",
				    strerror(-error));
		}
	}
out:
	json_object_put(have);
	return r;
}

int ip_restore(struct config_run *run, struct nl_sock *sk)
{
	for (size_t i = 0; i < nr_ip_kinds; i++) {
		int r = restore_kind(run, sk, &ip_kinds[i]);

		if (r)
			return ohib_err_set(run->err, r, "%s: %s", ip_kinds[i].key, strerror(-r));
	}
	return 0;
}
