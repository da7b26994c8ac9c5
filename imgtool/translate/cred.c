// SPDX-License-Identifier: GPL-2.0-only
/* Credentials. */
#include <errno.h>

#include "translate/xlate.h"

#define GROUPS_MAX 65536

struct m_cred *xlate_cred(struct xlate *x, u64 cred)
{
	struct m_cred *c = map_get(&x->creds, cred);
	u64 groups;

	if (c || !cred)
		return c;
	c = x_new(x, struct m_cred);
	if (!c)
		return NULL;
	c->kaddr = cred;
	c->uid = x_u64(x, cred, F_CRED_UID);
	c->gid = x_u64(x, cred, F_CRED_GID);
	c->suid = x_u64(x, cred, F_CRED_SUID);
	c->sgid = x_u64(x, cred, F_CRED_SGID);
	c->euid = x_u64(x, cred, F_CRED_EUID);
	c->egid = x_u64(x, cred, F_CRED_EGID);
	c->fsuid = x_u64(x, cred, F_CRED_FSUID);
	c->fsgid = x_u64(x, cred, F_CRED_FSGID);
	c->securebits = x_u64(x, cred, F_CRED_SECUREBITS);
	c->cap_inheritable = x_u64(x, cred, F_CRED_CAP_I);
	c->cap_permitted = x_u64(x, cred, F_CRED_CAP_P);
	c->cap_effective = x_u64(x, cred, F_CRED_CAP_E);
	c->cap_bset = x_u64(x, cred, F_CRED_CAP_B);
	c->cap_ambient = x_u64(x, cred, F_CRED_CAP_A);
	groups = x_u64(x, cred, F_CRED_GROUPS);
	c->nr_groups = x_u64(x, groups, F_GROUPS_N);
	if (c->nr_groups > GROUPS_MAX) {
		ohib_err_pid(&x->err, x->pid, -EINVAL, "cred %#llx: %u groups",
			     (unsigned long long)cred, c->nr_groups);
		return NULL;
	}
	c->groups = x_alloc(x, c->nr_groups * sizeof(u32) + 1);
	if (!c->groups)
		return NULL;
	x_read(x, x_addr(x, groups, F_GROUPS_GID), c->groups, c->nr_groups * sizeof(u32),
	       "group_info.gid");
	if (x_u64(x, cred, F_CRED_USER_NS) != x_sym(x, "init_user_ns"))
		x_refuse(x, "is in a user namespace of its own, which cannot be carried yet");
	xlate_cred_security(x, cred);
	if (map_put(&x->creds, cred, c))
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	return c;
}
