// SPDX-License-Identifier: GPL-2.0-only
/*
 * What prctl and its like set of processes and their memory. Whether this kernel can do it is asked
 * before the commit, of the reloader itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
#endif
#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif
#ifndef PR_SPEC_L1D_FLUSH
#define PR_SPEC_L1D_FLUSH 2
#endif

static int write_text(pid_t pid, const char *name, const char *format, long long value)
{
	char path[64], text[24];
	int fd, n, ret = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	n = snprintf(text, sizeof(text), format, value);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)n) != n)
		ret = -errno;
	close(fd);
	return ret;
}

/* How this kernel takes a wish to restrict speculation. */
static enum { SPEC_SET, SPEC_IS_SO, SPEC_CANNOT } spec_able(int which)
{
	int now = prctl(PR_GET_SPECULATION_CTRL, which, 0, 0, 0);

	if (now > 0 && now & PR_SPEC_PRCTL)
		return SPEC_SET;
	/* Not affected, or restricted for all. */
	return now == PR_SPEC_NOT_AFFECTED || (now > 0 && now & PR_SPEC_DISABLE) ? SPEC_IS_SO :
										    SPEC_CANNOT;
}

static const char *lacks_for_thread(const struct m_thread *m)
{
	if (m->has_loginuid && access("/proc/self/loginuid", W_OK))
		return "an audit login id";
	if (m->spec_store && spec_able(PR_SPEC_STORE_BYPASS) == SPEC_CANNOT)
		return "control of speculative store bypass";
	if (m->spec_branch && spec_able(PR_SPEC_INDIRECT_BRANCH) == SPEC_CANNOT)
		return "control of indirect branch speculation";
	if (m->spec_l1d && spec_able(PR_SPEC_L1D_FLUSH) != SPEC_SET)
		return "flushing of the L1 data cache";
	return NULL;
}

static const char *lacks_for_mm(const struct m_mm *mm)
{
	long barriers = mm->membarrier ? syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) : 0;

	if (mm->membarrier && (barriers < 0 || mm->membarrier & ~(u32)barriers))
		return "a membarrier registration";
	if (mm->merge_any && prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0) < 0)
		return "merging of all its memory (PR_SET_MEMORY_MERGE)";
	if (mm->mdwe && prctl(PR_GET_MDWE, 0, 0, 0, 0) < 0)
		return "refusal of executable memory (PR_SET_MDWE)";
	/* It came with 6.6, as did map_shadow_stack (453), which does nothing with these arguments. */
	if (mm->mdwe & M_MDWE_NO_INHERIT && syscall(453, 0, 0, 0) < 0 && errno == ENOSYS)
		return "PR_MDWE_NO_INHERIT";
	return NULL;
}

/* Tried on a memfd of its own. */
static bool seals_able(u32 seals)
{
	_cleanup_close_ int fd = memfd_create("seals", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd >= 0 && !fcntl(fd, F_ADD_SEALS, seals);
}

int prctl_check(struct restore *r)
{
	const char *lacks;
	struct m_process *p;
	struct m_thread *t;
	struct m_shmem *s;

	vec_foreach(s, &r->m->shmems)
		if (s->kind == M_SHMEM_MEMFD && s->seals && !seals_able(s->seals))
			return r_fail(r, -EOPNOTSUPP, "memfd \"%s\" has seals (%#x) that this kernel cannot set", s->name,
				      s->seals);
	vec_foreach(p, &r->m->processes) {
		lacks = p->mm ? lacks_for_mm(p->mm) : NULL;
		if (!lacks && p->autogroup_nice && access("/proc/self/autogroup", W_OK))
			lacks = "the nice value of its session (autogroup)";
		vec_foreach(t, &p->threads)
			if (!lacks)
				lacks = lacks_for_thread(t);
		if (lacks)
			return r_fail_pid(r, p->pid, -EOPNOTSUPP, "has %s, which this kernel cannot set",
					  lacks);
	}
	return 0;
}

/* Effective CAP_SYS_RESOURCE of the reloader: whoever writes with it also moves the minimum. */
static int sys_resource(bool on)
{
	struct __user_cap_header_struct hdr = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &hdr, data))
		return -errno;
	data[0].effective &= ~(1u << CAP_SYS_RESOURCE);
	data[0].effective |= on ? 1u << CAP_SYS_RESOURCE : 0;
	return syscall(SYS_capset, &hdr, data) ? -errno : 0;
}

static int set_oom(pid_t pid, s32 adj, s32 min)
{
	int ret = write_text(pid, "oom_score_adj", "%lld", min), back;

	if (ret || adj == min)
		return ret;
	/* Below its minimum it cannot be but by a kernel's own hand. */
	if (adj < min)
		return write_text(pid, "oom_score_adj", "%lld", adj);
	ret = sys_resource(false);
	if (!ret)
		ret = write_text(pid, "oom_score_adj", "%lld", adj);
	back = sys_resource(true);
	return ret ? ret : back;
}

