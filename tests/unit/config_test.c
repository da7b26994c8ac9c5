// SPDX-License-Identifier: GPL-2.0-only
/* Configuration state: the parts that need no machine, and the network in a namespace of its own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/ip_kinds.h"
#include "config/parts.h"
#include "test.h"

TEST(sysctl_values_compare_by_words)
{
	CHECK(sysctl_same("4096\t87380\t6291456", "4096 87380 6291456\n"));
	CHECK(sysctl_same("", "\n"));
	CHECK(sysctl_same("1", "1\n"));
	CHECK(!sysctl_same("1", "11"));
	CHECK(!sysctl_same("11", "1"));
	CHECK(!sysctl_same("1 2", "12"));
	CHECK(!sysctl_same("1 2", "1"));
	CHECK(!sysctl_same("", "0"));
}

TEST(sysctl_classes)
{
	CHECK_EQ(sysctl_class("vm/swappiness"), SYSCTL_PLAIN);
	CHECK_EQ(sysctl_class("kernel/ns_last_pid"), SYSCTL_STATE);
	CHECK_EQ(sysctl_class("kernel/random/boot_id"), SYSCTL_STATE);
	CHECK_EQ(sysctl_class("kernel/yama/ptrace_scope"), SYSCTL_LATE);
	CHECK_EQ(sysctl_class("net/ipv4/conf/all/rp_filter"), SYSCTL_PLAIN);
	CHECK_EQ(sysctl_class("net/ipv6/conf/default/mtu"), SYSCTL_PLAIN);
	CHECK_EQ(sysctl_class("net/ipv4/conf/ens3.7/rp_filter"), SYSCTL_INTERFACE);
	CHECK_EQ(sysctl_class("net/ipv6/neigh/lo/gc_stale_time"), SYSCTL_INTERFACE);
	CHECK(sysctl_rank("net/ipv4/ip_forward") < sysctl_rank("net/ipv4/conf/all/forwarding"));
	CHECK(sysctl_rank("net/ipv4/conf/all/forwarding") < sysctl_rank("net/ipv4/conf/lo/forwarding"));
}

TEST(sysctl_record_round_trip)
{
	static const char *const names[] = { "a/b", "kernel/core_pattern", "vm/empty" };
	static const char *const values[] = { "1\t2", "|/bin/x %p", "" };
	struct sysctls s = { 0 }, back = { 0 };
	char boot_id[64], *data;
	size_t len;

	for (int i = 0; i < 3; i++) {
		struct sysctl c = { strdup(names[i]), strdup(values[i]) };

		REQUIRE(!vec_push(&s.list, c));
	}
	REQUIRE(!sysctls_format(&s, "0-1-2", &data, &len));
	REQUIRE(!sysctls_parse(&back, boot_id, data, len));
	CHECK_STR(boot_id, "0-1-2");
	CHECK_EQ(back.list.n, 3);
	for (int i = 0; i < 3; i++) {
		const struct sysctl *c = sysctls_find(&back, names[i]);

		REQUIRE(c);
		CHECK_STR(c->value, values[i]);
	}
	CHECK(!sysctls_find(&back, "a/c"));
	sysctls_free(&back);
	/* Cut anywhere: an error or fewer names, never a read behind the end. */
	for (size_t cut = 0; cut < len; cut++) {
		char *part = malloc(cut ? cut : 1);

		memcpy(part, data, cut);
		if (!sysctls_parse(&back, boot_id, part, cut))
			CHECK(back.list.n < 3);
		sysctls_free(&back);
		free(part);
	}
	sysctls_free(&s);
	free(data);
}

TEST(paths_and_hex)
{
	u8 buf[4];

	CHECK(path_is_plain("a"));
	CHECK(path_is_plain("net/ipv4/conf/a.b/c"));
	CHECK(!path_is_plain(""));
	CHECK(!path_is_plain("/a"));
	CHECK(!path_is_plain("a/"));
	CHECK(!path_is_plain("a//b"));
	CHECK(!path_is_plain("../a"));
	CHECK(!path_is_plain("a/.."));
	CHECK(!path_is_plain("a/./b"));
	CHECK_EQ(js_hex("00ff10", buf, sizeof(buf)), 3);
	CHECK_EQ(buf[1], 255);
	CHECK_EQ(js_hex("", buf, sizeof(buf)), 0);
	CHECK_EQ(js_hex("0", buf, sizeof(buf)), -EINVAL);
	CHECK_EQ(js_hex("0g", buf, sizeof(buf)), -EINVAL);
	CHECK_EQ(js_hex("0011223344", buf, sizeof(buf)), -E2BIG);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	REQUIRE(f);
	fputs(text, f);
	fclose(f);
}

