// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thread's registers at the user boundary, and its FPU state.
 * Source: arch/x86/include/asm/{ptrace,processor,thread_info}.h, arch/x86/kernel/fpu/xstate.c.
 */
#include <cpuid.h>
#include <errno.h>
#include <string.h>

#include "translate/xlate.h"

#define THREAD_SIZE 16384u	/* x86-64 without KASAN; a wrong one is noticed by the selectors below */
#define USER_CS 0x33
#define USER32_CS 0x23
#define USER_DS 0x2b

#define XSAVE_LEGACY 512u
#define XSAVE_HEADER 64u
#define XCOMP_COMPACTED (1ull << 63)
#define XFEATURES_MAX 63

static const struct {
	enum field field;
	size_t offset;
} reg_table[] = {
#define REG(f, member) { F_REGS_##f, offsetof(struct user_regs_struct, member) }
	REG(R15, r15), REG(R14, r14), REG(R13, r13), REG(R12, r12), REG(BP, rbp), REG(BX, rbx),
	REG(R11, r11), REG(R10, r10), REG(R9, r9), REG(R8, r8), REG(AX, rax), REG(CX, rcx),
	REG(DX, rdx), REG(SI, rsi), REG(DI, rdi), REG(ORIG_AX, orig_rax), REG(IP, rip),
	REG(FLAGS, eflags), REG(SP, rsp),
#undef REG
};

/*
 * pt_regs end at the top of the kernel stack; from 6.9 on, with X86_FRED, 16 bytes below it
 * (TOP_OF_KERNEL_STACK_PADDING). Which of the two is told by the selectors, once for all threads.
 */
static bool find_pad(struct xlate *x, u64 stack)
{
	static const u64 pads[] = { 0, 16 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pads); i++) {
		u64 regs = stack + THREAD_SIZE - pads[i] - x->f->size[T_PT_REGS];
		u64 cs = x_u64(x, regs, F_REGS_CS) & 0xffff, ss = x_u64(x, regs, F_REGS_SS) & 0xffff;

		if ((cs == USER_CS || cs == USER32_CS) && ss == USER_DS) {
			x->regs_pad = pads[i];
			return true;
		}
	}
	return false;
}

static void cpuid_component(unsigned int i, u32 *size, u32 *offset, bool *user, bool *aligned)
{
	u32 a = 0, b = 0, c = 0, d = 0;

	__cpuid_count(0xd, i, a, b, c, d);
	*size = a;
	*offset = b;
	*user = !(c & 1);
	*aligned = c & 2;
}

/* XSAVE area of this CPU in the standard format, for the features user space may use; 0: no XSAVE. */
static u32 standard_size(void)
{
	u32 a, b, c, d;

	__cpuid_count(0xd, 0, a, b, c, d);
	return b;
}

/*
 * The kernel keeps the state compacted where the CPU can (XSAVES); ptrace takes the standard format.
 * @src: @src_len bytes of struct xregs_state. Supervisor components are not user space's and left out.
 */
static int to_standard(const u8 *src, size_t src_len, u8 *dst, size_t dst_len)
{
	u64 xstate_bv, xcomp_bv, out_bv;
	u32 compact = XSAVE_LEGACY + XSAVE_HEADER;
	unsigned int i;

	if (src_len < XSAVE_LEGACY + XSAVE_HEADER || dst_len < XSAVE_LEGACY + XSAVE_HEADER)
		return -EINVAL;
	memcpy(&xstate_bv, src + XSAVE_LEGACY, 8);
	memcpy(&xcomp_bv, src + XSAVE_LEGACY + 8, 8);
	memcpy(dst, src, XSAVE_LEGACY);
	if (!(xcomp_bv & XCOMP_COMPACTED)) {
		if (src_len > dst_len)
			src_len = dst_len;
		memcpy(dst, src, src_len);
		return 0;
	}
	out_bv = xstate_bv & 3;
	for (i = 2; i < XFEATURES_MAX; i++) {
		u32 size, offset;
		bool user, aligned;

		if (!(xcomp_bv & 1ull << i))
			continue;
		cpuid_component(i, &size, &offset, &user, &aligned);
		if (!size)
			return -ENOTSUP; /* state of another CPU */
		if (aligned)
			compact = (compact + 63) & ~63u;
		if (xstate_bv & 1ull << i && user) {
			if (compact + size > src_len || offset + size > dst_len)
				return -EINVAL;
			memcpy(dst + offset, src + compact, size);
			out_bv |= 1ull << i;
		}
		compact += size;
	}
	memcpy(dst + XSAVE_LEGACY, &out_bv, 8);
	return 0;
}

