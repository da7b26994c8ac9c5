// SPDX-License-Identifier: GPL-2.0-only
/*
 * What prctl and its like set of a thread or an address space, and what of that is refused.
 * Source: include/linux/sched.h, sched/mm.h, sched/coredump.h; arch/x86/include/asm/thread_info.h.
 */
#include <linux/membarrier.h>
#include <linux/prctl.h>
#include <string.h>

#include "translate/xlate.h"

#define AUDIT_UID_UNSET ~0u

#define PF_MCE_PROCESS 0x00000080
#define PF_IO_FLUSHER 0x00180000	/* PF_MEMALLOC_NOIO, PF_LOCAL_THROTTLE: PR_IO_FLUSHER */
#define PF_MCE_EARLY 0x08000000

#define PFA_SPEC_SSB_DISABLE 3
#define PFA_SPEC_SSB_FORCE_DISABLE 4
#define PFA_SPEC_IB_DISABLE 5
#define PFA_SPEC_IB_FORCE_DISABLE 6
#define PFA_SPEC_SSB_NOEXEC 7

#define TIF_SPEC_L1D_FLUSH 10
#define TIF_NOCPUID 15

#define MMF_DUMP_FILTER_SHIFT 2		/* MMF_DUMPABLE_BITS */
#define MMF_DUMP_FILTER_MASK 0x1ffu
#define MMF_HAS_UPROBES 19
#define MMF_HAS_MDWE 28			/* 6.3: b507808ebce2; not in use before */
#define MMF_HAS_MDWE_NO_INHERIT 29	/* 6.6: 24e41bf8a6b4 */
#define MMF_VM_MERGE_ANY 30		/* 6.4: d7597f59d1d3; not in use before */

/* Bits of atomic_flags to PR_SPEC_*; what was asked for last decides. */
static void speculation(u64 pfa, u64 tif, struct m_thread *t)
{
	if (x_bit(pfa, PFA_SPEC_SSB_FORCE_DISABLE))
		t->spec_store = PR_SPEC_FORCE_DISABLE;
	else if (x_bit(pfa, PFA_SPEC_SSB_NOEXEC))
		t->spec_store = PR_SPEC_DISABLE_NOEXEC;
	else if (x_bit(pfa, PFA_SPEC_SSB_DISABLE))
		t->spec_store = PR_SPEC_DISABLE;
	if (x_bit(pfa, PFA_SPEC_IB_FORCE_DISABLE))
		t->spec_branch = PR_SPEC_FORCE_DISABLE;
	else if (x_bit(pfa, PFA_SPEC_IB_DISABLE))
		t->spec_branch = PR_SPEC_DISABLE;
	if (x_bit(tif, TIF_SPEC_L1D_FLUSH))
		t->spec_l1d = PR_SPEC_ENABLE;
}

static u64 optional(struct xlate *x, u64 obj, enum field f)
{
	return x_has(x, f) ? x_u64(x, obj, f) : 0;
}

static void scheduling_extras(struct xlate *x, u64 task, const struct m_thread *t)
{
	u64 at, end;

	if (optional(x, task, F_TASK_CORE_COOKIE))
		x_refuse(x, "thread %d has a core scheduling cookie, which cannot be carried yet", t->tid);
	if (!x_has(x, F_TASK_UCLAMP_REQ))
		return;
	/* struct uclamp_se is one word of bit fields */
	at = x_addr(x, task, F_TASK_UCLAMP_REQ);
	end = at + x->f->loc[F_TASK_UCLAMP_REQ].size;
	for (; at < end && !x_failed(x); at += 4)
		if (x_u64(x, at, F_UCLAMP_USER)) {
			x_refuse(x, "thread %d has utilisation clamps, which cannot be carried yet", t->tid);
			return;
		}
}

static void perf_events(struct xlate *x, u64 task, const struct m_thread *t)
{
	u64 ctx[2];

	if (!x_has(x, F_TASK_PERF))
		return;
	x_bytes(x, task, F_TASK_PERF, ctx, sizeof(ctx));
	/* a context stays when its events are gone */
	for (size_t i = 0; i < ARRAY_SIZE(ctx); i++)
		if (ctx[i] && x_u64(x, ctx[i], F_PERF_NR)) {
			x_refuse(x, "thread %d is measured by perf events, which cannot be carried yet",
				 t->tid);
			return;
		}
}

/*
 * A task in the root of every hierarchy has the first css_set; one that is in the same cgroups as
 * another shares its set (find_existing_css_set() in kernel/cgroup/cgroup.c).
 */
static void cgroup(struct xlate *x, u64 task, const struct m_thread *t)
{
	u64 set = x_u64(x, task, F_TASK_CGROUPS), kn;
	char *name = NULL;

	if (set == x_sym(x, "init_css_set") || x_failed(x))
		return;
	kn = x_u64(x, x_u64(x, set, F_CSET_DFL_CGRP), F_CGROUP_KN);
	if (kn)
		kn = x_u64(x, kn, F_KN_NAME);
	if (kn)
		name = x_str(x, kn, 256);
	if (name && *name)
		x_refuse(x, "thread %d is in cgroup \"%s\", and cgroups cannot be carried yet", t->tid, name);
	else
		x_refuse(x, "thread %d is in a cgroup (version 1), which cannot be carried yet", t->tid);
}

