// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interfaces: which they are, how they are called and numbered, and their settings.
 *
 *	links: [{name, index, mac, perm_mac, device, flags, mtu, txqlen, group, alias, altnames}]
 *
 * Not carried: what ethtool sets (offloads, rings, speeds), which has no record of its defaults.
 *
 * device is where it hangs in sysfs. Found again by the address that the hardware has and by that place;
 * the next kernel has called it eth0 or so, as udev does not run yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/attr.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/rtnl.h"
#include "util/cleanup.h"

/* What a user sets; the others tell how the link stands. PROMISC and ALLMULTI: dev_get_flags(). */
#define SETTABLE (IFF_UP | IFF_NOARP | IFF_MULTICAST | IFF_ALLMULTI | IFF_PROMISC | IFF_DYNAMIC)
/* linux/if.h, which cannot be had beside net/if.h */
#define LOWER_UP (1u << 16)
#define MAC_MAX 32

static void device_of(const char *name, char *buf, size_t room)
{
	char path[64], *p;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/net/%s", name);
	n = readlink(path, buf, room - 1);
	buf[n < 0 ? 0 : n] = '\0';
	/* ../../devices/pci0000:00/0000:00:03.0/virtio0/net/ens3 → without the two last parts. */
	p = strstr(buf, "/net/");
	if (p)
		*p = '\0';
	p = strstr(buf, "devices/");
	if (p)
		memmove(buf, p + 8, strlen(p + 8) + 1);
}

struct capture {
	struct json_object *list;
	struct refusals *rows;
	bool all;	/* those that are not carried too */
};

static const char *unfit(struct nlattr **tb, const char *name, char *why, size_t room)
{
	struct nlattr *info[IFLA_INFO_MAX + 1] = { 0 }, *xdp[IFLA_XDP_MAX + 1] = { 0 };

	if (tb[IFLA_LINKINFO])
		nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL);
	if (tb[IFLA_XDP])
		nla_parse_nested(xdp, IFLA_XDP_MAX, tb[IFLA_XDP], NULL);
	if (info[IFLA_INFO_KIND])
		snprintf(why, room, "it is virtual (%.32s); such are not carried yet",
			 nla_get_string(info[IFLA_INFO_KIND]));
	else if (tb[IFLA_MASTER])
		snprintf(why, room, "it is a port of another interface; that is not carried yet");
	else if (xdp[IFLA_XDP_ATTACHED] && nla_get_u8(xdp[IFLA_XDP_ATTACHED]))
		snprintf(why, room, "it has an XDP program, which is not carried yet");
	else if (tb[IFLA_NUM_VF] && nla_get_u32(tb[IFLA_NUM_VF]))
		snprintf(why, room, "it has virtual functions, which are not carried yet");
	else if (tb[IFLA_PROTO_DOWN] && nla_get_u8(tb[IFLA_PROTO_DOWN]))
		snprintf(why, room, "it is held down (protodown), which is not carried yet");
	else if (strlen(name) >= IF_NAMESIZE)
		snprintf(why, room, "its name is too long");
	else
		return NULL;
	return why;
}

static struct json_object *altnames(struct nlattr *list)
{
	struct json_object *a = json_object_new_array();
	struct nlattr *n;
	int rem;

	if (list)
		nla_for_each_nested(n, list, rem)
			if (nla_type(n) == IFLA_ALT_IFNAME)
				json_object_array_add(a, json_object_new_string(nla_get_string(n)));
	return a;
}

