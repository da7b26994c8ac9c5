/* SPDX-License-Identifier: GPL-2.0-only */
/* An ext4 image on a loop device, and a machine whose mounts have a bit of everything. */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "machine/machine.h"

#define IMAGE_MIB 8
#define DEV_NAME "ohib-test"

static char dir[64], image[96], loop[96];
static u8 uuid[16] = "\x5e\x1f\x00\x11mounts-test";

static int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

static void make_image(void)
{
	FILE *f;

	strcpy(dir, "/tmp/ohib-mounts-XXXXXX");
	if (!mkdtemp(dir))
		exit(1);
	snprintf(image, sizeof(image), "%s/image", dir);
	if (run("cd %s && mkdir t && cd t && "
		"mkdir -p proc sys dev run mnt srv/data etc opt/a opt/b opt/c && cd .. && "
		"echo hosts >t/etc/hosts && echo issue >t/etc/issue && echo here >t/srv/data/file && "
		"mkfs.ext4 -q -U 5e1f0011-6d6f-756e-7473-2d7465737400 -d t image %dM >/dev/null 2>&1",
		dir, IMAGE_MIB) ||
	    run("cd %s && losetup -f --show image >loop", dir))
		exit(1);
	snprintf(loop, sizeof(loop), "%s/loop", dir);
	f = fopen(loop, "r");
	if (!f || fscanf(f, "%95s", loop) != 1)
		exit(1);
	fclose(f);
}

static void drop_image(void)
{
	run("losetup -d %s; rm -rf %s", loop, dir);
}

/* --- a machine */

static const u8 page_text[] = "contents of a file in memory\n";

static int read_page(void *arg, const struct m_page_src *src, void *buf)
{
	(void)arg;
	memset(buf, 'A' + (int)src->where, 4096);
	if (!src->where)
		memcpy(buf, page_text, sizeof(page_text) - 1);
	return 0;
}

static struct m_dentry *node(struct m_dentry *in, const char *name, u32 mode)
{
	struct m_dentry *d = calloc(1, sizeof(*d));

	d->name = strdup(name);
	d->inode = calloc(1, sizeof(*d->inode));
	d->inode->mode = mode;
	d->inode->nlink = 1;
	d->inode->atime_ns = d->inode->mtime_ns = 1000000000ll * 1000000 + 17;
	if (in)
		vec_push(&in->children, d);
	return d;
}

static struct m_superblock *sb_add(struct machine *m, enum m_fs_kind kind, const char *type,
				   const char *options)
{
	struct m_superblock *sb = calloc(1, sizeof(*sb));

	sb->kind = kind;
	strcpy(sb->fstype, type);
	sb->options = options ? strdup(options) : NULL;
	if (kind == M_FS_TMPFS)
		sb->root = node(NULL, "", S_IFDIR | 0755);
	vec_push(&m->superblocks, sb);
	return sb;
}

static struct m_mount *mnt_add(struct machine *m, struct m_mount *parent, struct m_superblock *sb,
			       const char *where, const char *root, const char *source, u64 flags)
{
	struct m_mount *t = calloc(1, sizeof(*t));

	t->parent = parent;
	t->sb = sb;
	t->mountpoint = strdup(where);
	t->root = strdup(root);
	t->devname = strdup(source);
	t->flags = flags;
	vec_push(&m->mounts, t);
	return t;
}