static void fpu_state(struct xlate *x, u64 task, struct m_thread *t)
{
	u8 src[16384] __attribute__((aligned(64)));
	u64 regs;
	u32 size;
	int r;

	if (x_has(x, F_TASK_FPSTATE)) {
		u64 fps = x_u64(x, task, F_TASK_FPSTATE);

		size = x_u64(x, fps, F_FPSTATE_SIZE);
		regs = x_addr(x, fps, F_FPSTATE_REGS);
	} else if (x_has(x, F_TASK_FPU_STATE)) {
		regs = x_addr(x, task, F_TASK_FPU_STATE);
		size = standard_size(); /* compacted is never longer */
	} else {
		ohib_err_set(&x->err, -ENOENT, "task_struct: no FPU state that is known");
		return;
	}
	if (size > sizeof(src)) {
		x_refuse(x, "its FPU state has %u bytes (AMX), which cannot be carried yet", size);
		return;
	}
	x_read(x, regs, src, size, "FPU state");
	t->xsave_len = standard_size();
	t->xsave = x_alloc(x, t->xsave_len);
	if (!t->xsave)
		return;
	r = to_standard(src, size, t->xsave, t->xsave_len);
	if (r)
		ohib_err_pid(&x->err, x->pid, r, "thread %d: FPU state is of another CPU or damaged",
			     t->tid);
}

void xlate_thread_regs(struct xlate *x, u64 task, struct m_thread *t)
{
	u64 stack = x_u64(x, task, F_TASK_STACK), regs, cs;
	s64 ax, orig;
	size_t i;

	if (x->regs_pad == ~0ull && !find_pad(x, stack)) {
		ohib_err_pid(&x->err, x->pid, -EINVAL,
			     "thread %d: no user registers at the top of its kernel stack", t->tid);
		return;
	}
	regs = stack + THREAD_SIZE - x->regs_pad - x->f->size[T_PT_REGS];
	for (i = 0; i < ARRAY_SIZE(reg_table); i++) {
		u64 v = x_u64(x, regs, reg_table[i].field);

		memcpy((u8 *)&t->regs + reg_table[i].offset, &v, sizeof(v));
	}
	cs = x_u64(x, regs, F_REGS_CS) & 0xffff;
	t->regs.cs = USER_CS;
	t->regs.ss = USER_DS;
	t->regs.fs_base = x_u64(x, task, F_TASK_FSBASE);
	t->regs.gs_base = x_u64(x, task, F_TASK_GSBASE);
	if (t->entry == M_ENTRY_TOOL) {
		/* it made the snapshot itself: its bases were in the CPU, not in its thread_struct */
		u64 saved = x_sym(x, "saved_context");

		t->regs.fs_base = x_u64(x, saved, F_SAVED_FS_BASE);
		t->regs.gs_base = x_u64(x, saved, F_SAVED_GS_BASE);
	}
	if (cs == USER32_CS) {
		x_refuse(x, "is a 32-bit program, which cannot be carried yet");
		return;
	}
	if (cs != USER_CS) {
		ohib_err_pid(&x->err, x->pid, -EINVAL, "thread %d: code selector %#llx", t->tid,
			     (unsigned long long)cs);
		return;
	}
	ax = t->regs.rax;
	orig = t->regs.orig_rax;
	if (t->entry == M_ENTRY_TOOL)
		;
	else if (orig < 0)
		t->entry = M_ENTRY_USER;
	else if (ax <= -512 && ax >= -516)
		t->entry = M_ENTRY_RESTART;
	else if (ax == -38)
		t->entry = M_ENTRY_INSIDE;
	else
		t->entry = M_ENTRY_USER;	/* the syscall is done, its result is in ax */
	fpu_state(x, task, t);
}
