// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mount tree of the initial namespace and its super blocks.
 * Source: fs/mount.h, include/linux/mount.h. The tree is walked by each mount's list of children, which
 * all supported kernels have; the namespace's own list became a tree in 6.8.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "translate/xlate.h"

/* include/linux/mount.h MNT_*: what mount(2) calls MS_* */
static const struct {
	u64 mnt, ms;
} mnt_flags[] = {
	{ 0x01, MS_NOSUID }, { 0x02, MS_NODEV }, { 0x04, MS_NOEXEC }, { 0x08, MS_NOATIME },
	{ 0x10, MS_NODIRATIME }, { 0x20, MS_RELATIME }, { 0x40, MS_RDONLY },
	{ 0x80, MS_NOSYMFOLLOW },
};
#define MNT_SHARED 0x1000
#define MNT_UNBINDABLE 0x2000

/* SB_* that mount(2) can set; the values are those of MS_* */
#define SB_KEEP (MS_RDONLY | MS_SYNCHRONOUS | MS_MANDLOCK | MS_DIRSYNC | MS_LAZYTIME)

static const struct {
	const char *fstype;
	enum m_fs_kind kind;
} fs_kinds[] = {
	{ "tmpfs", M_FS_TMPFS }, { "ramfs", M_FS_RAMFS }, { "devtmpfs", M_FS_DEVTMPFS },
	{ "devpts", M_FS_DEVPTS }, { "proc", M_FS_KERNEL }, { "sysfs", M_FS_KERNEL },
	{ "cgroup2", M_FS_KERNEL }, { "cgroup", M_FS_KERNEL }, { "debugfs", M_FS_KERNEL },
	{ "tracefs", M_FS_KERNEL }, { "securityfs", M_FS_KERNEL }, { "pstore", M_FS_KERNEL },
	{ "efivarfs", M_FS_KERNEL }, { "bpf", M_FS_KERNEL }, { "configfs", M_FS_KERNEL },
	{ "fusectl", M_FS_KERNEL }, { "mqueue", M_FS_KERNEL }, { "binfmt_misc", M_FS_KERNEL },
	{ "hugetlbfs", M_FS_KERNEL }, { "selinuxfs", M_FS_KERNEL }, { "rpc_pipefs", M_FS_KERNEL },
	{ "ext2", M_FS_BLOCK }, { "ext3", M_FS_BLOCK }, { "ext4", M_FS_BLOCK },
	{ "pipefs", M_FS_INTERNAL }, { "sockfs", M_FS_INTERNAL }, { "anon_inodefs", M_FS_INTERNAL },
	{ "bdev", M_FS_INTERNAL }, { "nsfs", M_FS_INTERNAL }, { "pidfs", M_FS_INTERNAL },
	{ "rootfs", M_FS_INTERNAL },
};

struct m_superblock *xlate_sb(struct xlate *x, u64 ksb)
{
	struct m_superblock *sb = map_get(&x->sbs, ksb);
	char *name, id[64];
	size_t i;

