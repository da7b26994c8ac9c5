// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is made by whom. A child inherits its session, and pages stay shared copy-on-write only
 * between a process and what it forks, so the choice of the creator decides both.
 * Reads: the machine's processes. Writes: rproc.creator, .birth, .before_setsid. Makes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

struct rproc *plan_find(struct restore *r, pid_t pid)
{
	struct rproc *p;

	vec_foreach(p, &r->procs)
		if (p->pid == pid)
			return p;
	return NULL;
}

static struct rproc *proc_new(struct restore *r, pid_t pid, pid_t pgid, pid_t sid)
{
	struct rproc *p = calloc(1, sizeof(*p));
	struct rtask *t = calloc(1, sizeof(*t));

	if (p && t && !vec_push(&p->tasks, t)) {
		p->pid = t->tid = pid;
		p->pgid = pgid;
		p->sid = p->birth_sid = sid;
		p->mem_fd = -1;
		t->proc = p;
		if (!vec_push(&r->procs, p))
			return p;
		vec_free(&p->tasks);
	}
	free(t);
	free(p);
	r_fail(r, -ENOMEM, "no memory for the plan of the processes");
	return NULL;
}

static bool is_leader(const struct rproc *p)
{
	return p->sid == p->pid;
}

/* A process that only makes the session or group @pid exist for a while. */
static struct rproc *stand_in(struct restore *r, pid_t pid, pid_t sid, struct rproc *parent)
{
	struct rproc *p = proc_new(r, pid, pid, sid);

	if (p) {
		p->parent = p->creator = parent;
		p->birth = R_BY_PARENT;
		p->birth_sid = pid == sid ? 0 : sid;
	}
	return p;
}

/* Somebody who is in session @sid while it lasts: its leader, in person or by a stand-in. */
static struct rproc *session_member(struct restore *r, pid_t sid, struct rproc *parent)
{
	struct rproc *l = sid ? plan_find(r, sid) : r->init;

	return l ? l : stand_in(r, sid, sid, parent);
}

static bool descends(const struct rproc *p, const struct rproc *from)
{
	for (; p; p = p->parent)
		if (p == from)
			return true;
	return false;
}

/* @p is to be born in session p->birth_sid, which is not its parent's. */
static int plan_foreign(struct restore *r, struct rproc *p)
{
	struct rproc *q = p->parent, *l;

	if (q != r->init && is_leader(q) && !q->m->child_subreaper) {
		/* The only way there is: forked before the parent made a session of its own. */
		if (q->birth_sid && q->birth_sid != p->birth_sid)
			return r_fail_pid(r, p->pid, -EINVAL,
					  "children of process %d are in two older sessions", q->pid);
		q->birth_sid = p->birth_sid;
		p->creator = q;
		p->birth = R_BY_PARENT;
		p->before_setsid = true;
		q->early_children++;
		return 0;
	}
	l = session_member(r, p->birth_sid, q);
	if (!l)
		return -ENOMEM;
	p->creator = l;
	if (l == q) {
		p->birth = R_BY_PARENT;
	} else if (l->parent == q && l != r->init) {
		p->birth = R_BY_SIBLING;
	} else {
		p->birth = R_BY_HELPER;
		if (q != r->init && !descends(l, q))
			return r_fail_pid(r, p->pid, -EINVAL,
					  "session %d has no process below its parent %d", p->birth_sid,
					  q->pid);
	}
	return 0;
}

/*
 * Session leaders may be born anywhere unless a child of theirs says otherwise, so they come after
 * the others; a leader whose birth session was fixed by a child may fix that of its own parent.
 */
static int plan_births(struct restore *r)
{
	size_t n = r->procs.n; /* stand-ins that are added here have a creator */
	bool changed;
	int ret;

	for (size_t i = 0; i < n; i++) {
		struct rproc *p = r->procs.v[i];

		if (p == r->init || is_leader(p))
			continue;
		if (p->parent->sid == p->sid)
			p->creator = p->parent;
		else if ((ret = plan_foreign(r, p)))
			return ret;
	}
	do {
		changed = false;
		for (size_t i = 0; i < n; i++) {
			struct rproc *p = r->procs.v[i];

			if (p == r->init || p->creator || !p->birth_sid)
				continue;
			changed = true;
			if (p->parent->sid == p->birth_sid)
				p->creator = p->parent;
			else if ((ret = plan_foreign(r, p)))
				return ret;
		}
	} while (changed);
	for (size_t i = 0; i < n; i++)
		if (r->procs.v[i] != r->init && !r->procs.v[i]->creator)
			r->procs.v[i]->creator = r->procs.v[i]->parent;
	return 0;
}

