// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mount options that belong to a super block, as mount(2) takes them.
 * Source: the show_options functions of mm/shmem.c, fs/devpts/inode.c, fs/proc/inode.c and
 * kernel/cgroup/cgroup.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "translate/xlate.h"

#define NR_UNIX98_PTY_MAX (1 << 20)	/* include/linux/devpts_fs.h */
#define TMPFS_DEFAULT_MODE 01777

struct opts {
	char s[512];
	size_t n;
};

static void add(struct opts *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct opts *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (o->n && o->n + 1 < sizeof(o->s))
		o->s[o->n++] = ',';
	va_start(ap, fmt);
	n = vsnprintf(o->s + o->n, sizeof(o->s) - o->n, fmt, ap);
	va_end(ap);
	if (n > 0 && o->n + (size_t)n < sizeof(o->s))
		o->n += (size_t)n;
}

/*
 * Sizes are always told: the defaults hang on the memory that a kernel counts, and what fitted under
 * the one has to fit under the other.
 */
static void tmpfs(struct xlate *x, u64 ksb, struct opts *o)
{
	static const char *const huge[] = { NULL, "always", "within_size", "advise" };
	u64 info = x_u64(x, ksb, F_SB_FS_INFO), v;

	add(o, "size=%lluk", (unsigned long long)x_u64(x, info, F_SHSB_MAX_BLOCKS) * 4);
	add(o, "nr_inodes=%llu", (unsigned long long)x_u64(x, info, F_SHSB_MAX_INODES));
	v = x_u64(x, info, F_SHSB_MODE);
	if (v != TMPFS_DEFAULT_MODE)
		add(o, "mode=%03o", (unsigned int)v);
	v = x_u64(x, info, F_SHSB_UID);
	if (v)
		add(o, "uid=%u", (unsigned int)v);
	v = x_u64(x, info, F_SHSB_GID);
	if (v)
		add(o, "gid=%u", (unsigned int)v);
	add(o, x_u64(x, info, F_SHSB_FULL_INUMS) ? "inode64" : "inode32");
	v = x_u64(x, info, F_SHSB_HUGE);
	if (v >= ARRAY_SIZE(huge))
		x_refuse(x, "is mounted with a huge= option that is not known (%llu)",
			 (unsigned long long)v);
	else if (huge[v])
		add(o, "huge=%s", huge[v]);
	if (x_has(x, F_SHSB_NOSWAP) && x_u64(x, info, F_SHSB_NOSWAP))
		add(o, "noswap");
	if (x_u64(x, info, F_SHSB_MPOL))
		x_refuse(x, "is mounted with mpol=, which cannot be carried yet");
	if (x_u64(x, ksb, F_SB_QUOTA_FLAGS))
		x_refuse(x, "is mounted with quotas, which cannot be carried yet");
	if (x_has(x, F_SB_ENCODING) && x_u64(x, ksb, F_SB_ENCODING))
		x_refuse(x, "is mounted with casefold, which cannot be carried yet");
}

static void devpts(struct xlate *x, u64 ksb, struct opts *o)
{
	u64 info = x_u64(x, ksb, F_SB_FS_INFO), max;

	if (x_u64(x, info, F_PTS_SETUID))
		add(o, "uid=%u", (unsigned int)x_u64(x, info, F_PTS_UID));
	if (x_u64(x, info, F_PTS_SETGID))
		add(o, "gid=%u", (unsigned int)x_u64(x, info, F_PTS_GID));
	add(o, "mode=%03o", (unsigned int)x_u64(x, info, F_PTS_MODE));
	add(o, "ptmxmode=%03o", (unsigned int)x_u64(x, info, F_PTS_PTMXMODE));
	max = x_u64(x, info, F_PTS_MAX);
	if (max < NR_UNIX98_PTY_MAX)
		add(o, "max=%u", (unsigned int)max);
}

static void proc(struct xlate *x, u64 ksb, struct opts *o)
{
	u64 info = x_u64(x, ksb, F_SB_FS_INFO), v;

	v = x_u64(x, info, F_PROC_GID);
	if (v)
		add(o, "gid=%u", (unsigned int)v);
	v = x_u64(x, info, F_PROC_HIDE);
	if (v)
		add(o, "hidepid=%u", (unsigned int)v);
	if (x_u64(x, info, F_PROC_PIDONLY))
		add(o, "subset=pid");
}

