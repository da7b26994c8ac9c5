// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vDSO of each process. The running kernel's own goes where the image's was when its functions
 * are at the same places and no thread stands inside; otherwise the image's bytes stay there, as
 * private memory whose functions lead to the running kernel's, mapped near by.
 * A thread that stands inside the old code goes on in it, over zero pages for the kernel's data:
 * they say "no clock source", so that it ends in the plain system call.
 */
#include <asm/prctl.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "engine.h"
#include "vdso_image.h"

#ifndef ARCH_MAP_VDSO_64
#define ARCH_MAP_VDSO_64 0x2003
#endif

struct vdso_plan {
	struct vdso_image new, old;
	u64 data_len;	/* of [vvar] and the like, right below the code */
	bool same_entries, same_bytes;
};

/* Lengths of the running kernel's: what lies right below the code in our own address space. */
static int measure(struct vdso_plan *p, u64 *len)
{
	unsigned long start, end, low = 0, last = 0;
	char line[256];
	_cleanup_fclose_ FILE *f = fopen("/proc/self/maps", "re");

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		if (strstr(line, "[vvar")) {
			if (last != start)
				low = start;
			last = end;
		} else if (strstr(line, "[vdso]")) {
			p->data_len = last == start ? start - low : 0;
			*len = end - start;
			return 0;
		}
	}
	return -ENOENT;
}

int vdso_plan(struct restore *r)
{
	struct vdso_plan *p = calloc(1, sizeof(*p));
	const u8 *own = (const u8 *)getauxval(AT_SYSINFO_EHDR);
	const struct m_system *s = &r->m->system;
	u64 len;

	r->vdso = p;
	if (!p)
		return r_fail(r, -ENOMEM, "no memory");
	if (!own)
		return r_fail(r, -ENOENT, "this kernel has no vDSO");
	if (measure(p, &len) || vdso_image_parse(&p->new, own, len))
		return r_fail(r, -ENOEXEC, "this kernel's vDSO does not parse");
	if (!s->vdso) { /* the image's is not told apart: the same kernel's */
		p->old = p->new;
	} else if (vdso_image_parse(&p->old, s->vdso, s->vdso_len)) {
		return r_fail(r, -ENOEXEC, "the image kernel's vDSO does not parse");
	}
	p->same_entries = p->old.len == p->new.len && vdso_image_same_entries(&p->old, &p->new);
	p->same_bytes = p->old.len == p->new.len && !memcmp(p->old.bytes, p->new.bytes, p->old.len);
	return 0;
}

void vdso_plan_free(struct restore *r)
{
	free(r->vdso);
	r->vdso = NULL;
}

static const struct m_vma *find_kind(const struct m_mm *mm, enum m_vma_kind kind)
{
	for (size_t i = 0; i < mm->vmas.n; i++)
		if (mm->vmas.v[i].kind == kind)
			return &mm->vmas.v[i];
	return NULL;
}

static bool is_special(const struct m_vma *v)
{
	return v->kind == M_VMA_VDSO || v->kind == M_VMA_VVAR;
}

/* No mapping in [@start, @end); with @special those of the vDSO count too. */
static bool is_free(struct restore *r, const struct m_mm *mm, u64 start, u64 end, bool special)
{
	if (start < r->stub + REMOTE_STUB_LEN && end > r->stub)
		return false;
	for (size_t i = 0; i < mm->vmas.n; i++)
		if ((special || !is_special(&mm->vmas.v[i])) && mm->vmas.v[i].start < end &&
		    mm->vmas.v[i].end > start)
			return false;
	return true;
}

static bool thread_inside(const struct m_process *p, u64 start, u64 end)
{
	const struct m_thread *t;

	vec_foreach(t, &p->threads)
		if (t->regs.rip >= start && t->regs.rip < end)
			return true;
	return false;
}

/* The running kernel's vDSO with its code at @code. */
static int map_new(struct restore *r, struct rtask *t, u64 code)
{
	u64 base = code - r->vdso->data_len;
	u8 head[SELFMAG];
	s64 ret;

	ret = remote_syscall(t, SYS_arch_prctl, ARCH_MAP_VDSO_64, base);
	if (ret < 0)
		return r_fail_pid(r, t->tid, (int)ret, "cannot map the vDSO at %#llx",
				  (unsigned long long)base);
	if (remote_read(t, code, head, sizeof(head)) || memcmp(head, ELFMAG, SELFMAG))
		return r_fail_pid(r, t->tid, -EFAULT, "the vDSO did not come to %#llx",
				  (unsigned long long)code);
	return 0;
}

/* Room for the running kernel's vDSO within reach of a jump from @near. */
static u64 find_room(struct restore *r, const struct m_mm *mm, u64 near)
{
	u64 need = r->vdso->data_len + r->vdso->new.len, gap = 16 * OHIB_PAGE_SIZE;

	for (size_t i = mm->vmas.n; i-- > 0;) {
		u64 top = mm->vmas.v[i].start;

		/* Not right below a stack, which is to grow. */
		if (top > near || mm->vmas.v[i].flags & MAP_GROWSDOWN || top < need + gap)
			continue;
		if (near - top > (1ull << 30))
			break;
		if (is_free(r, mm, top - gap - need, top - gap, true))
			return top - gap - need;
	}
	for (size_t i = 0; i < mm->vmas.n; i++) {
		u64 base = mm->vmas.v[i].end + gap;

		if (base > near && base - near < (1ull << 30) && is_free(r, mm, base, base + need, true))
			return base;
	}
	return 0;
}