static int on_link(void *arg, struct nlmsghdr *n)
{
	struct capture *c = arg;
	struct nlattr *tb[IFLA_MAX + 1] = { 0 };
	const struct ifinfomsg *h = nlmsg_data(n);
	char device[512], why[128], object[64];
	struct json_object *o;
	const char *name;

	if (n->nlmsg_type != RTM_NEWLINK || nlmsg_parse(n, sizeof(*h), tb, IFLA_MAX, NULL) ||
	    !tb[IFLA_IFNAME])
		return 0;
	name = nla_get_string(tb[IFLA_IFNAME]);
	if (unfit(tb, name, why, sizeof(why)) && !c->all) {
		snprintf(object, sizeof(object), "interface %s", name);
		rtnl_row(c->rows, object, "%s", why);
		return 0;
	}
	o = json_object_new_object();
	js_add_str(o, "name", name);
	js_add_int(o, "index", h->ifi_index);
	js_add_int(o, "type", h->ifi_type);
	js_add_int(o, "flags", h->ifi_flags & SETTABLE);
	js_add_int(o, "carrier", !!(h->ifi_flags & LOWER_UP));
	device_of(name, device, sizeof(device));
	js_add_str(o, "device", device);
	if (tb[IFLA_ADDRESS])
		js_add_hex(o, "mac", nla_data(tb[IFLA_ADDRESS]), (size_t)nla_len(tb[IFLA_ADDRESS]));
	/* Drivers that do not know it have never had another one. */
	if (tb[IFLA_PERM_ADDRESS])
		js_add_hex(o, "perm_mac", nla_data(tb[IFLA_PERM_ADDRESS]),
			   (size_t)nla_len(tb[IFLA_PERM_ADDRESS]));
	if (tb[IFLA_MTU])
		js_add_int(o, "mtu", nla_get_u32(tb[IFLA_MTU]));
	if (tb[IFLA_TXQLEN])
		js_add_int(o, "txqlen", nla_get_u32(tb[IFLA_TXQLEN]));
	if (tb[IFLA_GROUP])
		js_add_int(o, "group", nla_get_u32(tb[IFLA_GROUP]));
	js_add_str(o, "alias", tb[IFLA_IFALIAS] ? nla_get_string(tb[IFLA_IFALIAS]) : "");
	json_object_object_add(o, "altnames", altnames(tb[IFLA_PROP_LIST]));
	return json_object_array_add(c->list, o) ? -ENOMEM : 0;
}

static int read_links(struct nl_sock *sk, struct json_object *list, struct refusals *rows, bool all)
{
	struct ifinfomsg h = { .ifi_family = AF_UNSPEC };
	struct capture c = { list, rows, all };

	return rtnl_dump(sk, RTM_GETLINK, &h, sizeof(h), on_link, &c);
}

int links_capture(struct nl_sock *sk, struct json_object *list, struct refusals *rows)
{
	return read_links(sk, list, rows, false);
}

static const char *hardware_mac(struct json_object *o)
{
	const char *s = js_str(o, "perm_mac");

	return s ? s : js_str(o, "mac");
}

static bool same_text(const char *a, const char *b)
{
	return a && b && *a && *b && !strcmp(a, b);
}

/* 0: not it; the higher, the more it is the one. */
static int likeness(struct json_object *want, struct json_object *have)
{
	bool mac = same_text(hardware_mac(want), hardware_mac(have));
	bool place = same_text(js_str(want, "device"), js_str(have, "device"));

	if (js_int(want, "type") != js_int(have, "type"))
		return 0;
	if (js_int(want, "type") == ARPHRD_LOOPBACK)
		return 3;
	return mac ? 2 + place : place;
}

static struct json_object *find(struct json_object *want, struct json_object *links)
{
	struct json_object *best = NULL;
	int best_likeness = 0;

	for (size_t i = 0; i < js_len(links); i++) {
		struct json_object *have = json_object_array_get_idx(links, i);
		int l = likeness(want, have);

		if (l > best_likeness) {
			best = have;
			best_likeness = l;
		}
	}
	return best;
}

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

