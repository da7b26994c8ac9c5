// SPDX-License-Identifier: GPL-2.0-only
/* A live pid namespace as a machine: processes and threads. See scrape.h. */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "scrape_priv.h"

static char *slurp(const char *path)
{
	size_t cap = 1 << 16, n = 0;
	char *buf = malloc(cap);
	FILE *f = fopen(path, "re");

	if (!f) {
		free(buf);
		return NULL;
	}
	while ((n += fread(buf + n, 1, cap - n - 1, f)) == cap - 1)
		buf = realloc(buf, cap *= 2);
	buf[n] = '\0';
	fclose(f);
	return buf;
}

char *proc_text(pid_t pid, const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return slurp(path);
}

static const char *line_of(const char *text, const char *key)
{
	const char *p = strstr(text, key);

	return p ? p + strlen(key) : "";
}

/* The last number of a line: the one in the innermost namespace. */
static pid_t last_num(const char *text, const char *key)
{
	char line[256], *p;

	snprintf(line, sizeof(line), "%s", line_of(text, key));
	line[strcspn(line, "\n")] = '\0';
	p = strrchr(line, '\t');
	return atoi(p ? p + 1 : line);
}

static u64 hex(const char *text, const char *key)
{
	return strtoull(line_of(text, key), NULL, 16);
}

struct m_process *inner_of(struct scrape *s, pid_t outer)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->procs[i].outer == outer)
			return s->procs[i].p;
	return NULL;
}

static struct m_cred *read_cred(struct scrape *s, const char *st)
{
	struct m_cred *c = arena_new(s->m->arena, struct m_cred);
	const char *p;
	char *end;

	sscanf(line_of(st, "\nUid:"), "%u %u %u %u", &c->uid, &c->euid, &c->suid, &c->fsuid);
	sscanf(line_of(st, "\nGid:"), "%u %u %u %u", &c->gid, &c->egid, &c->sgid, &c->fsgid);
	c->groups = arena_alloc(s->m->arena, 64 * sizeof(u32));
	for (p = line_of(st, "\nGroups:"); c->nr_groups < 64; p = end) {
		u32 g = (u32)strtoul(p, &end, 10);

		if (end == p || memchr(p, '\n', (size_t)(end - p)))
			break;
		c->groups[c->nr_groups++] = g;
	}
	c->cap_inheritable = hex(st, "\nCapInh:");
	c->cap_permitted = hex(st, "\nCapPrm:");
	c->cap_effective = hex(st, "\nCapEff:");
	c->cap_bset = hex(st, "\nCapBnd:");
	c->cap_ambient = hex(st, "\nCapAmb:");
	return c;
}

static void read_pending(pid_t outer, struct m_pending *to, u32 flags)
{
	struct {
		u64 off;
		u32 flags;
		s32 nr;
	} args = { 0, flags, 1 };
	struct m_siginfo si = { 0 };

	for (; ptrace(PTRACE_PEEKSIGINFO, outer, &args, si.raw) == 1; args.off++)
		vec_push(&to->queue, si);
}

struct rseq_conf {
	u64 addr;
	u32 size, signature, flags, pad;
};

/*
 * Our interruption has ended a call that a freeze would have left sleeping: tell it as the image of
 * a kernel would that freezes it inside.
 */
static void as_if_inside(struct m_thread *t, struct rtask *rt)
{
	struct timespec ts = { 0 };
	u64 va = 0;

	if ((s64)t->regs.rax != -EINTR)
		return;
	switch (t->regs.orig_rax) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		if ((s32)t->regs.r10 > 0)
			t->sleep = (struct m_sleep){ true, t->regs.r10 * 1000000, 0, 0 };
		break;
	case SYS_rt_sigtimedwait:
		va = t->regs.rdx;
		break;
	case SYS_semtimedop:
		va = t->regs.r10;
		break;
	default:
		return;
	}
	if (va && !remote_read(rt, va, &ts, sizeof(ts)))
		t->sleep = (struct m_sleep){ true, (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec, 0, 0 };
	t->entry = M_ENTRY_INSIDE;
	t->regs.rax = (u64)-ENOSYS;
}

static int read_thread(struct scrape *s, struct m_process *p, pid_t outer, struct rtask *rt,
		       struct ohib_err *e)
{
	struct m_thread *t = arena_new(s->m->arena, struct m_thread);
	struct rseq_conf rc = { 0 };
	u8 xs[16384];
	struct iovec iov = { xs, sizeof(xs) };
	char *st, name[64];
	size_t len = 0;
	int ret;

