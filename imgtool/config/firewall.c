// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packet filters and IPsec: not carried yet, so that they are there is told. Asks only subsystems whose
 * module is loaded: a question would load it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/xfrm.h>
#include <netlink/attr.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/rtnl.h"
#include "util/cleanup.h"

static bool loaded(const char *module)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	return !access(path, F_OK);
}

static int count(void *arg, struct nlmsghdr *n)
{
	(void)n;
	++*(int *)arg;
	return 0;
}

/* Base chains whose policy is to drop. */
static int count_drops(void *arg, struct nlmsghdr *n)
{
	struct nlattr *tb[NFTA_CHAIN_MAX + 1] = { 0 };

	if (!nlmsg_parse(n, sizeof(struct nfgenmsg), tb, NFTA_CHAIN_MAX, NULL) &&
	    tb[NFTA_CHAIN_POLICY] && nla_len(tb[NFTA_CHAIN_POLICY]) == 4 &&
	    ntohl(nla_get_u32(tb[NFTA_CHAIN_POLICY])) != NF_ACCEPT)
		++*(int *)arg;
	return 0;
}

static int check_nftables(struct config_check *c)
{
	static const struct {
		int get;
		int (*each)(void *arg, struct nlmsghdr *n);
		const char *what;
	} parts[] = {
		{ NFT_MSG_GETRULE, count, "rules" },
		{ NFT_MSG_GETSET, count, "sets" },
		{ NFT_MSG_GETCHAIN, count_drops, "chains that drop" },
		{ NFT_MSG_GETOBJ, count, "objects" },
		{ NFT_MSG_GETFLOWTABLE, count, "flow tables" },
	};
	_cleanup_nl_ struct nl_sock *sk = NULL;
	struct nfgenmsg h = { .nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0 };
	int r = loaded("nf_tables") ? rtnl_open(&sk, NETLINK_NETFILTER) : 0;

	for (size_t i = 0; sk && !r && i < sizeof(parts) / sizeof(parts[0]); i++) {
		int n = 0;

		r = rtnl_dump(sk, NFNL_SUBSYS_NFTABLES << 8 | parts[i].get, &h, sizeof(h), parts[i].each,
			    &n);
		if (n)
			rtnl_row(c->refusals, "nftables",
				 "%d %s; packet filters are not carried yet (nft flush ruleset)", n,
				 parts[i].what);
	}
	return r;
}

/* Are there rules, or policies other than to accept? The built-in chains are entries as well. */
static bool has_rules(int sock, int level, const char *table, unsigned int *entries)
{
	struct ipt_getinfo info = { 0 };
	socklen_t len = sizeof(info);
	unsigned int hooks;

	snprintf(info.name, sizeof(info.name), "%.31s", table);
	/* struct ip6t_getinfo is the same, and so is the number. */
	if (getsockopt(sock, level, IPT_SO_GET_INFO, &info, &len))
		return true;
	hooks = (unsigned int)__builtin_popcount(info.valid_hooks);
	*entries = info.num_entries > hooks + 1 ? info.num_entries - hooks - 1 : 0;
	return *entries > 0;
}

/* The verdicts of the built-in chains' last entries. IPv4's struct only: IPv6 and ARP differ in size. */
static bool has_policy(int sock, const char *table)
{
	struct ipt_getinfo info = { 0 };
	_cleanup_free_ struct ipt_get_entries *e = NULL;
	socklen_t len = sizeof(info);

	snprintf(info.name, sizeof(info.name), "%.31s", table);
	if (getsockopt(sock, IPPROTO_IP, IPT_SO_GET_INFO, &info, &len) || info.size > (1u << 24))
		return true;
	len = sizeof(*e) + info.size;
	e = calloc(1, len);
	if (!e)
		return true;
	memcpy(e->name, info.name, sizeof(e->name));
	e->size = info.size;
	if (getsockopt(sock, IPPROTO_IP, IPT_SO_GET_ENTRIES, e, &len))
		return true;
	for (int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		const struct ipt_entry *last;
		const struct xt_standard_target *t;

		if (!(info.valid_hooks & 1u << hook))
			continue;
		if ((size_t)info.underflow[hook] + sizeof(*last) + sizeof(*t) > info.size)
			return true;
		last = (const void *)((const char *)e->entrytable + info.underflow[hook]);
		if ((size_t)info.underflow[hook] + last->target_offset + sizeof(*t) > info.size)
			return true;
		t = (const void *)((const char *)last + last->target_offset);
		if (t->verdict != -NF_ACCEPT - 1)
			return true;
	}
	return false;
}

static int check_legacy(struct config_check *c)
{
	static const struct {
		const char *names, *what;
		int family, level;
	} parts[] = {
		{ "/proc/net/ip_tables_names", "iptables", AF_INET, IPPROTO_IP },
		{ "/proc/net/ip6_tables_names", "ip6tables", AF_INET6, IPPROTO_IPV6 },
		{ "/proc/net/arp_tables_names", "arptables", AF_UNSPEC, 0 },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		_cleanup_close_ int sock = -1;
		_cleanup_free_ char *text = NULL;
		char *line, *save, object[64];

		if (text_read(parts[i].names, &text) <= 0)
			continue;
		if (parts[i].family)
			sock = socket(parts[i].family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
		for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			unsigned int n = 0;

			snprintf(object, sizeof(object), "%s table %.31s", parts[i].what, line);
			if (sock < 0 || has_rules(sock, parts[i].level, line, &n))
				rtnl_row(c->refusals, object,
					 "%u rules; packet filters are not carried yet", n);
			else if (parts[i].level == IPPROTO_IP && has_policy(sock, line))
				rtnl_row(c->refusals, object,
					 "a policy that drops; packet filters are not carried yet");
			else if (parts[i].level != IPPROTO_IP)
				rtnl_row(c->refusals, object,
					 "no rules, but whether a policy drops is not known; packet filters are not carried yet: "
					 "unload the table's module");
		}
	}
	return 0;
}

static int check_ipsec(struct config_check *c)
{
	_cleanup_nl_ struct nl_sock *sk = NULL;
	struct xfrm_userpolicy_id policy = { 0 };
	struct xfrm_usersa_id sa = { 0 };
	int n = 0, r;

	if (!loaded("xfrm_user"))
		return 0;
	r = rtnl_open(&sk, NETLINK_XFRM);
	if (!r)
		r = rtnl_dump(sk, XFRM_MSG_GETSA, &sa, 0, count, &n);
	if (!r)
		r = rtnl_dump(sk, XFRM_MSG_GETPOLICY, &policy, 0, count, &n);
	if (n)
		rtnl_row(c->refusals, "IPsec", "%d associations and policies, which are not carried yet", n);
	return r;
}

static int check(struct config_check *c)
{
	int r = check_nftables(c);

	if (!r)
		r = check_legacy(c);
	if (!r)
		r = check_ipsec(c);
	if (!access("/proc/net/ip_vs", F_OK))
		rtnl_row(c->refusals, "IPVS", "is loaded; its services are not carried yet");
	if (!access("/proc/sys/net/mpls", F_OK))
		rtnl_row(c->refusals, "MPLS", "is loaded; its routes are not carried yet");
	return r;
}

const struct config_noun config_firewall = {
	.key = "firewall",
	.check = check,
};