static void refuse_more(struct xlate *x, u64 task, const struct m_thread *t)
{
	static const u8 none[64];
	u8 tls[sizeof(none)];

	if (x->f->value[E_WORK_USER_DISPATCH] &&
	    x_bit(optional(x, task, F_TASK_TI_WORK), x->f->value[E_WORK_USER_DISPATCH]))
		x_refuse(x, "thread %d has its system calls dispatched to user code "
			 "(PR_SET_SYSCALL_USER_DISPATCH)", t->tid);
	if (optional(x, task, F_TASK_MEMPOLICY))
		x_refuse(x, "thread %d has a NUMA policy (set_mempolicy), which cannot be carried yet",
			 t->tid);
	if (optional(x, task, F_TASK_CLOSID) || optional(x, task, F_TASK_RMID))
		x_refuse(x, "thread %d is in a resctrl group, which cannot be carried yet", t->tid);
	if (optional(x, task, F_TASK_SHSTK) || optional(x, task, F_TASK_SHSTK_LOCKED))
		x_refuse(x, "thread %d has a shadow stack, which cannot be carried yet", t->tid);
	if (optional(x, task, F_TASK_USER_EVENTS))
		x_refuse(x, "thread %d has user events registered, which cannot be carried yet", t->tid);
	x_bytes(x, task, F_TASK_TLS_ARRAY, tls, sizeof(tls));
	if (memcmp(tls, none, sizeof(tls)))
		x_refuse(x, "thread %d has TLS segments (set_thread_area), which cannot be carried yet",
			 t->tid);
	if (t->cpuid_fault)
		x_refuse(x, "thread %d has CPUID disabled (arch_prctl), which cannot be carried yet", t->tid);
}

void xlate_thread_attrs(struct xlate *x, u64 task, struct m_thread *t)
{
	u64 flags = x_u64(x, task, F_TASK_FLAGS);

	t->io_flags = (flags & PF_IO_FLUSHER) == PF_IO_FLUSHER;
	if (flags & PF_MCE_PROCESS)
		t->mce_kill = 1 + (flags & PF_MCE_EARLY ? PR_MCE_KILL_EARLY : PR_MCE_KILL_LATE);
	t->loginuid = optional(x, task, F_TASK_LOGINUID);
	t->has_loginuid = x_has(x, F_TASK_LOGINUID) && t->loginuid != AUDIT_UID_UNSET;
	speculation(x_u64(x, task, F_TASK_ATOMIC_FLAGS), x_u64(x, task, F_TASK_TI_FLAGS), t);
	scheduling_extras(x, task, t);
	perf_events(x, task, t);
	cgroup(x, task, t);
	refuse_more(x, task, t);
}

/* MEMBARRIER_STATE_*: each registration has a bit and, above its READY, those of what it includes. */
static u32 membarrier(u64 state)
{
	return (x_bit(state, 1) ? MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED : 0) |
	       (x_bit(state, 3) ? MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED : 0) |
	       (x_bit(state, 5) ? MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE : 0) |
	       (x_bit(state, 7) ? MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ : 0);
}

void xlate_mm_attrs(struct xlate *x, u64 kmm, struct m_mm *mm)
{
	u64 flags = x_u64(x, kmm, F_MM_FLAGS), keys = optional(x, kmm, F_MM_PKEYS);
	s64 exec_key = x_has(x, F_MM_EXEC_PKEY) ? x_s64(x, kmm, F_MM_EXEC_PKEY) : 0;

	mm->coredump_filter = flags >> MMF_DUMP_FILTER_SHIFT & MMF_DUMP_FILTER_MASK;
	mm->membarrier = membarrier(optional(x, kmm, F_MM_MEMBARRIER));
	if (x_bit(flags, MMF_HAS_MDWE))
		mm->mdwe = M_MDWE_REFUSE_EXEC_GAIN |
			   (x_bit(flags, MMF_HAS_MDWE_NO_INHERIT) ? M_MDWE_NO_INHERIT : 0);
	mm->merge_any = x_bit(flags, MMF_VM_MERGE_ANY);
	if (x_bit(flags, MMF_HAS_UPROBES))
		x_refuse(x, "has a tracer's breakpoints in its code (uprobes)");
	if (optional(x, kmm, F_MM_LAM))
		x_refuse(x, "uses tagged addresses (LAM), which cannot be carried yet");
	if (exec_key > 0 && exec_key < 16)
		keys &= ~(1ull << exec_key);
	if (keys & ~1ull)
		x_refuse(x, "uses memory protection keys (pkey_alloc), which cannot be carried yet");
}