/* Everything that a directory of a tmpfs can have. */
static void fill_run(struct machine *m, struct m_superblock *sb, struct m_mount *mnt)
{
	struct m_dentry *d, *sub, *hard;
	static struct m_xattr x = { (char *)"trusted.ohib", (void *)"value", 5 };
	struct m_path *p = calloc(1, sizeof(*p));
	struct m_sock *s = calloc(1, sizeof(*s));

	d = node(sb->root, "file", S_IFREG | 0640);
	d->inode->uid = 11;
	d->inode->gid = 12;
	d->inode->shmem = calloc(1, sizeof(*d->inode->shmem));
	d->inode->shmem->size = 3 * 4096 + 7;
	vec_push(&d->inode->shmem->pages, ((struct m_page){ 0, { M_PAGE_PFN, 0, 0 } }));
	vec_push(&d->inode->shmem->pages, ((struct m_page){ 3 * 4096, { M_PAGE_PFN, 0, 3 } }));
	vec_push(&d->inode->xattrs, x);
	d->inode->nlink = 2;
	sub = node(sb->root, "sub", S_IFDIR | S_ISVTX | 0777);
	hard = node(sub, "hard", 0);
	hard->inode = d->inode;
	d = node(sub, "link", S_IFLNK | 0777);
	d->inode->symlink = strdup("../file");
	d = node(sub, "null", S_IFCHR | 0666);
	d->inode->rdev = makedev(1, 3);
	node(sub, "fifo", S_IFIFO | 0600);
	node(sub, "dead.sock", S_IFSOCK | 0755)->inode->uid = 5;
	node(sub, "live.sock", S_IFSOCK | 0711)->inode->uid = 6;
	p->mnt = mnt;
	p->path = strdup("/run/sub/live.sock");
	s->path = p;
	vec_push(&m->socks, s);
	node(sb->root, "lock", S_IFDIR | 0755);
}

/* What user space adds to /dev; there is one devtmpfs, so it is the host's too. */
static void fill_dev(struct m_superblock *sb)
{
	struct m_dentry *d, *sub;

	sb->root = node(NULL, "", S_IFDIR | 0755);
	node(sb->root, "null", S_IFCHR | 0666)->inode->rdev = makedev(1, 99);
	node(sb->root, "pts", S_IFDIR | 0755);
	sub = node(sb->root, DEV_NAME, S_IFDIR | 0710);
	sub->inode->gid = 9;
	node(sub, "zero", S_IFCHR | 0640)->inode->rdev = makedev(1, 5);
	node(sub, "dynamic", S_IFCHR | 0640)->inode->rdev = makedev(240, 5);
	node(sub, "fifo", S_IFIFO | 0622);
	d = node(sub, "link", S_IFLNK | 0777);
	d->inode->symlink = strdup("../null");
}