TEST(modules_of_another_kernel)
{
	char root[] = "/tmp/ohib-modules.XXXXXX", path[128];
	struct module_index *ix;
	struct ohib_err err = { 0 };

	REQUIRE(mkdtemp(root));
	snprintf(path, sizeof(path), "mkdir -p %s/lib/modules/9.9", root);
	REQUIRE(!system(path));
	CHECK_EQ(module_index_open(root, "9.9", &ix, &err), -ENOENT);
	snprintf(path, sizeof(path), "%s/lib/modules/9.9/modules.dep", root);
	write_file(path, "kernel/net/foo-bar.ko.xz: kernel/lib/crc8.ko\nkernel/lib/crc8.ko:\n");
	snprintf(path, sizeof(path), "%s/lib/modules/9.9/modules.builtin", root);
	write_file(path, "kernel/fs/in_side.ko\n");
	REQUIRE(!module_index_open(root, "9.9", &ix, &err));
	CHECK_EQ(module_index_find(ix, "foo_bar"), MODULE_LOADABLE);
	CHECK_EQ(module_index_find(ix, "crc8"), MODULE_LOADABLE);
	CHECK_EQ(module_index_find(ix, "in_side"), MODULE_BUILTIN);
	CHECK_EQ(module_index_find(ix, "foo"), MODULE_ABSENT);
	module_index_close(ix);
	CHECK_EQ(module_index_open(root, "../9.9", &ix, NULL), -EINVAL);
	snprintf(path, sizeof(path), "rm -r %s", root);
	CHECK(!system(path));
}

static const struct ip_kind *kind(const char *key)
{
	for (size_t i = 0; i < nr_ip_kinds; i++)
		if (!strcmp(ip_kinds[i].key, key))
			return &ip_kinds[i];
	return NULL;
}

/* Interface 1 is lo everywhere. */
TEST(attributes_round_trip)
{
	const struct ip_kind *k = kind("routes");
	struct rtmsg h = { .rtm_family = AF_INET };
	struct rtnexthop hop = { .rtnh_ifindex = 1, .rtnh_hops = 3, .rtnh_flags = RTNH_F_LINKDOWN };
	struct nl_msg *msg = rtnl_request(RTM_NEWROUTE, 0, &h, sizeof(h)), *again;
	struct json_object *o = NULL, *hops;
	struct nlattr *nest;
	u8 address[4] = { 10, 0, 0, 1 }, bytes[4];
	char why[100];

	REQUIRE(k && msg);
	nla_put(msg, RTA_DST, 4, address);
	nla_put_u32(msg, RTA_OIF, 1);
	nest = nla_nest_start(msg, RTA_MULTIPATH);
	hop.rtnh_len = sizeof(hop) + nla_total_size(4);
	nlmsg_append(msg, &hop, sizeof(hop), NLMSG_ALIGNTO);
	nla_put(msg, RTA_GATEWAY, 4, address);
	nla_nest_end(msg, nest);

	REQUIRE(!attrs_to_json(&k->attrs, nlmsg_attrdata(nlmsg_hdr(msg), sizeof(h)),
			       nlmsg_attrlen(nlmsg_hdr(msg), sizeof(h)), &o, why, sizeof(why)));
	CHECK_STR(js_str(o, "oif"), "lo");
	CHECK_EQ(js_hex(js_str(o, "dst"), bytes, 4), 4);
	CHECK(!memcmp(bytes, address, 4));
	hops = js_arr(o, "multipath");
	REQUIRE(js_len(hops) == 1);
	CHECK_EQ(js_int(json_object_array_get_idx(hops, 0), "weight"), 3);
	CHECK_EQ(js_int(json_object_array_get_idx(hops, 0), "flags"), 0);

	again = rtnl_request(RTM_NEWROUTE, 0, &h, sizeof(h));
	REQUIRE(again && !attrs_from_json(&k->attrs, o, again));
	json_object_put(o);
	o = NULL;
	/* The state of the link is not configuration: all else comes out the same. */
	nest = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(h), RTA_MULTIPATH);
	((struct rtnexthop *)nla_data(nest))->rtnh_flags = 0;
	nest = nlmsg_find_attr(nlmsg_hdr(again), sizeof(h), RTA_MULTIPATH);
	REQUIRE(nest);
	CHECK_EQ(nla_len(nest), nla_len(nlmsg_find_attr(nlmsg_hdr(msg), sizeof(h), RTA_MULTIPATH)));
	CHECK(!memcmp(nla_data(nest),
		      nla_data(nlmsg_find_attr(nlmsg_hdr(msg), sizeof(h), RTA_MULTIPATH)),
		      (size_t)nla_len(nest)));
	nlmsg_free(again);
	nlmsg_free(msg);
}

