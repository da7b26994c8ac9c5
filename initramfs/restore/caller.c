// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls in another's name. The kernel notes who made a call (SO_PEERCRED, the creator of a SysV
 * segment), so the process that once made it makes it again, under the ids that it had then. One
 * that has ended meanwhile is there for the moment of the call.
 * Weaker than it was: an ended process whose number is taken (by a thread of this kernel, or as
 * the number of a session or group that lives on) is told by a number that nobody has; its ids are
 * right.
 */
#include <errno.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "caller.h"

/* Its ids then, with all capabilities still: a name is reached whatever its mode is by now. */
static int change_ids(struct caller *c, u32 uid, u32 gid, const struct m_cred *groups)
{
	u32 n = groups ? groups->nr_groups : 0;
	s64 ret;

	if (n * sizeof(u32) > REMOTE_SCRATCH_LEN)
		return -E2BIG;
	ret = remote_syscall(c->t, SYS_prctl, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
	if (!ret)
		ret = remote_syscall(c->t, SYS_setgroups, n,
				     n ? remote_put(c->t, 0, groups->groups, n * sizeof(u32)) : 0);
	if (!ret)
		ret = remote_syscall(c->t, SYS_setresgid, -1, gid, -1);
	if (!ret)
		ret = remote_syscall(c->t, SYS_setresuid, -1, uid, -1);
	return (int)ret;
}

int caller_take(struct restore *r, struct caller *c, pid_t pid, u32 uid, u32 gid, const struct m_cred *groups)
{
	struct rproc *p = plan_find(r, pid);
	int ret;

	memset(c, 0, sizeof(*c));
	if (p && p->created && !p->gone) {
		c->t = r_leader(p);
	} else {
		ret = tree_moment(r, pid, &c->moment);
		if (ret)
			return ret;
		c->t = &c->moment;
	}
	c->changed = uid || gid || (groups && groups->nr_groups);
	ret = c->changed ? change_ids(c, uid, gid, groups) : 0;
	if (ret) {
		caller_release(r, c);
		return r_fail_pid(r, pid, ret, "cannot have the ids that it once had (%u, %u)", uid, gid);
	}
	return 0;
}

/* A process of the machine is root again, as the rest of the restore wants it. */
void caller_release(struct restore *r, struct caller *c)
{
	if (c->t == &c->moment) {
		tree_moment_end(r, &c->moment);
	} else if (c->t && c->changed) {
		remote_syscall(c->t, SYS_setresuid, -1, 0, -1);
		remote_syscall(c->t, SYS_setresgid, -1, 0, -1);
		remote_syscall(c->t, SYS_setgroups, 0, 0);
		remote_syscall(c->t, SYS_prctl, PR_SET_SECUREBITS, 0);
		/* a change of ids takes it away */
		remote_syscall(c->t, SYS_prctl, PR_SET_DUMPABLE, 1);
	}
	c->t = NULL;
}