/* Late, since what is forked would inherit it. */
static int set_mm(struct restore *r, struct rtask *t, const struct m_mm *mm)
{
	const char *what = "core dump filter";
	s64 ret;

	ret = write_text(t->proc->pid, "coredump_filter", "%#llx", mm->coredump_filter);
	for (u32 cmd = 1; !ret && cmd && cmd <= mm->membarrier; cmd <<= 1) {
		if (!(mm->membarrier & cmd))
			continue;
		what = "membarrier registration";
		ret = remote_syscall(t, SYS_membarrier, cmd, 0, 0);
	}
	if (!ret && mm->merge_any) {
		what = "merging of memory";
		ret = remote_syscall(t, SYS_prctl, PR_SET_MEMORY_MERGE, 1, 0, 0, 0);
	}
	return ret < 0 ? r_fail_pid(r, t->tid, (int)ret, "cannot set its %s", what) : 0;
}

int prctl_process(struct restore *r, struct rproc *p)
{
	struct rtask *t = r_leader(p);
	const struct m_process *m = p->m;
	int ret;

	ret = set_oom(p->pid, m->oom_score_adj, m->oom_score_adj_min);
	if (ret)
		return r_fail_pid(r, p->pid, ret, "cannot set oom_score_adj to %d", m->oom_score_adj);
	if (m->autogroup_nice) {
		ret = write_text(p->pid, "autogroup", "%lld", m->autogroup_nice);
		if (ret)
			return r_fail_pid(r, p->pid, ret, "cannot set the nice value of its session");
	}
	if (m->ptracer) {
		/* Without Yama (-EINVAL) there is nothing to make an exception of. */
		ret = (int)remote_syscall(t, SYS_prctl, PR_SET_PTRACER, (s64)m->ptracer, 0, 0, 0);
		if (ret && ret != -EINVAL)
			return r_fail_pid(r, p->pid, ret, "cannot name who may trace it");
	}
	return m->mm ? set_mm(r, t, m->mm) : 0;
}

/* Only the thread itself may write it; the session id that goes with it is the kernel's next. */
static int set_loginuid(struct restore *r, struct rtask *t)
{
	char path[64], text[16];
	s64 num, ret;
	int fd, n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/loginuid", t->proc->pid, t->tid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	num = file_send(r, t, fd);
	close(fd);
	if (num < 0)
		return (int)num;
	n = snprintf(text, sizeof(text), "%u", t->m->loginuid);
	ret = remote_syscall(t, SYS_write, num, remote_put(t, 0, text, sizeof(text)), n);
	remote_syscall(t, SYS_close, num);
	return ret == n ? 0 : ret < 0 ? (int)ret : -EIO;
}

static s64 set_spec(struct rtask *t, int which, u32 value)
{
	if (!value || spec_able(which) != SPEC_SET)
		return 0;
	return remote_syscall(t, SYS_prctl, PR_SET_SPECULATION_CTRL, which, value, 0, 0);
}

int prctl_thread(struct restore *r, struct rtask *t)
{
	const struct m_thread *m = t->m;
	const char *what = "audit login id";
	s64 ret = 0;

	if (m->has_loginuid)
		ret = set_loginuid(r, t);
	if (!ret && m->io_flags) {
		what = "I/O flusher state";
		ret = remote_syscall(t, SYS_prctl, PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	}
	if (!ret && m->mce_kill) {
		what = "memory failure policy";
		ret = remote_syscall(t, SYS_prctl, PR_MCE_KILL, PR_MCE_KILL_SET, m->mce_kill - 1, 0, 0);
	}
	if (!ret) {
		what = "control of speculation";
		ret = set_spec(t, PR_SPEC_STORE_BYPASS, m->spec_store);
	}
	if (!ret)
		ret = set_spec(t, PR_SPEC_INDIRECT_BRANCH, m->spec_branch);
	if (!ret)
		ret = set_spec(t, PR_SPEC_L1D_FLUSH, m->spec_l1d);
	return ret < 0 ? r_fail_pid(r, t->tid, (int)ret, "cannot set its %s", what) : 0;
}

/* Context: no more memory is made executable for it. */
int prctl_last(struct restore *r, struct rproc *p)
{
	const struct m_mm *mm = p->m->mm;
	s64 ret = 0;

	if (mm && mm->mdwe)
		ret = remote_syscall(r_leader(p), SYS_prctl, PR_SET_MDWE, mm->mdwe, 0, 0, 0);
	return ret < 0 ? r_fail_pid(r, p->pid, (int)ret, "cannot refuse it executable memory again") : 0;
}