	if (sb || !ksb)
		return sb;
	sb = x_new(x, struct m_superblock);
	name = x_str(x, x_u64(x, x_u64(x, ksb, F_SB_TYPE), F_FSTYPE_NAME), sizeof(sb->fstype));
	if (!sb || !name)
		return NULL;
	sb->kaddr = ksb;
	strcpy(sb->fstype, name);
	sb->dev = xlate_dev(x_u64(x, ksb, F_SB_DEV));
	sb->sb_flags = x_u64(x, ksb, F_SB_FLAGS) & SB_KEEP;
	sb->readonly = sb->sb_flags & MS_RDONLY;
	x_bytes(x, ksb, F_SB_ID, id, sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	strcpy(sb->devname, id);
	x_bytes(x, ksb, F_SB_UUID, sb->uuid, sizeof(sb->uuid));
	for (i = 0; i < sizeof(sb->uuid); i++)
		sb->has_uuid |= sb->uuid[i] != 0;
	sb->kind = M_FS_INTERNAL;
	for (i = 0; i < ARRAY_SIZE(fs_kinds); i++)
		if (!strcmp(fs_kinds[i].fstype, name))
			break;
	if (i == ARRAY_SIZE(fs_kinds)) {
		x_object(x, "file system %s on %s", name, id);
		x_refuse(x, "file systems of this type cannot be carried yet: unmount it first");
	} else {
		sb->kind = fs_kinds[i].kind;
	}
	xlate_sb_options(x, ksb, sb);
	if (map_put(&x->sbs, ksb, sb))
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	x_push(x, &x->m->superblocks, sb);
	return sb;
}

/* is_idmapped_mnt() */
static bool idmapped(struct xlate *x, u64 mnt)
{
	if (x_has(x, F_MNT_IDMAP))
		return x_u64(x, mnt, F_MNT_IDMAP) != x_sym(x, "nop_mnt_idmap");
	return x_has(x, F_MNT_USERNS) &&
	       x_u64(x, mnt, F_MNT_USERNS) != x_u64(x, x_u64(x, mnt, F_MNT_SB), F_SB_USERNS);
}

static struct m_mount *xlate_mount(struct xlate *x, u64 mnt, struct m_mount *parent)
{
	struct m_mount *m = x_new(x, struct m_mount);
	u64 flags = x_u64(x, mnt, F_MNT_FLAGS), master = x_u64(x, mnt, F_MNT_MASTER);
	struct m_path *p;
	size_t i;

	if (!m || map_put(&x->mounts, mnt, m)) {
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
		return NULL;
	}
	m->kaddr = mnt;
	m->parent = parent;
	m->id = x_u64(x, mnt, F_MNT_ID);
	m->sb = xlate_sb(x, x_u64(x, mnt, F_MNT_SB));
	m->root = xlate_dentry_path(x, x_u64(x, mnt, F_MNT_ROOT));
	p = xlate_path(x, x_addr(x, mnt, F_MNT_MNT), x_u64(x, mnt, F_MNT_ROOT));
	m->mountpoint = p ? p->path : NULL;
	m->devname = x_str(x, x_u64(x, mnt, F_MNT_DEVNAME), 4096);
	if (idmapped(x, mnt)) {
		x_object(x, "mount on %s", m->mountpoint ? m->mountpoint : "?");
		x_refuse(x, "is idmapped, which cannot be carried yet: unmount it first");
	}
	for (i = 0; i < ARRAY_SIZE(mnt_flags); i++)
		if (flags & mnt_flags[i].mnt)
			m->flags |= mnt_flags[i].ms;
	m->peer_group = flags & MNT_SHARED ? x_s64(x, mnt, F_MNT_GROUP) : 0;
	m->unbindable = flags & MNT_UNBINDABLE;
	m->master_group = master ? x_s64(x, master, F_MNT_GROUP) : 0;
	x_push(x, &x->m->mounts, m);
	return x_failed(x) ? NULL : m;
}

static int one_child(struct xlate *x, u64 node, void *parent);

static void mount_tree(struct xlate *x, u64 mnt, struct m_mount *parent)
{
	struct m_mount *m = xlate_mount(x, mnt, parent);

	if (m)
		x_list(x, x_addr(x, mnt, F_MNT_CHILDREN), one_child, m);
}

static int one_child(struct xlate *x, u64 node, void *parent)
{
	mount_tree(x, x_container(x, node, F_MNT_CHILD), parent);
	return x->err.code;
}

/*
 * Below the root file system lies the initramfs's rootfs, on which the root was moved; it is the
 * namespace's root mount. The machine's own "/" is what is mounted on top of it.
 */
void xlate_mounts(struct xlate *x, u64 mnt_ns)
{
	mount_tree(x, x_u64(x, mnt_ns, F_MNTNS_ROOT), NULL);
}