int links_find(struct config_run *run, struct nl_sock *sk, struct json_object *list)
{
	struct json_object *links = NULL;
	bool missing = true;
	int r = 0;

	/* Their modules were loaded a moment ago, and devices may be probed behind their back. */
	for (int tries = 0; missing && tries < 50 && !r; tries++) {
		if (links) {
			json_object_put(links);
			pause_ms(100);
		}
		links = json_object_new_array();
		r = read_links(sk, links, NULL, true);
		missing = false;
		for (size_t i = 0; i < js_len(list); i++)
			missing |= !find(json_object_array_get_idx(list, i), links);
	}
	for (size_t i = 0; missing && i < js_len(list); i++) {
		struct json_object *want = json_object_array_get_idx(list, i);
		const char *name = js_str(want, "name");
		char object[64];

		if (find(want, links))
			continue;
		snprintf(object, sizeof(object), "interface %.20s", name ? name : "?");
		config_left(run, object, "this kernel does not show it (device %.120s)",
			    js_str(want, "device") ? js_str(want, "device") : "");
	}
	json_object_put(links);
	return r;
}

static struct nl_msg *link_request(int type, int index, unsigned int flags, unsigned int change)
{
	struct ifinfomsg h = { .ifi_index = index, .ifi_flags = flags, .ifi_change = change };

	return rtnl_request(type, 0, &h, sizeof(h));
}

static int set_flags(struct nl_sock *sk, int index, unsigned int flags, unsigned int change)
{
	struct nl_msg *msg = link_request(RTM_NEWLINK, index, flags, change);

	return msg ? rtnl_talk(sk, msg) : -ENOMEM;
}

static int set_attr(struct nl_sock *sk, int index, int attr, const void *data, size_t len)
{
	struct nl_msg *msg = link_request(RTM_SETLINK, index, 0, 0);

	if (!msg || nla_put(msg, attr, (int)len, data)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	return rtnl_talk(sk, msg);
}

static int set_name(struct nl_sock *sk, int index, const char *name)
{
	return set_attr(sk, index, IFLA_IFNAME, name, strlen(name) + 1);
}

static int set_u32(struct nl_sock *sk, int index, int attr, u32 value)
{
	return set_attr(sk, index, attr, &value, sizeof(value));
}

struct pair {
	struct json_object *want, *have;
	int index;		/* now */
};
struct pairs {
	VEC(struct pair) list;
};

static int move_to(struct nl_sock *sk, int index, int netns, int new_index)
{
	struct nl_msg *msg = link_request(RTM_NEWLINK, index, 0, 0);

	if (!msg || nla_put_u32(msg, IFLA_NET_NS_FD, (u32)netns) ||
	    (new_index && nla_put_u32(msg, IFLA_NEW_IFINDEX, (u32)new_index))) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	return rtnl_talk(sk, msg);
}

/*
 * Programs hold interfaces by number. An interface gets a number of one's choice when it comes from
 * another network namespace (IFLA_NEW_IFINDEX, Linux 5.13), so those with a wrong one go there and back.
 */
static int renumber(struct config_run *run, struct nl_sock *sk, struct pairs *p)
{
	_cleanup_close_ int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), away = -1;
	_cleanup_nl_ struct nl_sock *there = NULL;
	bool wrong = false;
	int r = 0;

	for (size_t i = 0; i < p->list.n; i++)
		wrong |= p->list.v[i].index != js_int(p->list.v[i].want, "index");
	if (!wrong)
		return 0;
	if (home < 0 || unshare(CLONE_NEWNET))
		return -errno;
	away = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	r = away < 0 ? -errno : rtnl_open(&there, NETLINK_ROUTE);
	if (setns(home, CLONE_NEWNET))
		return -errno;
	for (size_t i = 0; i < p->list.n && !r; i++) {
		struct pair *x = &p->list.v[i];

		if (x->index != js_int(x->want, "index") && js_int(x->want, "type") != ARPHRD_LOOPBACK)
			r = move_to(sk, x->index, away, 1000 + (int)i);
	}
	for (size_t i = 0; i < p->list.n; i++) {
		struct pair *x = &p->list.v[i];
		s64 wish = js_int(x->want, "index");
		char object[64];

		if (x->index == wish || js_int(x->want, "type") == ARPHRD_LOOPBACK)
			continue;
		if (wish > 0 && wish <= INT32_MAX && !move_to(there, 1000 + (int)i, home, (int)wish)) {
			x->index = (int)wish;
			continue;
		}
		snprintf(object, sizeof(object), "interface %.20s", js_str(x->want, "name"));
		config_note(run, object, "it had number %lld, which is taken", (long long)wish);
		/* Home with any number; without one given it keeps the one that it has. */
		if (!move_to(there, 1000 + (int)i, home, 0))
			x->index = 1000 + (int)i;
	}
	return r;
}

