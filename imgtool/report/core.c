// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process of the machine as an ELF core file.
 * Source: fs/binfmt_elf.c (notes and their order), include/uapi/linux/elf.h.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <unistd.h>

#include "report/report.h"
#include "util/cleanup.h"

struct out {
	char *p;
	size_t n, cap;
	bool failed;
};

static void put(struct out *o, const void *data, size_t len)
{
	if (o->failed)
		return;
	if (o->n + len > o->cap) {
		size_t cap = (o->n + len) * 2;
		char *p = realloc(o->p, cap);

		if (!p) {
			o->failed = true;
			return;
		}
		o->p = p;
		o->cap = cap;
	}
	memcpy(o->p + o->n, data, len);
	o->n += len;
}

static void put_padded(struct out *o, const void *data, size_t len)
{
	static const char zero[4];

	put(o, data, len);
	put(o, zero, -len & 3);
}

static void note(struct out *o, const char *name, u32 type, const void *desc, size_t len)
{
	Elf64_Nhdr nh = { strlen(name) + 1, len, type };

	put(o, &nh, sizeof(nh));
	put_padded(o, name, nh.n_namesz);
	put_padded(o, desc, len);
}

/*
 * The state components that are enabled, where the kernel writes them: into bytes that XSAVE leaves to software.
 * Debuggers take the note's layout from there. Source: copy_xstate_to_uabi_buf(), USER_XSTATE_XCR0_WORD.
 */
#define XSAVE_SOFTWARE 464
#define XSAVE_SOFTWARE_LEN 48

static void xsave_note(struct out *o, const struct m_thread *t)
{
	u64 software[XSAVE_SOFTWARE_LEN / 8] = {};
	u32 low, high;
	u8 *copy;

	copy = malloc(t->xsave_len);
	if (!copy) {
		o->failed = true;
		return;
	}
	memcpy(copy, t->xsave, t->xsave_len);
	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	software[0] = (u64)high << 32 | low;
	memcpy(copy + XSAVE_SOFTWARE, software, sizeof(software));
	note(o, "LINUX", NT_X86_XSTATE, copy, t->xsave_len);
	free(copy);
}

static void thread_notes(struct out *o, const struct machine *m, const struct m_process *p, const struct m_thread *t)
{
	struct elf_prstatus st = {
		.pr_pid = t->tid,
		.pr_ppid = p->ppid,
		.pr_pgrp = p->pgid,
		.pr_sid = p->sid,
		.pr_sighold = t->sigmask,
		.pr_fpvalid = t->xsave != NULL,
	};

	memcpy(&st.pr_reg, &t->regs, sizeof(st.pr_reg));
	note(o, "CORE", NT_PRSTATUS, &st, sizeof(st));
	if (t == p->threads.v[0]) {
		struct elf_prpsinfo ps = {
			.pr_pid = p->pid,
			.pr_ppid = p->ppid,
			.pr_pgrp = p->pgid,
			.pr_sid = p->sid,
			.pr_sname = report_state(p),
			.pr_nice = t->nice,
			.pr_uid = t->cred ? t->cred->uid : 0,
			.pr_gid = t->cred ? t->cred->gid : 0,
		};

		memcpy(ps.pr_fname, p->comm, sizeof(ps.pr_fname));
		report_cmdline(m, p, ps.pr_psargs, sizeof(ps.pr_psargs));
		note(o, "CORE", NT_PRPSINFO, &ps, sizeof(ps));
		note(o, "CORE", NT_AUXV, p->mm->auxv, p->mm->auxv_len * sizeof(u64));
	}
	if (t->xsave) {
		note(o, "CORE", NT_FPREGSET, t->xsave, 512);
		xsave_note(o, t);
	}
}

/* count, page size, {start, end, page offset} each, then the names. */
static void file_note(struct out *o, const struct m_mm *mm)
{
	struct out d = {};
	u64 head[2] = { 0, OHIB_PAGE_SIZE };
	size_t i;

	for (i = 0; i < mm->vmas.n; i++)
		head[0] += mm->vmas.v[i].kind == M_VMA_FILE;
	put(&d, head, sizeof(head));
	for (i = 0; i < mm->vmas.n; i++) {
		const struct m_vma *v = &mm->vmas.v[i];
		u64 row[3] = { v->start, v->end, v->pgoff / OHIB_PAGE_SIZE };

		if (v->kind == M_VMA_FILE)
			put(&d, row, sizeof(row));
	}
	for (i = 0; i < mm->vmas.n; i++) {
		const struct m_vma *v = &mm->vmas.v[i];
		const char *path = v->file && v->file->path ? v->file->path->path : "";

		if (v->kind == M_VMA_FILE)
			put(&d, path, strlen(path) + 1);
	}
	if (!d.failed)
		note(o, "CORE", NT_FILE, d.p, d.n);
	o->failed |= d.failed;
	free(d.p);
}

static int write_all(int fd, const void *data, size_t len, struct ohib_err *err)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ohib_err_set(err, -errno, "core file: %s", strerror(errno));
		data = (const char *)data + n;
		len -= n;
	}
	return 0;
}

/* A piece of a mapping that is wholly in the core, or wholly left to the mapped file. */
struct segment {
	const struct m_vma *vma;
	u64 start, end;
	bool stored;
};

struct segments {
	VEC(struct segment) list;
};