TEST(attributes_that_are_not_known_are_refused)
{
	const struct ip_kind *k = kind("routes");
	struct rtmsg h = { .rtm_family = AF_INET };
	struct json_object *o = NULL;
	char why[100] = "";

	for (int i = 0; i < 3; i++) {
		static const int types[] = { RTA_ENCAP, RTA_SPORT, 77 };
		struct nl_msg *msg = rtnl_request(RTM_NEWROUTE, 0, &h, sizeof(h));

		nla_put_u32(msg, types[i], 5);
		CHECK_EQ(attrs_to_json(&k->attrs, nlmsg_attrdata(nlmsg_hdr(msg), sizeof(h)),
				       nlmsg_attrlen(nlmsg_hdr(msg), sizeof(h)), &o, why,
				       sizeof(why)), -EOPNOTSUPP);
		CHECK(*why);
		nlmsg_free(msg);
	}
}

/* Hostile JSON makes errors, not requests. */
TEST(attributes_from_nonsense)
{
	static const char *const bad[] = {
		"{\"dst\":\"0\"}", "{\"dst\":\"xx\"}", "{\"oif\":\"no-such-device\"}",
		"{\"multipath\":[{\"dev\":\"no-such-device\"}]}",
	};
	const struct ip_kind *k = kind("routes");
	struct rtmsg h = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct json_object *o = json_tokener_parse(bad[i]);
		struct nl_msg *msg = rtnl_request(RTM_NEWROUTE, 0, &h, sizeof(h));

		CHECK(attrs_from_json(&k->attrs, o, msg) < 0);
		nlmsg_free(msg);
		json_object_put(o);
	}
}

/* Two namespaces stand for two kernels: what one tells is made in the other. */
TEST(network_into_a_fresh_namespace)
{
	static const u8 label[16] = { 0xfd, 0x55 };
	struct ifaddrmsg a = { AF_INET, 8, 0, RT_SCOPE_HOST, 1 };
	struct fib_rule_hdr { u8 family, dst_len, src_len, tos, table, res1, res2, action; u32 flags; }
		rule = { .family = AF_INET, .table = 100, .action = 1 };
	struct { u8 family, pad, prefixlen, flags; u32 index, seq; } lab = { AF_INET6, 0, 16, 0, 0, 0 };
	u8 address[4] = { 127, 0, 0, 9 };
	struct json_object *all = json_object_new_object(), *again = json_object_new_object();
	struct config_run run = { .all = all };
	struct refusals rows = { 0 };
	struct nl_sock *sk;
	struct nl_msg *msg;
	int r;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		printf("no namespaces here: %s\n", strerror(errno));
		json_object_put(all);
		json_object_put(again);
		return;
	}
	REQUIRE(!rtnl_open(&sk, NETLINK_ROUTE));
	msg = rtnl_request(RTM_NEWADDR, NLM_F_CREATE, &a, sizeof(a));
	nla_put(msg, IFA_LOCAL, 4, address);
	nla_put(msg, IFA_ADDRESS, 4, address);
	CHECK_EQ(rtnl_talk(sk, msg), 0);
	msg = rtnl_request(RTM_NEWRULE, NLM_F_CREATE, &rule, sizeof(rule));
	nla_put_u32(msg, 6 /* FRA_PRIORITY */, 1000);
	nla_put_u32(msg, 10 /* FRA_FWMARK */, 3);
	r = rtnl_talk(sk, msg);
	CHECK(!r || r == -EOPNOTSUPP);
	msg = rtnl_request(RTM_NEWADDRLABEL, NLM_F_CREATE, &lab, sizeof(lab));
	nla_put(msg, 1, 16, label);
	nla_put_u32(msg, 2, 42);
	r = rtnl_talk(sk, msg);
	CHECK(!r || r == -EOPNOTSUPP);
	CHECK_EQ(ip_capture(sk, all, &rows), 0);
	CHECK_EQ(rows.list.n, 0);
	CHECK(js_len(js_arr(all, "addresses")) >= 1);
	rtnl_closep(&sk);

	REQUIRE(!unshare(CLONE_NEWNET));
	REQUIRE(!rtnl_open(&sk, NETLINK_ROUTE));
	run.mine = all;
	run.rows = run.warnings = &rows;
	CHECK_EQ(ip_restore(&run, sk), 0);
	CHECK_EQ(rows.list.n, 0);
	CHECK_EQ(ip_capture(sk, again, &rows), 0);
	CHECK(json_object_equal(all, again));
	rtnl_closep(&sk);
	refusals_free(&rows);
	json_object_put(all);
	json_object_put(again);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(sysctl_values_compare_by_words),
		TEST_CASE(sysctl_classes),
		TEST_CASE(sysctl_record_round_trip),
		TEST_CASE(paths_and_hex),
		TEST_CASE(modules_of_another_kernel),
		TEST_CASE(attributes_round_trip),
		TEST_CASE(attributes_that_are_not_known_are_refused),
		TEST_CASE(attributes_from_nonsense),
		TEST_CASE(network_into_a_fresh_namespace),
	};

	return TEST_MAIN(t);
}
