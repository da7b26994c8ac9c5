// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of addresses, rules, routes … is configuration: a table for each, after the attributes that
 * linux/if_addr.h, rtnetlink.h, fib_rules.h, neighbour.h, nexthop.h and if_addrlabel.h define.
 */
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_addrlabel.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "config/ip_kinds.h"

#define NR(a) ((int)(sizeof(a) / sizeof((a)[0])))

static const struct attr_row address_attrs[] = {
	[IFA_UNSPEC] = { "", ATTR_STATE },
	[IFA_ADDRESS] = { "address", ATTR_RAW },
	[IFA_LOCAL] = { "local", ATTR_RAW },
	[IFA_LABEL] = { "label", ATTR_RAW },
	[IFA_BROADCAST] = { "broadcast", ATTR_RAW },
	[IFA_ANYCAST] = { "anycast", ATTR_STATE },
	[IFA_CACHEINFO] = { "cacheinfo", ATTR_STATE },	/* the lifetimes are members of their own */
	[IFA_MULTICAST] = { "multicast", ATTR_STATE },
	[IFA_FLAGS] = { "flags", ATTR_RAW },
	[IFA_RT_PRIORITY] = { "priority", ATTR_RAW },
	[IFA_TARGET_NETNSID] = { "netns", ATTR_STATE },
	[IFA_PROTO] = { "protocol", ATTR_RAW },
};

static bool carry_address(u8 *header, struct json_object *attrs)
{
	struct ifaddrmsg *h = (struct ifaddrmsg *)header;
	const char *hex = js_str(attrs, "flags");
	u32 flags = h->ifa_flags;

	if (hex && js_hex(hex, &flags, sizeof(flags)) != sizeof(flags))
		return false;
	/* What inet6_rtm_newaddr() and rtm_to_ifaddr() take; the others tell how it stands. */
	flags &= IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE |
		 IFA_F_MCAUTOJOIN;
	js_add_hex(attrs, "flags", &flags, sizeof(flags));
	h->ifa_flags = 0;
	return true;
}

static bool always(const u8 *header)
{
	(void)header;
	return true;
}

static const struct attr_row hop_attrs[] = {
	[RTA_UNSPEC] = { "", ATTR_STATE },
	[RTA_GATEWAY] = { "gateway", ATTR_RAW },
	[RTA_FLOW] = { "flow", ATTR_RAW },
	[RTA_VIA] = { "via", ATTR_RAW },
	[RTA_ENCAP_TYPE] = { "encapsulation", ATTR_REFUSE },
	[RTA_ENCAP] = { "encapsulation", ATTR_REFUSE },
};

static const struct attr_row route_attrs[] = {
	[RTA_UNSPEC] = { "", ATTR_STATE },
	[RTA_DST] = { "dst", ATTR_RAW },
	[RTA_SRC] = { "src", ATTR_RAW },
	[RTA_OIF] = { "oif", ATTR_IFINDEX },
	[RTA_GATEWAY] = { "gateway", ATTR_RAW },
	[RTA_PRIORITY] = { "priority", ATTR_RAW },
	[RTA_PREFSRC] = { "prefsrc", ATTR_RAW },
	[RTA_METRICS] = { "metrics", ATTR_RAW },
	[RTA_MULTIPATH] = { "multipath", ATTR_NEXTHOPS },
	[RTA_FLOW] = { "flow", ATTR_RAW },
	[RTA_CACHEINFO] = { "cacheinfo", ATTR_STATE },	/* so is the time until it expires */
	[RTA_TABLE] = { "table", ATTR_RAW },
	[RTA_VIA] = { "via", ATTR_RAW },
	[RTA_NEWDST] = { "new destination", ATTR_REFUSE },
	[RTA_PREF] = { "pref", ATTR_RAW },
	[RTA_ENCAP_TYPE] = { "encapsulation", ATTR_REFUSE },
	[RTA_ENCAP] = { "encapsulation", ATTR_REFUSE },
	[RTA_PAD] = { "pad", ATTR_STATE },
	[RTA_TTL_PROPAGATE] = { "ttl_propagate", ATTR_RAW },
	[RTA_NH_ID] = { "nexthop", ATTR_RAW },
};