/* Make the functions of the copy at @at lead to the running kernel's at @code. */
static int redirect(struct restore *r, struct rproc *p, const struct vdso_image *copy, u64 at, u64 code)
{
	struct rtask *t = r_leader(p);
	u8 patch[VDSO_PATCH_MAX];

	for (size_t i = 0; i < copy->nr_funcs; i++) {
		const struct vdso_func *f = &copy->funcs[i];
		const struct vdso_func *to = vdso_image_find(&r->vdso->new, f->name);
		size_t n = vdso_patch(f, at + f->off, to ? code + to->off : 0, patch);

		/* A thread on its first instructions needs them as they are. */
		if (!n || thread_inside(p->m, at + f->off + 1, at + f->off + n))
			continue;
		if (remote_poke(t, at + f->off, patch, n))
			return r_fail_pid(r, p->pid, -EFAULT, "cannot redirect %s", f->name);
	}
	return 0;
}

static int map_private(struct restore *r, struct rtask *t, u64 start, u64 len, int prot)
{
	s64 va = remote_syscall(t, SYS_mmap, start, len, prot,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return va == (s64)start ? 0 : r_fail_pid(r, t->tid, (int)va, "cannot map the old vDSO");
}

/* The image's vDSO and its data pages as private memory. */
static int map_copy(struct restore *r, struct rproc *p, const struct m_vma *v)
{
	struct rtask *t = r_leader(p);
	const struct m_mm *mm = p->m->mm;
	u8 head[EI_NIDENT];
	int ret;

	ret = map_private(r, t, v->start, v->end - v->start, PROT_READ | PROT_EXEC);
	if (!ret && remote_poke(t, v->start, r->vdso->old.bytes, r->vdso->old.len))
		ret = r_fail_pid(r, p->pid, -EFAULT, "cannot write the old vDSO");
	memcpy(head, r->vdso->old.bytes, sizeof(head));
	vdso_mark(head);
	if (!ret && remote_poke(t, v->start, head, sizeof(head)))
		ret = r_fail_pid(r, p->pid, -EFAULT, "cannot mark the old vDSO");
	for (size_t i = 0; !ret && i < mm->vmas.n; i++)
		if (mm->vmas.v[i].kind == M_VMA_VVAR)
			ret = map_private(r, t, mm->vmas.v[i].start,
					  mm->vmas.v[i].end - mm->vmas.v[i].start, PROT_READ);
	return ret;
}

/* A copy that an earlier switch left: the program knows that one, by its auxiliary vector. */
static u64 find_copy(struct rproc *p, const struct m_vma *special, u8 **bytes, size_t *len)
{
	const struct m_mm *mm = p->m->mm;
	u8 head[EI_NIDENT];
	u64 at = 0;

	for (u32 i = 0; i + 1 < mm->auxv_len; i += 2)
		if (mm->auxv[i] == AT_SYSINFO_EHDR)
			at = mm->auxv[i + 1];
	if (!at || (special && at == special->start) ||
	    remote_read(r_leader(p), at, head, sizeof(head)) || !vdso_is_marked(head))
		return 0;
	for (size_t i = 0; i < mm->vmas.n; i++) {
		if (mm->vmas.v[i].start != at)
			continue;
		*len = mm->vmas.v[i].end - at;
		*bytes = malloc(*len);
		if (*bytes && !remote_read(r_leader(p), at, *bytes, *len))
			return at;
	}
	return 0;
}

int vdso_map(struct restore *r, struct rproc *p)
{
	const struct m_mm *mm = p->m->mm;
	const struct m_vma *v = find_kind(mm, M_VMA_VDSO);
	struct vdso_plan *plan = r->vdso;
	struct vdso_image copy = plan->old;
	_cleanup_free_ u8 *bytes = NULL;
	u64 at, base;
	bool inside;
	size_t len;
	int ret;

	if (!v)
		return 0; /* unmapped by the program */
	inside = thread_inside(p->m, v->start, v->end);
	at = find_copy(p, v, &bytes, &len);
	if (at && vdso_image_parse(&copy, bytes, len))
		return r_fail_pid(r, p->pid, -ENOEXEC, "its redirected vDSO does not parse");
	if (((!at && plan->same_entries && v->end - v->start == plan->new.len) || (at && !inside)) &&
	    (!inside || plan->same_bytes) &&
	    is_free(r, mm, v->start - plan->data_len, v->start + plan->new.len, false)) {
		ret = map_new(r, r_leader(p), v->start);
		return ret || !at ? ret : redirect(r, p, &copy, at, v->start);
	}
	if (!at || inside) {
		ret = map_copy(r, p, v);
		if (ret)
			return ret;
	}
	base = find_room(r, mm, at ? at : v->start);
	if (!base)
		return r_fail_pid(r, p->pid, -ENOMEM, "no room for this kernel's vDSO");
	ret = map_new(r, r_leader(p), base + plan->data_len);
	if (!ret && at)
		ret = redirect(r, p, &copy, at, base + plan->data_len);
	if (!ret && (!at || inside))
		ret = redirect(r, p, &plan->old, v->start, base + plan->data_len);
	return ret;
}