static struct machine *make_machine(const u8 *super)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct m_mount *rootfs, *root, *sys, *dev, *run, *lock, *t;
	struct m_superblock *ext4, *tmpfs;
	struct m_superblock *devtmpfs;
	const u64 nosuid = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME;

	m->read_page = read_page;
	rootfs = mnt_add(m, NULL, sb_add(m, M_FS_INTERNAL, "rootfs", NULL), "/", "/", "none", 0);
	ext4 = sb_add(m, M_FS_BLOCK, "ext4", "errors=remount-ro");
	memcpy(ext4->uuid, uuid, 16);
	ext4->has_uuid = true;
	ext4->ident = memcpy(malloc(1024), super, 1024);
	ext4->ident_len = ext4->ident_offset = 1024;
	strcpy(ext4->devname, "sdx1");
	root = mnt_add(m, rootfs, ext4, "/", "/", "/dev/sdx1", MS_RELATIME);
	root->peer_group = 1;
	sys = mnt_add(m, root, sb_add(m, M_FS_KERNEL, "sysfs", NULL), "/sys", "/", "sysfs", nosuid);
	sys->peer_group = 2;
	mnt_add(m, sys, sb_add(m, M_FS_KERNEL, "securityfs", NULL), "/sys/kernel/security", "/",
		"securityfs", nosuid);
	mnt_add(m, root, sb_add(m, M_FS_KERNEL, "proc", NULL), "/proc", "/", "proc", nosuid);
	devtmpfs = sb_add(m, M_FS_DEVTMPFS, "devtmpfs", "mode=755");
	fill_dev(devtmpfs);
	dev = mnt_add(m, root, devtmpfs, "/dev", "/", "udev", MS_NOSUID | MS_RELATIME);
	mnt_add(m, dev, sb_add(m, M_FS_DEVPTS, "devpts", "gid=5,mode=620,ptmxmode=000"), "/dev/pts",
		"/", "devpts", MS_NOSUID | MS_NOEXEC | MS_NOATIME);
	tmpfs = sb_add(m, M_FS_TMPFS, "tmpfs", "size=4096k,nr_inodes=1000,mode=755");
	run = mnt_add(m, root, tmpfs, "/run", "/", "tmpfs", nosuid);
	run->peer_group = 7;
	fill_run(m, tmpfs, run);
	tmpfs = sb_add(m, M_FS_TMPFS, "tmpfs", "size=5120k");
	tmpfs->readonly = true;
	lock = mnt_add(m, run, tmpfs, "/run/lock", "/", "tmpfs", MS_NOSUID);
	/* over it; a part of the disk; a file over a file; the part again as a peer */
	mnt_add(m, lock, sb_add(m, M_FS_TMPFS, "tmpfs", "size=64k"), "/run/lock", "/", "over",
		MS_RELATIME | MS_NODIRATIME);
	mnt_add(m, root, ext4, "/mnt", "/srv/data", "/dev/sdx1", MS_RDONLY | MS_NOATIME)->peer_group = 1;
	/* a slave of the disk that is shared itself, with a peer of another part; a slave of that */
	t = mnt_add(m, root, ext4, "/opt/a", "/srv", "/dev/sdx1", MS_RELATIME);
	t->peer_group = 3;
	t->master_group = 1;
	t = mnt_add(m, root, ext4, "/opt/b", "/", "/dev/sdx1", MS_RELATIME);
	t->peer_group = 3;
	t->master_group = 1;
	mnt_add(m, root, ext4, "/opt/c", "/srv", "/dev/sdx1", MS_RELATIME)->master_group = 3;
	mnt_add(m, root, ext4, "/etc/issue", "/etc/hosts", "/dev/sdx1", MS_RELATIME)->unbindable = true;
	for (size_t i = 0; i < m->mounts.n; i++)
		m->mounts.v[i]->row = (u32)i + 1;
	m->mounts.v[3]->row = 5; /* came after the next */
	m->mounts.v[4]->row = 4;
	return m;
}

static const char *const want_mounts =
	"-1 / / rw,relatime shared:a ext4 LOOP rw,errors=remount-ro\n"
	"0 / /sys rw,nosuid,nodev,noexec,relatime shared:b sysfs sysfs rw\n"
	"0 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n"
	"1 / /sys/kernel/security rw,nosuid,nodev,noexec,relatime - securityfs securityfs rw\n"
	"0 / /dev rw,nosuid,relatime - devtmpfs udev *\n"
	"4 / /dev/pts rw,nosuid,noexec,noatime - devpts devpts rw,gid=5,mode=620,ptmxmode=000\n"
	"0 / /run rw,nosuid,nodev,noexec,relatime shared:c tmpfs tmpfs "
	"rw,size=4096k,nr_inodes=1000,mode=755\n"
	"6 / /run/lock rw,nosuid - tmpfs tmpfs ro,size=5120k\n"
	"7 / /run/lock rw,nodiratime,relatime - tmpfs over rw,size=64k\n"
	"0 /srv/data /mnt ro,noatime shared:a ext4 LOOP rw,errors=remount-ro\n"
	"0 /srv /opt/a rw,relatime shared:d,master:a ext4 LOOP rw,errors=remount-ro\n"
	"0 / /opt/b rw,relatime shared:d,master:a ext4 LOOP rw,errors=remount-ro\n"
	"0 /srv /opt/c rw,relatime -,master:d ext4 LOOP rw,errors=remount-ro\n"
	"0 /etc/hosts /etc/issue rw,relatime unbindable ext4 LOOP rw,errors=remount-ro\n";