static bool carry_route(u8 *header, struct json_object *attrs)
{
	struct rtmsg *h = (struct rtmsg *)header;

	/* Learned exceptions, and what follows from the addresses. */
	if (h->rtm_flags & RTM_F_CLONED)
		return false;
	if (h->rtm_protocol == RTPROT_KERNEL &&
	    (h->rtm_table == RT_TABLE_LOCAL || h->rtm_type != RTN_UNICAST))
		return false;
	h->rtm_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
	/* The nexthop object says the rest, which may not be said twice. */
	if (js_str(attrs, "nexthop")) {
		json_object_object_del(attrs, "gateway");
		json_object_object_del(attrs, "via");
		json_object_object_del(attrs, "oif");
		json_object_object_del(attrs, "multipath");
	}
	return true;
}

static bool may_remove_route(const u8 *header)
{
	return ((const struct rtmsg *)header)->rtm_protocol == RTPROT_KERNEL;
}

static const struct attr_row rule_attrs[] = {
	[FRA_UNSPEC] = { "", ATTR_STATE },
	[FRA_DST] = { "dst", ATTR_RAW },
	[FRA_SRC] = { "src", ATTR_RAW },
	[FRA_IIFNAME] = { "iif", ATTR_RAW },
	[FRA_GOTO] = { "goto", ATTR_RAW },
	[FRA_PRIORITY] = { "priority", ATTR_RAW },
	[FRA_FWMARK] = { "fwmark", ATTR_RAW },
	[FRA_FLOW] = { "flow", ATTR_RAW },
	[FRA_TUN_ID] = { "tun_id", ATTR_RAW },
	[FRA_SUPPRESS_IFGROUP] = { "suppress_ifgroup", ATTR_RAW },
	[FRA_SUPPRESS_PREFIXLEN] = { "suppress_prefixlen", ATTR_RAW },
	[FRA_TABLE] = { "table", ATTR_RAW },
	[FRA_FWMASK] = { "fwmask", ATTR_RAW },
	[FRA_OIFNAME] = { "oif", ATTR_RAW },
	[FRA_PAD] = { "pad", ATTR_STATE },
	[FRA_L3MDEV] = { "l3mdev", ATTR_RAW },
	[FRA_UID_RANGE] = { "uid_range", ATTR_RAW },
	[FRA_PROTOCOL] = { "protocol", ATTR_RAW },
	[FRA_IP_PROTO] = { "ip_proto", ATTR_RAW },
	[FRA_SPORT_RANGE] = { "sport", ATTR_RAW },
	[FRA_DPORT_RANGE] = { "dport", ATTR_RAW },
};

static bool carry_rule(u8 *header, struct json_object *attrs)
{
	struct fib_rule_hdr *h = (struct fib_rule_hdr *)header;

	(void)attrs;
	h->flags &= FIB_RULE_INVERT;
	return true;
}

static const struct attr_row neighbour_attrs[] = {
	[NDA_UNSPEC] = { "", ATTR_STATE },
	[NDA_DST] = { "dst", ATTR_RAW },
	[NDA_LLADDR] = { "lladdr", ATTR_RAW },
	[NDA_CACHEINFO] = { "cacheinfo", ATTR_STATE },
	[NDA_PROBES] = { "probes", ATTR_STATE },
	[NDA_PROTOCOL] = { "protocol", ATTR_RAW },
	[NDA_FLAGS_EXT] = { "extended flags", ATTR_REFUSE },
};

static bool carry_neighbour(u8 *header, struct json_object *attrs)
{
	struct ndmsg *h = (struct ndmsg *)header;

	(void)attrs;
	if (!(h->ndm_state & NUD_PERMANENT) && !(h->ndm_flags & NTF_PROXY))
		return false;
	h->ndm_type = 0;
	return true;
}

static const struct attr_row nexthop_attrs[] = {
	[NHA_UNSPEC] = { "", ATTR_STATE },
	[NHA_ID] = { "id", ATTR_RAW },
	[NHA_GROUP] = { "group", ATTR_RAW },
	[NHA_GROUP_TYPE] = { "group_type", ATTR_RAW },
	[NHA_BLACKHOLE] = { "blackhole", ATTR_RAW },
	[NHA_OIF] = { "oif", ATTR_IFINDEX },
	[NHA_GATEWAY] = { "gateway", ATTR_RAW },
	[NHA_ENCAP_TYPE] = { "encapsulation", ATTR_REFUSE },
	[NHA_ENCAP] = { "encapsulation", ATTR_REFUSE },
	[NHA_FDB] = { "fdb", ATTR_RAW },
	[NHA_RES_GROUP] = { "resilient group", ATTR_REFUSE },
};

