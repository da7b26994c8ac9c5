// SPDX-License-Identifier: GPL-2.0-only
/* A machine as text, for comparison. See scrape.h. */
#include <stdlib.h>
#include <string.h>

#include "scrape.h"

static int by_pid(const void *a, const void *b)
{
	return (*(struct m_process *const *)a)->pid - (*(struct m_process *const *)b)->pid;
}

static int by_tid(const void *a, const void *b)
{
	return (*(struct m_thread *const *)a)->tid - (*(struct m_thread *const *)b)->tid;
}

static u64 hash(u64 h, const void *p, size_t n)
{
	for (const u8 *c = p; n--; c++)
		h = (h ^ *c) * 0x100000001b3ull;
	return h;
}

static void dump_mm(const struct machine *m, const struct m_mm *mm, FILE *f)
{
	fprintf(f, "  mm code %llx-%llx brk %llx-%llx stack %llx arg %llx-%llx exe %s\n",
		(unsigned long long)mm->start_code, (unsigned long long)mm->end_code,
		(unsigned long long)mm->start_brk, (unsigned long long)mm->brk,
		(unsigned long long)mm->start_stack, (unsigned long long)mm->arg_start,
		(unsigned long long)mm->arg_end, mm->exe ? mm->exe->path->path : "-");
	for (size_t i = 0; i < mm->vmas.n; i++) {
		const struct m_vma *v = &mm->vmas.v[i];
		u64 h = 0xcbf29ce484222325ull;
		u8 buf[OHIB_PAGE_SIZE];

		for (size_t k = v->first_page; k < v->first_page + v->nr_pages; k++) {
			m->read_page(m->read_page_arg, &mm->pages.v[k].src, buf);
			h = hash(h, buf, sizeof(buf));
		}
		fprintf(f, "  vma %llx-%llx kind %d prot %d flags %x off %llx %s pages %zu sum %016llx\n",
			(unsigned long long)v->start, (unsigned long long)v->end, v->kind, v->prot,
			v->flags, (unsigned long long)v->pgoff, v->file ? v->file->path->path : "",
			v->nr_pages, (unsigned long long)h);
	}
}

static void dump_thread(const struct m_thread *t, FILE *f)
{
	const struct user_regs_struct *r = &t->regs;

	fprintf(f, "  thread %d %s rip %llx rsp %llx rax %llx orig %llx rbx %llx rcx? r12 %llx r15 %llx",
		t->tid, t->comm, r->rip, r->rsp, r->rax, r->orig_rax, r->rbx, r->r12, r->r15);
	fprintf(f, " fs %llx mask %llx rseq %llx robust %llx nice %d xsave %016llx\n", r->fs_base,
		(unsigned long long)t->sigmask, (unsigned long long)t->rseq,
		(unsigned long long)t->robust_list, t->nice,
		(unsigned long long)hash(1, (u8 *)t->xsave + 160, 256));
	if (t->cred)
		fprintf(f, "  cred %u %u %u %u gid %u groups %u caps %llx %llx %llx %llx\n", t->cred->uid,
			t->cred->euid, t->cred->suid, t->cred->fsuid, t->cred->gid, t->cred->nr_groups,
			(unsigned long long)t->cred->cap_inheritable,
			(unsigned long long)t->cred->cap_permitted,
			(unsigned long long)t->cred->cap_effective,
			(unsigned long long)t->cred->cap_bset);
}

void dump_machine(const struct machine *m, FILE *f)
{
	struct m_process **v = calloc(m->processes.n + 1, sizeof(*v));

	memcpy(v, m->processes.v, m->processes.n * sizeof(*v));
	qsort(v, m->processes.n, sizeof(*v), by_pid);
	for (size_t i = 0; i < m->processes.n; i++) {
		struct m_process *p = v[i];

		fprintf(f, "process %d %s ppid %d pgid %d sid %d zombie %d code %x stopped %d umask %o tty %s\n",
			p->pid, p->comm, p->ppid, p->pgid, p->sid, p->zombie, p->exit_code, p->stopped,
			p->umask, p->ctty ? p->ctty->name : "-");
		if (p->zombie)
			continue;
		qsort(p->threads.v, p->threads.n, sizeof(*p->threads.v), by_tid);
		for (size_t k = 0; k < p->threads.n; k++)
			dump_thread(p->threads.v[k], f);
		for (int s = 0; s < M_NSIG; s++)
			if (p->actions[s].handler)
				fprintf(f, "  signal %d handler %llx flags %llx\n", s + 1,
					(unsigned long long)p->actions[s].handler,
					(unsigned long long)p->actions[s].flags);
		dump_mm(m, p->mm, f);
		fprintf(f, "  cwd %s\n", p->cwd ? p->cwd->path : "-");
		for (size_t k = 0; k < p->fdtable->fds.n; k++) {
			const struct m_fd *d = &p->fdtable->fds.v[k];

			fprintf(f, "  fd %d%s kind %d flags %o pos %llu refs %u %s\n", d->fd,
				d->cloexec ? " cloexec" : "", d->file->kind, d->file->flags,
				(unsigned long long)d->file->pos, d->file->nr_refs,
				d->file->path ? d->file->path->path : "");
		}
	}
	free(v);
}