	rt->tid = outer;
	ret = remote_seize(rt, e);
	if (ret)
		return ret;
	snprintf(name, sizeof(name), "task/%d/status", outer);
	st = proc_text(outer, name);
	t->tid = last_num(st, "\nNSpid:");
	sscanf(st, "Name:\t%15[^\n]", t->comm);
	t->regs = rt->regs;
	t->entry = (s64)t->regs.orig_rax >= 0 ? M_ENTRY_RESTART : M_ENTRY_USER;
	if (t->entry == M_ENTRY_RESTART && ((s64)t->regs.rax > -512 || (s64)t->regs.rax < -516))
		t->entry = M_ENTRY_USER;
	as_if_inside(t, rt);
	ptrace(PTRACE_GETREGSET, outer, NT_X86_XSTATE, &iov);
	t->xsave = arena_memdup(s->m->arena, xs, iov.iov_len);
	t->xsave_len = iov.iov_len;
	ptrace(PTRACE_GETSIGMASK, outer, 8, &t->sigmask);
	if (ptrace(0x420f, outer, sizeof(rc), &rc) > 0) {
		t->rseq = rc.addr;
		t->rseq_len = rc.size;
		t->rseq_sig = rc.signature;
	}
	syscall(SYS_get_robust_list, outer, &t->robust_list, &len);
	t->cred = read_cred(s, st);
	read_pending(outer, &t->pending, 0);
	if (t->tid == p->pid)
		read_pending(outer, &p->pending, 1);
	t->no_new_privs = atoi(line_of(st, "\nNoNewPrivs:"));
	sched_getaffinity(outer, sizeof(t->cpus_allowed), (cpu_set_t *)t->cpus_allowed);
	t->policy = (u32)sched_getscheduler(outer);
	t->nice = getpriority(PRIO_PROCESS, (id_t)outer);
	if (t->entry == M_ENTRY_RESTART && (s64)t->regs.rax == -516) {
		struct timespec ts = { 0 };
		u64 va = t->regs.orig_rax == SYS_nanosleep ? t->regs.rdi :
			 t->regs.orig_rax == SYS_clock_nanosleep ? t->regs.rdx :
			 t->regs.orig_rax == SYS_futex ? t->regs.r10 : 0;

		if (va && !remote_read(rt, va, &ts, sizeof(ts)))
			t->sleep = (struct m_sleep){ true, (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec, 0, 0 };
		else if (t->regs.orig_rax == SYS_poll && (s32)t->regs.rdx > 0)
			t->sleep = (struct m_sleep){ true, t->regs.rdx * 1000000, 0, 0 };
	}
	free(st);
	return vec_push(&p->threads, t);
}

/* @st: its status, which this frees */
static int read_process(struct scrape *s, struct sproc *sp, char *st, struct ohib_err *e)
{
	struct m_process *p = sp->p;
	char path[64], *stat, *c;
	struct dirent *d;
	int ppid, ret = 0;
	char state;
	DIR *dir;

	p->pid = last_num(st, "\nNSpid:");
	p->pgid = last_num(st, "\nNSpgid:");
	p->sid = last_num(st, "\nNSsid:");
	p->umask = (u32)strtoul(line_of(st, "\nUmask:"), NULL, 8);
	p->exit_signal = SIGCHLD;
	sscanf(st, "Name:\t%15[^\n]", p->comm);
	stat = proc_text(sp->outer, "stat");
	c = strrchr(stat, ')');
	sscanf(c + 1, " %c %d", &state, &ppid);
	p->zombie = state == 'Z';
	p->stopped = state == 'T';
	p->stop_signal = SIGSTOP;
	sp->ppid = ppid;
	if (p->zombie) {
		/* exit_code is the last but one: field 52 */
		p->exit_code = atoi(strrchr(stat, ' ') + 1);
		struct m_thread *t = arena_new(s->m->arena, struct m_thread);

		t->tid = p->pid;
		memcpy(t->comm, p->comm, 16);
		p->cred = read_cred(s, st);
		ret = vec_push(&p->threads, t);
	}
	free(st);
	free(stat);
	if (p->zombie)
		return ret;
	snprintf(path, sizeof(path), "/proc/%d/task", sp->outer);
	dir = opendir(path);
	while (!ret && (d = readdir(dir)))
		if (d->d_name[0] != '.') {
			struct rtask *rt = calloc(1, sizeof(*rt));

			ret = read_thread(s, p, atoi(d->d_name), rt, e);
			if (!sp->t)
				sp->t = rt;
		}
	closedir(dir);
	for (int i = 0; i < 16; i++) {
		struct rlimit64 l;

		prlimit64(sp->outer, (enum __rlimit_resource)i, NULL, &l);
		p->rlimits[i].cur = l.rlim_cur;
		p->rlimits[i].max = l.rlim_max;
	}
	return ret;
}

/* What only the process itself can tell; its memory was read before. */
static void ask_process(struct scrape *s, struct sproc *sp)
{
	struct rtask *t = sp->t;
	struct m_process *p = sp->p;
	u64 all = ~0ull;

	(void)s;
	ptrace(PTRACE_SETSIGMASK, t->tid, 8, &all);
	t->insn = scrape_find_insn(t);
	t->scratch = (u64)remote_syscall(t, SYS_mmap, 0, REMOTE_SCRATCH_LEN, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p->mm->brk = (u64)remote_syscall(t, SYS_brk, 0);
	for (int sig = 1; sig <= M_NSIG; sig++) {
		remote_syscall(t, SYS_rt_sigaction, sig, 0, t->scratch, 8);
		remote_read(t, t->scratch, &p->actions[sig - 1], sizeof(struct m_sigaction));
	}
	for (int i = 0; i < 3; i++) {
		struct {
			s64 is, iu, vs, vu;
		} it;

		remote_syscall(t, SYS_getitimer, i, t->scratch);
		remote_read(t, t->scratch, &it, sizeof(it));
		p->itimers[i].value_ns = (u64)it.vs * NSEC_PER_SEC + (u64)it.vu * 1000;
		p->itimers[i].interval_ns = (u64)it.is * NSEC_PER_SEC + (u64)it.iu * 1000;
	}
	remote_syscall(t, SYS_sigaltstack, 0, t->scratch);
	{
		struct {
			u64 sp;
			s32 flags, pad;
			u64 size;
		} ss;

		remote_read(t, t->scratch, &ss, sizeof(ss));
		if (!(ss.flags & 2)) {
			p->threads.v[0]->altstack_sp = ss.sp;
			p->threads.v[0]->altstack_size = ss.size;
		}
	}
}

int scrape(pid_t init, struct machine *m, struct ohib_err *e)
{
	struct scrape s = { .m = m };
	char want[64], have[64], path[64];
	struct dirent *d;
	DIR *dir;
	int ret = 0;

	scrape_mm_reset();
	scrape_files_reset();
	scrape_sock_reset();
	memset(m, 0, sizeof(*m));
	m->arena = arena_create();
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", init);
	memset(want, 0, sizeof(want));
	if (readlink(path, want, sizeof(want) - 1) < 0)
		return ohib_err_set(e, -errno, "no namespace");
	dir = opendir("/proc");
	while ((d = readdir(dir)) && s.n < SCRAPE_MAX) {
		memset(have, 0, sizeof(have));
		snprintf(path, sizeof(path), "/proc/%.16s/ns/pid", d->d_name);
		if (atoi(d->d_name) <= 0)
			continue;
		if (readlink(path, have, sizeof(have) - 1) < 0 || !have[0]) {
			/* a zombie has no namespace link: by its parent, later */
			char *st = proc_text(atoi(d->d_name), "status");

			if (st && strstr(st, "State:\tZ") && strchr(line_of(st, "\nNSpid:") + 1, '\t') &&
			    strchr(line_of(st, "\nNSpid:") + 1, '\t') < strstr(st, "\nNSpgid")) {
				s.procs[s.n].outer = atoi(d->d_name);
				s.procs[s.n++].p = arena_new(m->arena, struct m_process);
			}
			free(st);
			continue;
		}
		if (strcmp(want, have))
			continue;
		s.procs[s.n].outer = atoi(d->d_name);
		s.procs[s.n++].p = arena_new(m->arena, struct m_process);
	}
	closedir(dir);
	for (size_t i = 0; !ret && i < s.n;) {
		char *st = proc_text(s.procs[i].outer, "status");

		if (st)
			ret = read_process(&s, &s.procs[i++], st, e);
		else /* a zombie that its parent has waited for: the reloader's, as a rule */
			memmove(&s.procs[i], &s.procs[i + 1], (--s.n - i) * sizeof(s.procs[0]));
	}
	for (size_t i = 0; !ret && i < s.n; i++) {
		struct m_process *p = s.procs[i].p;

		p->parent = inner_of(&s, s.procs[i].ppid);
		p->ppid = p->parent ? p->parent->pid : 0;
		if (p->pid == 1)
			m->init = p;
		vec_push(&m->processes, p);
		if (!p->zombie)
			ret = scrape_mm(&s, &s.procs[i], e);
	}
	for (size_t i = 0; !ret && i < s.n; i++)
		if (!s.procs[i].p->zombie)
			ask_process(&s, &s.procs[i]);
	for (size_t i = 0; !ret && i < s.n; i++)
		if (!s.procs[i].p->zombie)
			ret = scrape_files(&s, &s.procs[i], e);
	scrape_sock_peers(&s);
	return ret;
}
