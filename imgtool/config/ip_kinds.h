/* SPDX-License-Identifier: GPL-2.0-only */
/* The sorts of objects that hang on interfaces, as rtnetlink tells them. Not for anyone else. */
#pragma once

#include "config/rtnl.h"

#define IP_HEADER_MAX 16

struct ip_kind {
	const char *key, *what;
	int get, add, del, add_flags;
	size_t header;		/* bytes of the family header */
	size_t index_at;	/* where an interface's number is in it; 0: nowhere */
	struct attr_table attrs;
	u8 families[3];
	bool backwards;		/* IPv6 tells the newest first */
	/* False: this one comes and goes by itself. Clears in @header what is not configuration. */
	bool (*carry)(u8 *header, struct json_object *attrs);
	/* Of those that the next kernel made by itself: may one go that was not there before? */
	bool (*may_remove)(const u8 *header);
};

extern const struct ip_kind ip_kinds[];
extern const size_t nr_ip_kinds;
