// SPDX-License-Identifier: GPL-2.0-only
/*
 * Propagation between mounts: who is shared with whom, and whose slave a mount is, under the very
 * numbers that the machine's mountinfo had.
 *
 * A number is the lowest one that is free (fs/namespace.c, mnt_alloc_group_id). So a stand-in is
 * made for each number from 1 up, a mount that is attached nowhere and shows all of the group's super
 * block; the machine's mounts join the stand-ins, which go then, and the numbers between with them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "mounts.h"

#define GROUPS_MAX 65536

struct groups {
	struct restore *r;
	int *fd;		/* stand-ins by number */
	s32 n;
};

static int set(int mnt, u64 propagation)
{
	struct mount_attr a = { .propagation = propagation };

	return mount_setattr(mnt, "", AT_EMPTY_PATH, &a, sizeof(a)) ? -errno : 0;
}

static int join(int mnt, int group)
{
	return move_mount(group, "", mnt, "", MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_F_EMPTY_PATH |
					      MOVE_MOUNT_T_EMPTY_PATH) ? -errno : 0;
}

static struct m_mount *member_of(struct restore *r, s32 group)
{
	struct m_mount *m;

	vec_foreach(m, &r->m->mounts)
		if (m->parent && m->peer_group == group)
			return m;
	return NULL;
}

int sharing_check(struct restore *r)
{
	struct m_mount *m;

	vec_foreach(m, &r->m->mounts) {
		if (m->peer_group < 0 || m->peer_group > GROUPS_MAX)
			return r_fail(r, -ERANGE, "mount %s: a peer group of number %d", m->mountpoint,
				      m->peer_group);
		if (m->parent && m->master_group && !member_of(r, m->master_group))
			return r_fail(r, -EOPNOTSUPP, "mount %s: the slave of a mount that is nowhere "
						      "to be seen", m->mountpoint);
	}
	return 0;
}

static int stand_in(struct groups *g, s32 number)
{
	struct m_mount *m = member_of(g->r, number);
	struct r_sb *sb = m ? m->sb->restore : g->r->mounts->sbs.v[0];
	int fd = open_tree(sb->fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (fd < 0)
		return -errno;
	g->fd[number] = fd;
	return set(fd, MS_SHARED);
}

/* Its number is free while it joins its master, and the only one that is. */
static int enslave(struct groups *g, s32 number, s32 master)
{
	int fd = g->fd[number], ret;

	ret = set(fd, MS_PRIVATE);
	if (!ret)
		ret = join(fd, g->fd[master]);
	if (!ret)
		ret = set(fd, MS_SLAVE);
	return ret ? ret : set(fd, MS_SHARED);
}

static int make_groups(struct groups *g)
{
	struct m_mount *m;
	int ret = 0;

	for (s32 i = 1; !ret && i < g->n; i++)
		ret = stand_in(g, i);
	for (s32 i = 1; !ret && i < g->n; i++) {
		m = member_of(g->r, i);
		if (m && m->master_group)
			ret = enslave(g, i, m->master_group);
	}
	return ret;
}

static int share(struct groups *g, struct m_mount *m)
{
	int fd = ((struct r_mount *)m->restore)->fd, ret;

	if (m->peer_group)
		return join(fd, g->fd[m->peer_group]);
	if (m->master_group) {
		ret = join(fd, g->fd[m->master_group]);
		return ret ? ret : set(fd, MS_SLAVE);
	}
	return m->unbindable ? set(fd, MS_UNBINDABLE) : 0;
}

int sharing_set(struct restore *r)
{
	struct groups g = { .r = r, .n = 1 };
	struct m_mount *m;
	int ret;

	vec_foreach(m, &r->m->mounts)
		if (m->restore && m->peer_group >= g.n)
			g.n = m->peer_group + 1;
	g.fd = malloc((size_t)g.n * sizeof(*g.fd));
	if (!g.fd)
		return r_fail(r, -ENOMEM, "no memory");
	for (s32 i = 0; i < g.n; i++)
		g.fd[i] = -1;
	ret = make_groups(&g);
	if (ret)
		r_fail(r, ret, "the peer groups of mounts cannot be made: %s", strerror(-ret));
	vec_foreach(m, &r->m->mounts) {
		if (ret || !m->restore)
			continue;
		ret = share(&g, m);
		if (ret)
			r_fail(r, ret, "mount %s: cannot set its propagation: %s", m->mountpoint,
			       strerror(-ret));
	}
	for (s32 i = 0; i < g.n; i++)
		if (g.fd[i] >= 0)
			close(g.fd[i]);
	free(g.fd);
	return ret;
}
