// SPDX-License-Identifier: GPL-2.0-only
/* Attributes of rtnetlink messages as JSON, by a table that has a row for each that is known. */
#include <errno.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>

#include "config/rtnl.h"

#define ATTR_MAX 2048

static const struct attr_row *row_of(const struct attr_row *rows, int nr, int type)
{
	return type < nr && rows[type].how != ATTR_UNKNOWN ? &rows[type] : NULL;
}

static int add_ifindex(struct json_object *o, const char *name, int index, char *why, size_t room)
{
	char ifname[IF_NAMESIZE];

	if (!index)
		return 0;
	if (!if_indextoname((unsigned int)index, ifname)) {
		snprintf(why, room, "%s is interface %d, which has no name", name, index);
		return -EOPNOTSUPP;
	}
	js_add_str(o, name, ifname);
	return 0;
}

static bool all_zero(const u8 *p, int len)
{
	for (int i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static int to_json(const struct attr_table *t, const struct attr_row *rows, int nr,
		   struct nlattr *head, int len, struct json_object *o, char *why, size_t room);

/* [{dev, flags, weight, attrs}] of struct rtnexthop, one behind the other. */
static int nexthops_to_json(const struct attr_table *t, struct nlattr *a, const char *name,
			    struct json_object *o, char *why, size_t room)
{
	struct json_object *list = json_object_new_array();
	struct rtnexthop *nh = nla_data(a);
	int left = nla_len(a), r = 0;

	json_object_object_add(o, name, list);
	for (; !r && left >= (int)sizeof(*nh) && RTNH_OK(nh, left);
	     left -= NLMSG_ALIGN(nh->rtnh_len), nh = RTNH_NEXT(nh)) {
		struct json_object *hop = json_object_new_object();
		struct json_object *attrs = json_object_new_object();

		json_object_array_add(list, hop);
		json_object_object_add(hop, "attrs", attrs);
		/* Others are set by the state of the link. */
		js_add_int(hop, "flags", nh->rtnh_flags & (RTNH_F_ONLINK | RTNH_F_PERVASIVE));
		js_add_int(hop, "weight", nh->rtnh_hops);
		r = add_ifindex(hop, "dev", nh->rtnh_ifindex, why, room);
		if (!r)
			r = to_json(t, t->hop, t->nr_hop, (struct nlattr *)RTNH_DATA(nh),
				    (int)nh->rtnh_len - (int)sizeof(*nh), attrs, why, room);
	}
	return r;
}

static int to_json(const struct attr_table *t, const struct attr_row *rows, int nr,
		   struct nlattr *head, int len, struct json_object *o, char *why, size_t room)
{
	struct nlattr *a;
	int rem, r = 0;

	nla_for_each_attr(a, head, len, rem) {
		const struct attr_row *row = row_of(rows, nr, nla_type(a));

		if (!row) {
			snprintf(why, room, "attribute %d is not known", nla_type(a));
			return -EOPNOTSUPP;
		}
		switch (row->how) {
		case ATTR_RAW:
			js_add_hex(o, row->name, nla_data(a), (size_t)nla_len(a));
			break;
		case ATTR_IFINDEX:
			if (nla_len(a) == 4)
				r = add_ifindex(o, row->name, (int)nla_get_u32(a), why, room);
			break;
		case ATTR_NEXTHOPS:
			r = nexthops_to_json(t, a, row->name, o, why, room);
			break;
		case ATTR_REFUSE:
			if (!all_zero(nla_data(a), nla_len(a))) {
				snprintf(why, room, "it has %s, which is not carried yet", row->name);
				r = -EOPNOTSUPP;
			}
			break;
		case ATTR_STATE:
		case ATTR_UNKNOWN:
			break;
		}
		if (r)
			return r;
	}
	return 0;
}

int attrs_to_json(const struct attr_table *t, struct nlattr *head, int len,
		  struct json_object **out, char *why, size_t why_room)
{
	struct json_object *o = json_object_new_object();
	int r = o ? to_json(t, t->row, t->nr, head, len, o, why, why_room) : -ENOMEM;

	if (r)
		json_object_put(o);
	else
		*out = o;
	return r;
}

static int put_hex(struct nl_msg *msg, int type, const char *hex)
{
	u8 buf[ATTR_MAX];
	int n = js_hex(hex, buf, sizeof(buf));

	if (n < 0)
		return n;
	return nla_put(msg, type, n, buf) ? -ENOMEM : 0;
}

static int from_json(const struct attr_table *t, const struct attr_row *rows, int nr,
		     struct json_object *o, struct nl_msg *msg);

static int put_nexthops(const struct attr_table *t, int type, struct json_object *list,
			struct nl_msg *msg)
{
	struct nlattr *nest = nla_nest_start(msg, type);

	if (!nest)
		return -ENOMEM;
	for (size_t i = 0; i < js_len(list); i++) {
		struct json_object *hop = json_object_array_get_idx(list, i);
		const char *dev = js_str(hop, "dev");
		struct rtnexthop *nh = nlmsg_reserve(msg, sizeof(*nh), NLMSG_ALIGNTO);
		unsigned int index = dev ? if_nametoindex(dev) : 0;
		size_t begin;
		int r;

		if (!nh)
			return -ENOMEM;
		if (dev && !index)
			return -ENODEV;
		begin = (size_t)((char *)nh - (char *)nlmsg_hdr(msg));
		nh->rtnh_flags = (u8)js_int(hop, "flags");
		nh->rtnh_hops = (u8)js_int(hop, "weight");
		nh->rtnh_ifindex = (int)index;
		r = from_json(t, t->hop, t->nr_hop, js_obj(hop, "attrs"), msg);
		if (r)
			return r;
		nh = (struct rtnexthop *)((char *)nlmsg_hdr(msg) + begin);
		nh->rtnh_len = (u16)(nlmsg_hdr(msg)->nlmsg_len - begin);
	}
	nla_nest_end(msg, nest);
	return 0;
}

static int from_json(const struct attr_table *t, const struct attr_row *rows, int nr,
		     struct json_object *o, struct nl_msg *msg)
{
	for (int type = 0; type < nr; type++) {
		const char *name = rows[type].name, *s;
		struct json_object *list;
		unsigned int index;
		int r = 0;

		if (!name)
			continue;
		s = js_str(o, name);
		list = js_arr(o, name);
		if (rows[type].how == ATTR_RAW && s) {
			r = put_hex(msg, type, s);
		} else if (rows[type].how == ATTR_IFINDEX && s) {
			index = if_nametoindex(s);
			if (!index)
				return -ENODEV;
			r = nla_put_u32(msg, type, index) ? -ENOMEM : 0;
		} else if (rows[type].how == ATTR_NEXTHOPS && list) {
			r = put_nexthops(t, type, list, msg);
		}
		if (r)
			return r;
	}
	return 0;
}

int attrs_from_json(const struct attr_table *t, struct json_object *o, struct nl_msg *msg)
{
	return from_json(t, t->row, t->nr, o, msg);
}
