// SPDX-License-Identifier: GPL-2.0-only
/* Netlink sockets: port, multicast groups, options. Generic netlink's groups are known by name. */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sock.h"

static const struct nlattr *find_attr(const void *p, size_t len, int type)
{
	while (len >= NLA_HDRLEN) {
		const struct nlattr *a = p;
		size_t step = NLA_ALIGN(a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > len)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		if (step >= len)
			return NULL;
		p = (const char *)p + step;
		len -= step;
	}
	return NULL;
}

static const void *body(const struct nlattr *a, size_t *len)
{
	*len = a->nla_len - NLA_HDRLEN;
	return (const char *)a + NLA_HDRLEN;
}

/* The number that this kernel gave a group; 0: it has none of that name. */
static u32 generic_group(const struct m_nl_group *g)
{
	struct {
		struct nlmsghdr h;
		struct genlmsghdr g;
		struct nlattr a;
		char name[16];
	} req = {
		{ sizeof(req), GENL_ID_CTRL, NLM_F_REQUEST, 1, 0 },
		{ CTRL_CMD_GETFAMILY, 1, 0 },
		{ NLA_HDRLEN + sizeof(req.name), CTRL_ATTR_FAMILY_NAME },
		"",
	};
	const struct nlattr *groups, *one, *name, *id;
	_Alignas(8) char buf[16384];
	size_t len, n, k;
	const char *p;
	ssize_t got;
	u32 number = 0;
	int fd;

	memcpy(req.name, g->family, sizeof(req.name));
	req.name[15] = '\0';
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	got = fd >= 0 && send(fd, &req, sizeof(req), 0) > 0 ? recv(fd, buf, sizeof(buf), 0) : -1;
	if (fd >= 0)
		close(fd);
	if (got < (ssize_t)(NLMSG_HDRLEN + GENL_HDRLEN) || ((struct nlmsghdr *)buf)->nlmsg_type != GENL_ID_CTRL)
		return 0;
	groups = find_attr(buf + NLMSG_HDRLEN + GENL_HDRLEN, (size_t)got - NLMSG_HDRLEN - GENL_HDRLEN,
			   CTRL_ATTR_MCAST_GROUPS);
	if (!groups)
		return 0;
	for (p = body(groups, &len); len >= NLA_HDRLEN && !number;) {
		one = (const void *)p;
		if (one->nla_len < NLA_HDRLEN || one->nla_len > len)
			break;
		name = find_attr(body(one, &n), one->nla_len - NLA_HDRLEN, CTRL_ATTR_MCAST_GRP_NAME);
		id = find_attr(body(one, &n), one->nla_len - NLA_HDRLEN, CTRL_ATTR_MCAST_GRP_ID);
		if (name && id && !strncmp(body(name, &k), g->group, sizeof(g->group)))
			memcpy(&number, body(id, &k), sizeof(number));
		k = NLA_ALIGN(one->nla_len);
		if (k >= len)
			break;
		p += k;
		len -= k;
	}
	return number;
}

static int join(struct restore *r, const struct m_sock *s, int fd)
{
	for (int g = 0; g < 32 * 32 && !s->nl_generic.n; g++) {
		int group = g + 1;

		if (s->nl_groups[g / 32] >> (g % 32) & 1 &&
		    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
			return r_fail(r, -errno, "cannot join netlink group %d of protocol %d", group,
				      s->protocol);
	}
	for (size_t i = 0; i < s->nl_generic.n; i++) {
		const struct m_nl_group *g = &s->nl_generic.v[i];
		u32 group = generic_group(g);

		if (!group || setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
			return r_fail(r, group ? -errno : -ENOENT,
				      "cannot join generic netlink group %.16s of %.16s", g->group, g->family);
	}
	return 0;
}

int sock_netlink(struct restore *r, struct m_sock *s, int *out)
{
	const struct {
		bool on;
		int opt;
	} options[] = {
		{ s->nl_pktinfo, NETLINK_PKTINFO },
		{ s->nl_broadcast_error, NETLINK_BROADCAST_ERROR },
		{ s->nl_no_enobufs, NETLINK_NO_ENOBUFS },
		{ s->nl_listen_all_nsid, NETLINK_LISTEN_ALL_NSID },
		{ s->nl_cap_ack, NETLINK_CAP_ACK },
		{ s->nl_ext_ack, NETLINK_EXT_ACK },
		{ s->nl_strict, NETLINK_GET_STRICT_CHK },
	};
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_pid = s->nl_portid };
	int fd, ret, one = 1;

	if (s->receive.n)
		return r_fail(r, -EOPNOTSUPP, "a netlink socket with messages not read yet");
	fd = socket(AF_NETLINK, s->type | SOCK_CLOEXEC | SOCK_NONBLOCK, s->protocol);
	if (fd < 0)
		return r_fail(r, -errno, "cannot make a netlink socket of protocol %d", s->protocol);
	ret = sock_options(r, s, fd);
	if (!ret && (s->nl_bound || s->nl_portid) && bind(fd, (void *)&nl, sizeof(nl)))
		ret = r_fail(r, -errno, "cannot bind a netlink socket to port %u", s->nl_portid);
	for (size_t i = 0; !ret && i < ARRAY_SIZE(options); i++)
		if (options[i].on && setsockopt(fd, SOL_NETLINK, options[i].opt, &one, sizeof(one)))
			ret = r_fail(r, -errno, "cannot set netlink option %d", options[i].opt);
	if (!ret)
		ret = join(r, s, fd);
	nl.nl_pid = s->nl_dst_portid;
	nl.nl_groups = s->nl_dst_group && s->nl_dst_group <= 32 ? 1u << (s->nl_dst_group - 1) : 0;
	if (!ret && (nl.nl_pid || nl.nl_groups) && connect(fd, (void *)&nl, sizeof(nl)))
		ret = r_fail(r, -errno, "cannot connect a netlink socket");
	if (!ret)
		ret = sock_options_last(r, s, fd);
	if (ret)
		close(fd);
	*out = fd;
	return ret;
}