/* The unified hierarchy: one root, its options are flags in it. */
static void cgroup2(struct xlate *x, u64 ksb, struct opts *o)
{
	static const struct {
		enum field_enum bit;
		const char *name;
	} flags[] = {
		{ E_CG_NS_DELEGATE, "nsdelegate" },
		{ E_CG_FAVOR_DYNMODS, "favordynmods" },
		{ E_CG_MEM_LOCAL, "memory_localevents" },
		{ E_CG_MEM_RECURSIVE, "memory_recursiveprot" },
		{ E_CG_MEM_HUGETLB, "memory_hugetlb_accounting" },
		{ E_CG_PIDS_LOCAL, "pids_localevents" },
	};
	u64 root = x_sym(x, "cgrp_dfl_root");
	u64 set = root ? x_u64(x, root, F_CGROOT_FLAGS) : 0;

	(void)ksb;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (set & (u64)x->f->value[flags[i].bit])
			add(o, "%s", flags[i].name);
}

/* debugfs, tracefs: who may look in, which is the root directory's own mode. */
static void private_root(struct xlate *x, u64 ksb, struct opts *o)
{
	u64 inode = x_u64(x, x_u64(x, ksb, F_SB_ROOT), F_DENTRY_INODE);

	if ((x_u64(x, inode, F_INODE_MODE) & 07777) != 0700)
		add(o, "mode=%03o", (unsigned int)x_u64(x, inode, F_INODE_MODE) & 07777);
	if (x_u64(x, inode, F_INODE_UID))
		add(o, "uid=%u", (unsigned int)x_u64(x, inode, F_INODE_UID));
	if (x_u64(x, inode, F_INODE_GID))
		add(o, "gid=%u", (unsigned int)x_u64(x, inode, F_INODE_GID));
}

static const struct {
	const char *fstype;
	void (*options)(struct xlate *x, u64 ksb, struct opts *o);
} makers[] = {
	{ "tmpfs", tmpfs },	{ "devtmpfs", tmpfs },	   { "devpts", devpts },
	{ "proc", proc },	{ "cgroup2", cgroup2 },	   { "debugfs", private_root },
	{ "tracefs", private_root },
};

void xlate_sb_options(struct xlate *x, u64 ksb, struct m_superblock *sb)
{
	struct opts o = {};
	size_t i;

	if (!strcmp(sb->fstype, "tmpfs") && xlate_is_shm_mnt(x, ksb))
		return; /* the kernel's own: never mounted */
	for (i = 0; i < ARRAY_SIZE(makers); i++)
		if (!strcmp(makers[i].fstype, sb->fstype))
			break;
	if (i == ARRAY_SIZE(makers))
		return;
	x_object(x, "file system %s", sb->fstype);
	makers[i].options(x, ksb, &o);
	if (!o.n || x_failed(x))
		return;
	sb->options = arena_strdup(x->m->arena, o.s);
	if (!sb->options)
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
}

/* seq_escape(): a backslash and three octal digits. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++, to++) {
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to = *s;
		}
	}
	*to = '\0';
}

/* One line: "ID parent dev root mountpoint options [tags] - type source super-options". */
static void mountinfo_line(struct xlate *x, char *line, u32 row)
{
	char *tail = strstr(line, " - "), *opts = tail ? strrchr(tail, ' ') + 1 : NULL;
	long id = strtol(line, NULL, 10);
	struct m_mount *mnt;

	if (!opts)
		return;
	/* "rw" or "ro" comes first; it is told by flags */
	opts += strcspn(opts, ",");
	opts += *opts == ',';
	unescape(opts);
	vec_foreach(mnt, &x->m->mounts) {
		if (mnt->id == id)
			mnt->row = row;
		if (mnt->id != id || !mnt->sb || mnt->sb->options || !*opts ||
		    (mnt->sb->kind != M_FS_BLOCK && mnt->sb->kind != M_FS_KERNEL))
			continue;
		mnt->sb->options = arena_strdup(x->m->arena, opts);
		if (!mnt->sb->options)
			ohib_err_set(&x->err, -ENOMEM, "out of memory");
	}
}

/*
 * Options of file systems on disk (and of hugetlbfs and the like) are in structures that only the
 * file system's own code or module knows; what the kernel showed of them when the image was made is
 * taken, and the order of the mounts with it.
 */
void xlate_mountinfo(struct xlate *x, const char *mountinfo)
{
	char *text = strdup(mountinfo), *line, *rest = text;
	u32 row = 0;

	if (!text)
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	while (text && (line = strsep(&rest, "\n")))
		mountinfo_line(x, line, ++row);
	free(text);
}
