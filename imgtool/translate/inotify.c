// SPDX-License-Identifier: GPL-2.0-only
/* Watches of file system objects. Source: fs/notify/inotify/, include/linux/fsnotify_backend.h. */
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>

#include "translate/kinds.h"

/* include/linux/fsnotify_backend.h FSNOTIFY_MARK_FLAG_* */
#define MARK_ALIVE 0x0001
#define MARK_ATTACHED 0x0002
#define MARK_EXCL_UNLINK 0x0010
#define MARK_ONESHOT 0x0020
#define MARK_KNOWN (MARK_ALIVE | MARK_ATTACHED | MARK_EXCL_UNLINK | MARK_ONESHOT | \
		    0x0800 | 0x1000) /* HAS_FSID, WEAK_FSID: fanotify's own */

/* inotify_mask_to_arg(): what of an event's mask its reader sees */
#define EVENT_MASK (IN_ALL_EVENTS | IN_ISDIR | IN_UNMOUNT | IN_IGNORED | IN_Q_OVERFLOW)

static bool inotify_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)x, (void)file, (void)mode;
	return !strcmp(fop, "inotify_fops");
}

/*
 * The inode that a connector hangs on; 0: none. Since 6.10 (the series that gave the connector a
 * priority) it points to the inode, before to the inode's pointer back to it. Either way that pointer
 * must lead back.
 */
static u64 connector_inode(struct xlate *x, u64 conn)
{
	u64 obj, inode;

	if (!conn || x_s64(x, conn, F_FSN_CONN_TYPE) != x->f->value[E_FSNOTIFY_INODE])
		return 0;
	obj = x_u64(x, conn, F_FSN_CONN_OBJ);
	if (!obj)
		return 0;
	inode = x_has(x, F_FSN_CONN_PRIO) ? obj : x_container(x, obj, F_INODE_MARKS);
	if (x_u64(x, inode, F_INODE_MARKS) != conn) {
		ohib_err_pid(&x->err, x->pid, -EINVAL, "%s: a watch whose inode does not know it",
			     x->object);
		return 0;
	}
	return inode;
}

/* A mount of the file system of @inode that shows all of it and can be reached, for opening by file handle. */
static struct m_mount *whole_mount(struct xlate *x, u64 inode)
{
	struct m_superblock *sb = xlate_sb(x, x_u64(x, inode, F_INODE_SB));
	struct m_mount *m;

	vec_foreach(m, &x->m->mounts)
		if (sb && m->sb == sb && sb->kind == M_FS_BLOCK && m->root && !strcmp(m->root, "/") &&
		    xlate_mount_at(x, m->mountpoint) == m)
			return m;
	return NULL;
}

static void find_object(struct xlate *x, u64 inode, struct m_inotify_watch *w)
{
	w->ino = x_u64(x, inode, F_INODE_INO);
	w->generation = x_u64(x, inode, F_INODE_GENERATION);
	w->path = xlate_inode_path(x, inode);
	if (w->path && w->path->unlinked) {
		x_refuse(x, "watch %d is on %s, which has been removed", w->wd, w->path->path);
		return;
	}
	if (w->path && xlate_mount_at(x, w->path->path) != w->path->mnt)
		w->path = NULL; /* it leads elsewhere */
	if (w->path || x_failed(x))
		return;
	/* the name has been dropped from memory; the watch holds only the inode */
	w->mnt = whole_mount(x, inode);
	if (!w->mnt || !x_u64(x, inode, F_INODE_NLINK) || w->ino > UINT32_MAX)
		x_refuse(x, "watch %d is on inode %llu of %s, which is known by no name that leads there",
			 w->wd, (unsigned long long)w->ino,
			 xlate_sb(x, x_u64(x, inode, F_INODE_SB)) ?
				 xlate_sb(x, x_u64(x, inode, F_INODE_SB))->fstype : "?");
}

static int one_mark(struct xlate *x, u64 node, void *arg)
{
	struct m_inotify *in = arg;
	u64 mark = x_container(x, node, F_FSN_MARK_GLIST), inode;
	u64 imark = x_container(x, mark, F_INOTIFY_MARK_FSN);
	u32 flags = x_u64(x, mark, F_FSN_MARK_FLAGS);
	struct m_inotify_watch w = {
		.wd = x_s64(x, imark, F_INOTIFY_MARK_WD),
		.mask = x_u64(x, mark, F_FSN_MARK_MASK) & IN_ALL_EVENTS,
	};

	if (!(flags & MARK_ALIVE) || !(flags & MARK_ATTACHED))
		return x->err.code;
	if (flags & ~(u32)MARK_KNOWN)
		x_refuse(x, "watch %d has flags %#x, which are not known", w.wd, flags);
	w.mask |= (flags & MARK_EXCL_UNLINK ? IN_EXCL_UNLINK : 0) |
		  (flags & MARK_ONESHOT ? IN_ONESHOT : 0);
	inode = connector_inode(x, x_u64(x, mark, F_FSN_MARK_CONNECTOR));
	if (!inode)
		return x->err.code; /* its object is going away */
	find_object(x, inode, &w);
	x_push(x, &in->watches, w);
	return x->err.code;
}

static int one_event(struct xlate *x, u64 node, void *arg)
{
	struct m_inotify *in = arg;
	u64 fse = x_container(x, node, F_FSN_EVENT_LIST);
	u64 event = x_container(x, fse, F_INOTIFY_EVENT_FSE);
	u32 name_len = x_u64(x, event, F_INOTIFY_EVENT_NAME_LEN);
	struct inotify_event e = {
		.wd = x_s64(x, event, F_INOTIFY_EVENT_WD),
		.mask = x_u64(x, event, F_INOTIFY_EVENT_MASK) & EVENT_MASK,
		.cookie = x_u64(x, event, F_INOTIFY_EVENT_COOKIE),
	};
	struct m_pipe_buf buf = {};

	if (name_len > 255)
		return ohib_err_pid(&x->err, x->pid, -EINVAL, "%s: an event with a name of %u bytes",
				    x->object, name_len);
	/* round_event_name_len(): whole struct inotify_events, with at least one zero */
	if (name_len)
		e.len = (name_len / sizeof(e) + 1) * sizeof(e);
	buf.len = sizeof(e) + e.len;
	buf.data = x_alloc(x, buf.len);
	if (!buf.data)
		return x->err.code;
	memcpy(buf.data, &e, sizeof(e));
	x_read(x, x_addr(x, event, F_INOTIFY_EVENT_NAME), buf.data + sizeof(e), name_len, "event name");
	x_push(x, &in->events, buf);
	return x->err.code;
}

static void inotify_translate(struct xlate *x, u64 file, struct m_file *f)
{
	u64 group = x_u64(x, file, F_FILE_PRIVATE);
	s32 next;

	f->inotify = x_new(x, struct m_inotify);
	if (!f->inotify)
		return;
	/* idr_alloc_cyclic(…, 1, 0) in inotify_add_to_idr() */
	next = x_s64(x, group, F_INOTIFY_IDR_NEXT);
	f->inotify->next_wd = next > 1 ? next : 1;
	x_list(x, x_addr(x, group, F_FSN_GROUP_MARKS), one_mark, f->inotify);
	x_list(x, x_addr(x, group, F_FSN_GROUP_EVENTS), one_event, f->inotify);
}

const struct xlate_kind xlate_kind_inotify = {
	.kind = M_FILE_INOTIFY,
	.name = "inotify",
	.match = inotify_match,
	.translate = inotify_translate,
};
