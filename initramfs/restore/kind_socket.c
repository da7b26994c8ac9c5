// SPDX-License-Identifier: GPL-2.0-only
/* Sockets: unix, netlink. */
#include <errno.h>

#include "kinds.h"

static int open_socket(struct restore *r, struct m_file *f, int *fd)
{
	(void)fd;
	return r_fail(r, -EOPNOTSUPP, "sockets of family %d cannot be made yet",
		      f->sock ? f->sock->family : -1);
}

const struct restore_kind kind_socket = {
	.id = M_FILE_SOCKET, .name = "socket", .open = open_socket,
};
