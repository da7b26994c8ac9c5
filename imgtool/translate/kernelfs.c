// SPDX-License-Identifier: GPL-2.0-only
/*
 * File systems of the kernel's own (proc, bpf …) are the next kernel's own after a switch. Where such a
 * one holds something that user space has put there, that would be lost: refused.
 */
#include <string.h>

#include "translate/xlate.h"

static const struct {
	const char *fstype, *reason;
	const char *const *own;		/* names that the kernel itself puts there */
} holders[] = {
	{ "hugetlbfs", "holds files, which cannot be carried yet", NULL },
	{ "bpf", "holds pinned BPF objects, which cannot be carried yet",
	  (const char *const[]){ "maps.debug", "progs.debug", NULL } },
	{ "binfmt_misc", "has binary formats registered, which cannot be carried yet",
	  (const char *const[]){ "register", "status", NULL } },
};

struct look {
	const char *const *own;
	char found[256];
};

static int one_name(struct xlate *x, u64 dentry, struct look *l)
{
	u64 len = x_u64(x, dentry, F_DENTRY_LEN);
	char name[256] = "";

	if (!x_u64(x, dentry, F_DENTRY_INODE) || !x_u64(x, dentry, F_DENTRY_HASH_PPREV) ||
	    len >= sizeof(name))
		return x->err.code;
	x_read(x, x_u64(x, dentry, F_DENTRY_NAME), name, len, "dentry name");
	for (size_t i = 0; l->own && l->own[i]; i++)
		if (!strcmp(l->own[i], name))
			return x->err.code;
	memcpy(l->found, name, sizeof(name));
	return 1;
}

static int name_of_hlist(struct xlate *x, u64 node, void *arg)
{
	return one_name(x, x_container(x, node, F_DENTRY_SIB), arg);
}

static int name_of_list(struct xlate *x, u64 node, void *arg)
{
	return one_name(x, x_container(x, node, F_DENTRY_CHILD), arg);
}

static void look_into(struct xlate *x, const struct m_mount *mnt, size_t h)
{
	u64 root = x_u64(x, mnt->sb->kaddr, F_SB_ROOT);
	struct look l = { .own = holders[h].own };

	if (x_has(x, F_DENTRY_CHILDREN))
		x_hlist(x, x_addr(x, root, F_DENTRY_CHILDREN), name_of_hlist, &l);
	else
		x_list(x, x_addr(x, root, F_DENTRY_SUBDIRS), name_of_list, &l);
	if (!l.found[0])
		return;
	x_object(x, "mount %s", mnt->mountpoint ? mnt->mountpoint : "?");
	x_refuse(x, "%s (\"%s\" is one)", holders[h].reason, l.found);
}

/* Those of version 1 are in use by processes, or told by nobody. */
static void cgroups(struct xlate *x)
{
	u64 n = x_u64(x, x_addr(x, x_sym(x, "cgrp_dfl_root"), F_CGROOT_CGRP), F_CGROUP_DESCENDANTS);

	if (!n)
		return;
	x_object(x, "cgroups");
	x_refuse(x, "there are %llu below the root of cgroup2, which cannot be carried yet: rmdir removes them",
		 (unsigned long long)n);
}

void xlate_kernel_fs(struct xlate *x)
{
	struct m_mount *mnt;

	cgroups(x);
	vec_foreach(mnt, &x->m->mounts)
		for (size_t h = 0; mnt->sb && h < ARRAY_SIZE(holders); h++)
			if (!strcmp(mnt->sb->fstype, holders[h].fstype))
				look_into(x, mnt, h);
}
