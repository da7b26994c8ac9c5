// SPDX-License-Identifier: GPL-2.0-only
/*
 * ext4 with files on its orphan list can be mounted read-only from a read-only device, but not be
 * made writable after (ext4_remount: "because of unprocessed orphan inode list").
 * Reads: the mounts of the caller, the super blocks on their devices.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk/node.h"
#include "mounts.h"

#define EXT4_MAGIC 0xef53u
#define EXT4_HAS_JOURNAL 0x4u
#define EXT4_ORPHAN_PRESENT 0x10000u /* s_feature_ro_compat, 5.15 */
/* EXT4_FEATURE_RO_COMPAT_SUPP, from 5.15 on the same: with others a kernel can only read. */
#define EXT4_WRITABLE 0x1a77fu
#define BUSY_TRIES 100
#define BUSY_WAIT_US 50000

struct ext_super {
	u16 magic;
	u32 compat, ro_compat, orphan;
};

static int read_super(const char *node, struct ext_super *s)
{
	_cleanup_close_ int fd = open(node, O_RDONLY | O_CLOEXEC);
	u8 raw[1024];

	if (fd < 0)
		return -errno;
	if (pread(fd, raw, sizeof(raw), 1024) != (ssize_t)sizeof(raw))
		return -EIO;
	memcpy(&s->magic, raw + 0x38, sizeof(s->magic));
	memcpy(&s->compat, raw + 0x5c, sizeof(s->compat));
	memcpy(&s->ro_compat, raw + 0x64, sizeof(s->ro_compat));
	memcpy(&s->orphan, raw + 0xe8, sizeof(s->orphan));
	return 0;
}

/* On a disk: what has no link at all, or has lost the name that it is in use under. */
static bool is_nameless(const struct m_file *f)
{
	return f && f->kind == M_FILE_REG && f->ghost && !f->ghost->inode;
}

/*
 * What is mapped is mapped early; a file without a name can be made, or get the right one for a
 * moment, only where it can be written. Orphan or not: a rehearsal.
 */
static bool maps_nameless(const struct restore *r)
{
	struct m_mm *mm;

	vec_foreach(mm, &r->m->mms) {
		if (is_nameless(mm->exe))
			return true;
		for (size_t i = 0; i < mm->vmas.n; i++)
			if (mm->vmas.v[i].kind == M_VMA_FILE && is_nameless(mm->vmas.v[i].file))
				return true;
	}
	return false;
}

static bool is_orphan_on(const char *node, const struct m_path *p, const struct m_ghost *g)
{
	const struct r_sb *sb = p && p->mnt ? p->mnt->sb->restore : NULL;

	return g && g->ghost_id && sb && sb->dev && !strcmp(sb->dev->node, node);
}

static bool has_orphans_on(const struct restore *r, const char *node)
{
	struct m_process *p;
	struct m_file *f;

	vec_foreach(f, &r->m->files)
		if ((f->kind == M_FILE_REG || f->kind == M_FILE_DIR || f->kind == M_FILE_PATH) &&
		    is_orphan_on(node, f->path, f->ghost))
			return true;
	vec_foreach(p, &r->m->processes)
		if (p->cwd && is_orphan_on(node, p->cwd, p->cwd->ghost))
			return true;
	return false;
}

static int one_fs(struct restore *r, const char *dev)
{
	struct ext_super s = {};
	char node[DISK_NODE_LEN], *copy;
	int ret;

	ret = disk_node(dev, node);
	if (!ret)
		ret = read_super(node, &s);
	if (ret)
		return r_fail(r, ret, "cannot read the super block on device %s", dev);
	if (s.magic != EXT4_MAGIC)
		return 0;
	if (s.ro_compat & ~EXT4_WRITABLE)
		return r_fail(r, -EOPNOTSUPP, "%s has features (%#x) that this kernel may not be able to "
					      "write", node, s.ro_compat & ~EXT4_WRITABLE);
	if (!(s.compat & EXT4_HAS_JOURNAL) && has_orphans_on(r, node))
		return r_fail(r, -EOPNOTSUPP, "%s has no journal, and so no list of its deleted files that "
					      "are in use: their blocks would be lost", node);
	if (!s.orphan && !(s.ro_compat & EXT4_ORPHAN_PRESENT) && !maps_nameless(r))
		return 0;
	r->rehearsal = true;
	copy = strdup(node);
	if (!copy || vec_push(&r->orphan_nodes, copy)) {
		free(copy);
		return r_fail(r, -ENOMEM, "no memory");
	}
	return 0;
}

int orphans_find(struct restore *r)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	const char *type;
	size_t room = 0;
	char dev[32];
	int ret;

	if (!f)
		return r_fail(r, -errno, "cannot read the mounts");
	while (getline(&line, &room, f) > 0) {
		type = strstr(line, " - ");
		if (!type || strncmp(type + 3, "ext", 3) || sscanf(line, "%*d %*d %31s", dev) != 1)
			continue;
		ret = one_fs(r, dev);
		if (ret)
			return ret;
	}
	return 0;
}

int orphans_unused(struct restore *r)
{
	char *node;
	int fd;

	vec_foreach(node, &r->orphan_nodes) {
		/* A mount that is gone is taken down a moment later. */
		for (int i = 0; (fd = open(node, O_RDONLY | O_EXCL | O_CLOEXEC)) < 0; i++) {
			if (errno != EBUSY || i == BUSY_TRIES)
				return r_fail(r, -errno, "%s: somebody has it mounted still", node);
			usleep(BUSY_WAIT_US);
		}
		close(fd);
	}
	return 0;
}

void orphans_free(struct restore *r)
{
	for (size_t i = 0; i < r->orphan_nodes.n; i++)
		free(r->orphan_nodes.v[i]);
	vec_free(&r->orphan_nodes);
}