/* Number of pages that a process with @mm would have from a creator with @by. */
static u64 shared_pages(const struct m_mm *mm, const struct m_mm *by)
{
	const struct m_vma *v;
	u64 n = 0, kept;

	for (size_t k = 0; k < mm->vmas.n; k++) {
		v = &mm->vmas.v[k];
		kept = v->nr_pages ? space_kept(v, by) : 0;
		for (size_t i = v->first_page, j = kept ? m_mm_page_at(by, v->start) : 0;
		     i < v->first_page + v->nr_pages && mm->pages.v[i].va < kept; i++) {
			const struct m_page *x = &mm->pages.v[i];

			while (j < by->pages.n && by->pages.v[j].va < x->va)
				j++;
			n += j < by->pages.n && by->pages.v[j].va == x->va &&
			     x->src.kind != M_PAGE_ZERO &&
			     m_page_src_same(&x->src, &by->pages.v[j].src);
		}
	}
	return n;
}

/* Whether making @p by @by would wait for @p itself. */
static bool depends_on(const struct rproc *by, const struct rproc *p)
{
	for (; by; by = by->creator)
		if (by == p)
			return true;
	return false;
}

/* A sibling that shares more memory than the creator does makes the better creator. */
static void plan_sharing(struct restore *r)
{
	struct rproc *p, *s;

	for (size_t i = 0; i < r->procs.n; i++) {
		u64 best, n;

		p = r->procs.v[i];
		if (!p->m || !p->m->mm || p == r->init || p->before_setsid || is_leader(p) ||
		    p->birth == R_BY_HELPER || p->m->exit_signal != 17)
			continue;
		best = p->creator->m && p->creator->m->mm && p->creator != r->init ?
			       shared_pages(p->m->mm, p->creator->m->mm) :
			       0;
		vec_foreach(s, &r->procs) {
			if (s == p || s->parent != p->parent || s->sid != p->birth_sid || !s->m ||
			    !s->m->mm || s->m->exit_signal != 17 || depends_on(s, p))
				continue;
			n = shared_pages(p->m->mm, s->m->mm);
			if (n > best + 16) {
				best = n;
				p->creator = s;
				p->birth = R_BY_SIBLING;
			}
		}
	}
}

/* Every group and session that a process or a terminal is in needs a leader for a while. */
static int plan_groups(struct restore *r)
{
	struct m_tty *tty;
	struct rproc *l;

	for (size_t i = 0, n = r->procs.n; i < n; i++) {
		struct rproc *p = r->procs.v[i];

		if (!p->pgid || plan_find(r, p->pgid))
			continue;
		l = session_member(r, p->sid, r->init);
		if (!l || !stand_in(r, p->pgid, p->sid, l))
			return -ENOMEM;
	}
	vec_foreach(tty, &r->m->ttys) {
		if (!tty->session || !tty->foreground || plan_find(r, tty->foreground))
			continue;
		l = plan_find(r, tty->session);
		if (l && !stand_in(r, tty->foreground, tty->session, l))
			return -ENOMEM;
	}
	return 0;
}

int plan_make(struct restore *r)
{
	struct m_process *m;
	struct rproc *p;
	int ret;

	vec_foreach(m, &r->m->processes) {
		p = proc_new(r, m->pid, m->pgid, m->sid);
		if (!p)
			return -ENOMEM;
		p->m = m;
		p->birth_sid = is_leader(p) ? 0 : p->sid;
		m->restore = p;
		if (m->threads.n)
			r_leader(p)->m = m->threads.v[0];
		if (m->pid == 1)
			r->init = p;
	}
	if (!r->init)
		return r_fail(r, -EINVAL, "the machine has no PID 1");
	vec_foreach(p, &r->procs) {
		if (p == r->init)
			continue;
		p->parent = p->m->parent ? p->m->parent->restore : r->init;
		if (!p->parent)
			return r_fail_pid(r, p->pid, -EINVAL, "its parent %d is not there", p->m->ppid);
	}
	ret = plan_births(r);
	if (!ret)
		ret = plan_groups(r);
	if (!ret)
		plan_sharing(r);
	return ret;
}

void plan_free(struct restore *r)
{
	struct rproc *p;
	struct rtask *t;

	vec_foreach(p, &r->procs) {
		{
			for (size_t i = 0; i < p->tasks.n; i++) {
				t = p->tasks.v[i];
				free(t);
			}
		}
		if (p->mem_fd >= 0)
			close(p->mem_fd);
		if (p->m)
			p->m->restore = NULL;
		vec_free(&p->tasks);
		free(p);
	}
	vec_free(&r->procs);
}
