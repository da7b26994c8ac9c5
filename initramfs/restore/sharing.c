// SPDX-License-Identifier: GPL-2.0-only
/* Propagation between mounts: who is shared with whom, and whose slave a mount is. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "mounts.h"

static int set(struct restore *r, struct m_mount *m, u64 propagation)
{
	struct mount_attr a = { .propagation = propagation };
	struct r_mount *t = m->restore;

	if (mount_setattr(t->fd, "", AT_EMPTY_PATH, &a, sizeof(a)))
		return r_fail(r, -errno, "mount %s: cannot set its propagation", m->mountpoint);
	return 0;
}

static struct m_mount *first_of(struct restore *r, s32 group, struct m_mount *until)
{
	struct m_mount *m;

	vec_foreach(m, &r->m->mounts) {
		if (m == until)
			break;
		if (m->restore && m->peer_group == group)
			return m;
	}
	return NULL;
}

int sharing_set(struct restore *r)
{
	struct m_mount *m, *peer;
	int ret = 0;

	vec_foreach(m, &r->m->mounts) {
		if (!m->restore || ret)
			continue;
		if (m->unbindable)
			ret = set(r, m, MS_UNBINDABLE);
		if (!m->peer_group)
			continue;
		peer = first_of(r, m->peer_group, m);
		if (!peer)
			ret = set(r, m, MS_SHARED);
		else if (move_mount(((struct r_mount *)peer->restore)->fd, "",
				    ((struct r_mount *)m->restore)->fd, "",
				    MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_F_EMPTY_PATH |
				    MOVE_MOUNT_T_EMPTY_PATH))
			ret = r_fail(r, -errno, "mount %s: cannot join the peers of %s", m->mountpoint,
				     peer->mountpoint);
	}
	return ret;
}