static int altname_request(struct nl_sock *sk, int index, int type, int flags, const char *name)
{
	struct ifinfomsg h = { .ifi_index = index };
	struct nl_msg *msg = rtnl_request(type, flags, &h, sizeof(h));
	struct nlattr *nest = msg ? nla_nest_start(msg, IFLA_PROP_LIST) : NULL;

	if (!nest || nla_put_string(msg, IFLA_ALT_IFNAME, name)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	nla_nest_end(msg, nest);
	return rtnl_talk(sk, msg);
}

static int set_altnames(struct nl_sock *sk, struct pair *x)
{
	struct json_object *names = js_arr(x->want, "altnames");
	int bad = 0;

	for (size_t i = 0; i < js_len(names); i++) {
		const char *s = json_object_get_string(json_object_array_get_idx(names, i));
		int r = s ? altname_request(sk, x->index, RTM_NEWLINKPROP,
					    NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, s) : -EINVAL;

		if (r && r != -EEXIST)
			bad = r;
	}
	return bad;
}

/* The initramfs' udev may have given some, and one may be what another interface is called. */
static void drop_altnames(struct nl_sock *sk, struct pair *x)
{
	struct json_object *names = js_arr(x->have, "altnames");

	for (size_t i = 0; i < js_len(names); i++) {
		const char *s = json_object_get_string(json_object_array_get_idx(names, i));

		if (s)
			altname_request(sk, x->index, RTM_DELLINKPROP, 0, s);
	}
}

/* First out of each other's way, then to the names that they had. */
static int rename_all(struct config_run *run, struct nl_sock *sk, struct pairs *p)
{
	for (size_t i = 0; i < p->list.n; i++)
		drop_altnames(sk, &p->list.v[i]);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < p->list.n; i++) {
			struct pair *x = &p->list.v[i];
			const char *name = js_str(x->want, "name");
			char tmp[IF_NAMESIZE], object[64];
			int r;

			if (!strcmp(js_str(x->have, "name"), name))
				continue;
			/* Only one that is down can be renamed. */
			set_flags(sk, x->index, 0, IFF_UP);
			snprintf(tmp, sizeof(tmp), "ohib%u", (unsigned int)(i & 0xffff));
			r = set_name(sk, x->index, pass ? name : tmp);
			if (r && pass) {
				snprintf(object, sizeof(object), "interface %.20s", name);
				config_left(run, object, "%.20s cannot be renamed to it: %s",
					    js_str(x->have, "name"), strerror(-r));
			}
		}
	}
	return 0;
}

static void complain(struct config_run *run, struct pair *x, const char *what, int r)
{
	char object[64];

	if (!r)
		return;
	snprintf(object, sizeof(object), "interface %.20s", js_str(x->want, "name"));
	config_left(run, object, "its %s cannot be set: %s", what, strerror(-r));
}