static bool carry_nexthop(u8 *header, struct json_object *attrs)
{
	struct nhmsg *h = (struct nhmsg *)header;

	/* Told of a group, and not taken when it is made: rtm_to_nh_config(). */
	if (!js_str(attrs, "group"))
		json_object_object_del(attrs, "group_type");
	h->nh_scope = 0;
	h->nh_flags &= RTNH_F_ONLINK;
	return true;
}

static const struct attr_row label_attrs[] = {
	[0] = { "", ATTR_STATE },
	[IFAL_ADDRESS] = { "address", ATTR_RAW },
	[IFAL_LABEL] = { "label", ATTR_RAW },
};

static bool carry_label(u8 *header, struct json_object *attrs)
{
	(void)attrs;
	((struct ifaddrlblmsg *)header)->ifal_seq = 0;
	return true;
}

#define ATTRS(a) { a, NR(a), NULL, 0 }
#define SET (NLM_F_CREATE | NLM_F_REPLACE)
#define ADD (NLM_F_CREATE | NLM_F_EXCL)

/* In the order in which they need each other. */
const struct ip_kind ip_kinds[] = {
	{ "addresses", "address", RTM_GETADDR, RTM_NEWADDR, RTM_DELADDR, SET,
	  sizeof(struct ifaddrmsg), offsetof(struct ifaddrmsg, ifa_index), ATTRS(address_attrs),
	  { AF_INET }, false, carry_address, always },
	{ "addresses6", "address", RTM_GETADDR, RTM_NEWADDR, RTM_DELADDR, SET,
	  sizeof(struct ifaddrmsg), offsetof(struct ifaddrmsg, ifa_index), ATTRS(address_attrs),
	  { AF_INET6 }, true, carry_address, always },
	{ "labels", "address label", RTM_GETADDRLABEL, RTM_NEWADDRLABEL, RTM_DELADDRLABEL, SET,
	  sizeof(struct ifaddrlblmsg), offsetof(struct ifaddrlblmsg, ifal_index), ATTRS(label_attrs),
	  { AF_INET6 }, false, carry_label, always },
	{ "neighbours", "neighbour", RTM_GETNEIGH, RTM_NEWNEIGH, RTM_DELNEIGH, SET,
	  sizeof(struct ndmsg), offsetof(struct ndmsg, ndm_ifindex), ATTRS(neighbour_attrs),
	  { AF_INET, AF_INET6 }, false, carry_neighbour, NULL },
	{ "nexthops", "nexthop", RTM_GETNEXTHOP, RTM_NEWNEXTHOP, RTM_DELNEXTHOP, SET,
	  sizeof(struct nhmsg), 0, ATTRS(nexthop_attrs), { AF_UNSPEC + 0 }, false, carry_nexthop, NULL },
	{ "rules", "routing rule", RTM_GETRULE, RTM_NEWRULE, RTM_DELRULE, ADD,
	  sizeof(struct fib_rule_hdr), 0, ATTRS(rule_attrs),
	  { AF_INET, AF_INET6 }, false, carry_rule, always },
	/* Appended: two may differ in the gateway alone. */
	{ "routes", "route", RTM_GETROUTE, RTM_NEWROUTE, RTM_DELROUTE, NLM_F_CREATE | NLM_F_APPEND,
	  sizeof(struct rtmsg), 0,
	  { route_attrs, NR(route_attrs), hop_attrs, NR(hop_attrs) },
	  { AF_INET }, false, carry_route, may_remove_route },
	{ "routes6", "route", RTM_GETROUTE, RTM_NEWROUTE, RTM_DELROUTE, ADD,
	  sizeof(struct rtmsg), 0,
	  { route_attrs, NR(route_attrs), hop_attrs, NR(hop_attrs) },
	  { AF_INET6 }, false, carry_route, may_remove_route },
};
const size_t nr_ip_kinds = sizeof(ip_kinds) / sizeof(ip_kinds[0]);
