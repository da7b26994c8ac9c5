// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls whose time limit is an argument, and that the kernel has no restart block for, are
 * issued again with the time left from a few instructions of ours, which put the argument's register
 * back and go on behind the program's own call: it sees the registers that it would have seen. What
 * stays visible is a page of code in its address space, named "overlay thunks", and a program counter
 * in it for a signal that comes during the call. The page is used again by the next switch.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "engine.h"

#define SLOT 64u
#define SLOTS (OHIB_PAGE_SIZE / SLOT)
#define TIME_OFF 48u	/* of the time left in a slot */

static const char magic[16] = "overlay thunk 1"; /* slot 0 */

static bool is_thunks(struct rtask *t, const struct m_vma *v)
{
	char head[sizeof(magic)];

	return v->kind == M_VMA_ANON && v->prot == (PROT_READ | PROT_EXEC) &&
	       v->end - v->start == OHIB_PAGE_SIZE && !remote_read(t, v->start, head, sizeof(head)) &&
	       !memcmp(head, magic, sizeof(magic));
}

static u64 find_or_map(struct restore *r, struct rtask *t)
{
	struct rproc *p = t->proc;
	const struct m_mm *mm = p->m->mm;
	static const char name[] = "overlay thunks";
	s64 va;

	for (size_t i = 0; !p->thunks && i < mm->vmas.n; i++)
		if (is_thunks(t, &mm->vmas.v[i]))
			p->thunks = mm->vmas.v[i].start;
	if (p->thunks)
		return p->thunks;
	va = remote_syscall(t, SYS_mmap, 0, OHIB_PAGE_SIZE, PROT_READ | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (va < 0 || remote_poke(t, (u64)va, magic, sizeof(magic)))
		return 0;
	remote_syscall(t, SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, va, OHIB_PAGE_SIZE,
		       remote_put(t, 0, name, sizeof(name)));
	(void)r;
	return p->thunks = (u64)va;
}

/* A thread may be in a slot from the switch before. */
static bool in_use(const struct rproc *p, u64 slot)
{
	const struct rtask *t;

	vec_foreach(t, &p->tasks) {
		if (t->m->regs.rip >= slot && t->m->regs.rip < slot + SLOT)
			return true;
		if (t->last.rip >= slot && t->last.rip < slot + SLOT)
			return true;
	}
	return false;
}

static size_t put_reg(u8 *code, size_t n, u8 rex, u8 op, u64 value)
{
	code[n] = rex;
	code[n + 1] = op;
	memcpy(code + n + 2, &value, sizeof(value));
	return n + 10;
}

/*
 * Make @u go on by way of a thunk that puts rdx, r10 and r8 back as they are in @u. Returns the
 * address at which the caller may leave a struct timespec for the call; 0: no thunk could be had.
 * Context: a kernel's restart (rax = -ERESTART*) is to issue the call.
 */
u64 thunk_make(struct restore *r, struct rtask *t, struct user_regs_struct *u)
{
	u64 page = find_or_map(r, t), slot = 0;
	u8 code[TIME_OFF] = { 0x0f, 0x05 }; /* syscall */
	size_t n = 2;

	for (u32 i = 1; page && !slot && i < SLOTS; i++)
		if (!in_use(t->proc, page + i * SLOT))
			slot = page + i * SLOT;
	if (!slot)
		return 0;
	n = put_reg(code, n, 0x48, 0xba, u->rdx);
	n = put_reg(code, n, 0x49, 0xba, u->r10);
	n = put_reg(code, n, 0x49, 0xb8, u->r8);
	code[n++] = 0xff; /* jmp *(next 8 bytes) */
	code[n++] = 0x25;
	n += 4;
	memcpy(code + n, &u->rip, sizeof(u->rip));
	if (remote_poke(t, slot, code, sizeof(code)))
		return 0;
	u->rip = slot + 2;
	return slot + TIME_OFF;
}