static void set_properties(struct config_run *run, struct nl_sock *sk, struct pair *x)
{
	const char *mac = js_str(x->want, "mac"), *had = js_str(x->have, "mac");
	const char *alias = js_str(x->want, "alias");
	u8 bytes[MAC_MAX];
	int n;

	if (mac && had && strcmp(mac, had)) {
		n = js_hex(mac, bytes, sizeof(bytes));
		set_flags(sk, x->index, 0, IFF_UP);
		complain(run, x, "address", n < 0 ? n :
			 set_attr(sk, x->index, IFLA_ADDRESS, bytes, (size_t)n));
	}
	if (js_int(x->want, "mtu") != js_int(x->have, "mtu"))
		complain(run, x, "MTU", set_u32(sk, x->index, IFLA_MTU, (u32)js_int(x->want, "mtu")));
	if (js_int(x->want, "txqlen") != js_int(x->have, "txqlen"))
		complain(run, x, "queue length",
			 set_u32(sk, x->index, IFLA_TXQLEN, (u32)js_int(x->want, "txqlen")));
	if (js_int(x->want, "group") != js_int(x->have, "group"))
		complain(run, x, "group",
			 set_u32(sk, x->index, IFLA_GROUP, (u32)js_int(x->want, "group")));
	if (alias && *alias && strlen(alias) < 256)
		complain(run, x, "alias", set_attr(sk, x->index, IFLA_IFALIAS, alias, strlen(alias)));
	complain(run, x, "other names", set_altnames(sk, x));
}

/* Without a wait for duplicates: the addresses were this machine's all along. */
static void accept_dad(const char *name, const char *value, char *old, size_t room)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_dad", name);
	if (old && text_line(path, old, room))
		*old = '\0';
	if (*value)
		text_write(path, value);
}

static bool has_carrier(const char *name)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", name);
	return text_line(path, text, sizeof(text)) || !strcmp(text, "1");
}

static void bring_up(struct config_run *run, struct nl_sock *sk, struct pairs *p)
{
	for (size_t i = 0; i < p->list.n; i++) {
		struct pair *x = &p->list.v[i];

		complain(run, x, "flags", set_flags(sk, x->index, (unsigned int)js_int(x->want, "flags"),
						    SETTABLE));
	}
	for (size_t i = 0; i < p->list.n; i++) {
		struct pair *x = &p->list.v[i];

		for (int tries = 0; tries < 30 && js_int(x->want, "carrier") &&
		     js_int(x->want, "flags") & IFF_UP && !has_carrier(js_str(x->want, "name")); tries++)
			pause_ms(100);
	}
}

int links_restore(struct config_run *run, struct nl_sock *sk, struct json_object *list)
{
	struct json_object *links = json_object_new_array();
	struct pairs p = { 0 };
	char old[64][16];
	int r = read_links(sk, links, NULL, true);

	for (size_t i = 0; !r && i < js_len(list); i++) {
		struct pair x = { .want = json_object_array_get_idx(list, i) };
		const char *name = js_str(x.want, "name");

		x.have = find(x.want, links);
		if (!x.have || !name || strlen(name) >= IF_NAMESIZE || strchr(name, '/'))
			continue;
		x.index = (int)js_int(x.have, "index");
		r = vec_push(&p.list, x);
	}
	if (!r && renumber(run, sk, &p))
		config_note(run, "interfaces", "their numbers cannot be brought back");
	if (!r)
		r = rename_all(run, sk, &p);
	for (size_t i = 0; !r && i < p.list.n; i++)
		set_properties(run, sk, &p.list.v[i]);
	/* Before they are up: what addresses they give themselves depends on these. */
	if (!r)
		r = sysctl_write_class(run, SYSCTL_INTERFACE, false);
	for (size_t i = 0; i < p.list.n && i < 64; i++)
		accept_dad(js_str(p.list.v[i].want, "name"), "0", old[i], sizeof(old[i]));
	if (!r)
		bring_up(run, sk, &p);
	if (!r)
		r = ip_restore(run, sk);
	for (size_t i = 0; i < p.list.n && i < 64; i++)
		accept_dad(js_str(p.list.v[i].want, "name"), old[i], NULL, 0);
	vec_free(&p.list);
	json_object_put(links);
	return r;
}
