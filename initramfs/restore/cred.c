// SPDX-License-Identifier: GPL-2.0-only
/*
 * Credentials of a thread, given away from full privilege downwards. The order is the point:
 * with no setuid fixup the ids do not touch the capabilities, ambient ones need their inheritable
 * and permitted ones, and what changes securebits or the bounding set needs CAP_SETPCAP still.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "engine.h"

static int capset_to(struct rtask *t, u64 effective, u64 permitted, u64 inheritable)
{
	struct __user_cap_header_struct hdr = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = (u32)(effective >> (32 * i));
		data[i].permitted = (u32)(permitted >> (32 * i));
		data[i].inheritable = (u32)(inheritable >> (32 * i));
	}
	return (int)remote_syscall(t, SYS_capset, remote_put(t, 0, &hdr, sizeof(hdr)),
				   remote_put(t, 64, data, sizeof(data)));
}

static int set_ids(struct rtask *t, const struct m_cred *c)
{
	s64 ret;

	if (c->nr_groups * sizeof(u32) > REMOTE_SCRATCH_LEN)
		return -E2BIG;
	ret = remote_syscall(t, SYS_setgroups, c->nr_groups,
			     remote_put(t, 0, c->groups, c->nr_groups * sizeof(u32)));
	if (!ret)
		ret = remote_syscall(t, SYS_setresgid, c->gid, c->egid, c->sgid);
	if (!ret && c->fsgid != c->egid)
		remote_syscall(t, SYS_setfsgid, c->fsgid);
	if (!ret)
		ret = remote_syscall(t, SYS_setresuid, c->uid, c->euid, c->suid);
	if (!ret && c->fsuid != c->euid)
		remote_syscall(t, SYS_setfsuid, c->fsuid);
	return (int)ret;
}

static u64 get_caps(struct rtask *t, u64 *permitted)
{
	struct __user_cap_header_struct hdr = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };

	remote_syscall(t, SYS_capget, remote_put(t, 0, &hdr, sizeof(hdr)),
		       remote_put(t, 64, data, sizeof(data)));
	remote_read(t, t->scratch + 64, data, sizeof(data));
	*permitted = data[0].permitted | (u64)data[1].permitted << 32;
	return data[0].effective | (u64)data[1].effective << 32;
}

int cred_thread(struct restore *r, struct rtask *t)
{
	const struct m_cred *c = t->m->cred;
	const char *what = "ids";
	u64 have;
	s64 ret;

	if (!c)
		return 0;
	get_caps(t, &have);
	ret = remote_syscall(t, SYS_prctl, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
	/* So that in any case something changes: see set_creds(). */
	if (!ret && t->proc->m->mm && t->proc->m->mm->dumpable == 2)
		remote_syscall(t, SYS_setfsuid, 1);
	if (!ret)
		ret = set_ids(t, c);
	/* one that is not in the bounding set cannot be added any more: cap_capset() */
	if (!ret) {
		what = "inheritable capabilities";
		ret = capset_to(t, have, have, c->cap_inheritable);
	}
	for (int cap = 0; !ret && cap < 64; cap++) {
		if (!(c->cap_bset >> cap & 1) &&
		    remote_syscall(t, SYS_prctl, PR_CAPBSET_READ, cap) == 1) {
			what = "bounding set";
			ret = remote_syscall(t, SYS_prctl, PR_CAPBSET_DROP, cap);
		}
	}
	for (int cap = 0; !ret && cap < 64; cap++) {
		if (c->cap_ambient >> cap & 1) {
			what = "ambient capabilities";
			ret = remote_syscall(t, SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap);
		}
	}
	if (!ret) {
		what = "securebits";
		ret = remote_syscall(t, SYS_prctl, PR_SET_SECUREBITS, c->securebits);
	}
	if (!ret && t->m->keep_caps) {
		what = "keepcaps";
		ret = remote_syscall(t, SYS_prctl, PR_SET_KEEPCAPS, 1);
	}
	if (!ret && t->m->no_new_privs) {
		what = "no_new_privs";
		ret = remote_syscall(t, SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
	}
	if (!ret) {
		what = "capabilities";
		/* A capability that this kernel does not know, or did not give us, cannot be had. */
		ret = capset_to(t, c->cap_effective & have, c->cap_permitted & have,
				c->cap_inheritable);
	}
	return ret < 0 ? r_fail_pid(r, t->tid, (int)ret, "cannot set its %s", what) : 0;
}