static int add_segment(struct segments *s, const struct m_vma *v, u64 start, u64 end, bool stored)
{
	struct segment seg = { v, start, end, stored };

	return start < end ? vec_push(&s->list, seg) : 0;
}

/* File mappings are cut where changed pages begin and end: the others are the file's to tell. */
static int cut_segments(const struct m_mm *mm, struct segments *s)
{
	size_t i, k;
	int r = 0;

	for (i = 0; !r && i < mm->vmas.n; i++) {
		const struct m_vma *v = &mm->vmas.v[i];
		u64 at = v->start;

		if (v->kind != M_VMA_FILE) {
			r = add_segment(s, v, v->start, v->end,
					v->kind == M_VMA_ANON || v->kind == M_VMA_SHMEM);
			continue;
		}
		for (k = 0; !r && k < v->nr_pages;) {
			u64 run = mm->pages.v[v->first_page + k].va, end = run;

			while (k < v->nr_pages && mm->pages.v[v->first_page + k].va == end) {
				end += OHIB_PAGE_SIZE;
				k++;
			}
			r = add_segment(s, v, at, run, false);
			if (!r)
				r = add_segment(s, v, run, end, true);
			at = end;
		}
		if (!r)
			r = add_segment(s, v, at, v->end, false);
	}
	return r;
}

static int write_segment(const struct machine *m, const struct m_mm *mm, const struct segment *s,
			 int fd, struct ohib_err *err)
{
	const struct m_vma *v = s->vma;
	const struct m_page *pages = v->nr_pages ? mm->pages.v + v->first_page : NULL;
	size_t nr = v->nr_pages, i = 0;
	u64 va, delta = 0;
	int r;

	if (v->kind == M_VMA_SHMEM && v->shmem) {
		pages = v->shmem->pages.v;
		nr = v->shmem->pages.n;
		delta = v->start - v->pgoff; /* page's va is its offset in the object */
	}
	for (va = s->start; va < s->end; va += OHIB_PAGE_SIZE) {
		u8 page[OHIB_PAGE_SIZE] = {};

		while (i < nr && pages[i].va + delta < va)
			i++;
		if (i < nr && pages[i].va + delta == va) {
			r = m->read_page(m->read_page_arg, &pages[i].src, page);
			if (r)
				return ohib_err_set(err, r, "page %#llx cannot be read: %s",
						    (unsigned long long)va, strerror(-r));
		}
		r = write_all(fd, page, sizeof(page), err);
		if (r)
			return r;
	}
	return 0;
}

static void cleanup_segments(struct segments *s)
{
	vec_free(&s->list);
}

int report_core(const struct machine *m, const struct m_process *p, int fd, struct ohib_err *err)
{
	const struct m_mm *mm = p->mm;
	_cleanup_(cleanup_segments) struct segments segs = {};
	struct out o = {};
	_cleanup_free_ Elf64_Phdr *ph = NULL;
	_cleanup_free_ char *notes = NULL;
	static const u8 zero[OHIB_PAGE_SIZE];
	struct m_thread *t;
	Elf64_Ehdr eh;
	size_t i, nr;
	u64 off;
	int r;

	if (!mm || !p->threads.n)
		return ohib_err_pid(err, p->pid, -ESRCH, "a zombie has no memory to be written");
	vec_foreach(t, &p->threads)
		thread_notes(&o, m, p, t);
	file_note(&o, mm);
	notes = o.p;
	if (cut_segments(mm, &segs))
		return ohib_err_set(err, -ENOMEM, "out of memory");
	nr = segs.list.n + 1;
	ph = calloc(nr, sizeof(*ph));
	if (o.failed || !ph || nr >= PN_XNUM)
		return ohib_err_set(err, -ENOMEM, "out of memory for %zu mappings", nr);
	eh = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(*ph),
		.e_phnum = nr,
	};
	off = sizeof(eh) + nr * sizeof(*ph);
	ph[0] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = off, .p_filesz = o.n, .p_align = 4 };
	off = (off + o.n + OHIB_PAGE_SIZE - 1) & OHIB_PAGE_MASK;
	for (i = 0; i < segs.list.n; i++) {
		const struct segment *g = &segs.list.v[i];
		int prot = g->vma->prot;

		ph[i + 1] = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = (prot & PROT_READ ? PF_R : 0) | (prot & PROT_WRITE ? PF_W : 0) |
				   (prot & PROT_EXEC ? PF_X : 0),
			.p_offset = off,
			.p_vaddr = g->start,
			.p_filesz = g->stored ? g->end - g->start : 0,
			.p_memsz = g->end - g->start,
			.p_align = OHIB_PAGE_SIZE,
		};
		off += ph[i + 1].p_filesz;
	}
	r = write_all(fd, &eh, sizeof(eh), err);
	if (!r)
		r = write_all(fd, ph, nr * sizeof(*ph), err);
	if (!r)
		r = write_all(fd, o.p, o.n, err);
	if (!r)
		r = write_all(fd, zero, -(sizeof(eh) + nr * sizeof(*ph) + o.n) & (OHIB_PAGE_SIZE - 1),
			      err);
	for (i = 0; !r && i < segs.list.n; i++)
		if (segs.list.v[i].stored)
			r = write_segment(m, mm, &segs.list.v[i], fd, err);
	return r;
}
