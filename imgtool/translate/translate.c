// SPDX-License-Identifier: GPL-2.0-only
/* A kernel opened as data, and the machine read out of it. */
#include <errno.h>
#include <malloc.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "ghost/ghost.h"
#include "image/image.h"
#include "translate/translate.h"
#include "swap/swap.h"
#include "translate/xlate.h"
#include "util/cleanup.h"
#include "util/file.h"

void kernel_data_close(struct kernel_data *k)
{
	if (!k)
		return;
	view_close(k->view);
	symbols_free(k->syms);
	typedata_free(k->types);
	free(k->vmcoreinfo);
	free(k);
}

void kernel_data_shed(struct kernel_data *k)
{
	symbols_free(k->syms);
	typedata_free(k->types);
	k->syms = NULL;
	k->types = NULL;
	malloc_trim(0);
}

static void cleanup_kernel_data(struct kernel_data **k)
{
	kernel_data_close(*k);
}

static int parse(struct kernel_data *k, const void *syms, size_t syms_len, const void *btf,
		 size_t btf_len, struct ohib_err *err)
{
	int r = symbols_parse(syms, syms_len, &k->syms, err);

	if (!r)
		r = typedata_parse(btf, btf_len, &k->types, err);
	if (!r)
		r = fields_resolve(k->types, &k->fields, NULL, 0, err);
	return r;
}

int kernel_data_open_image(struct ohib_image *img, struct kernel_data **out, struct ohib_err *err)
{
	_cleanup_(cleanup_kernel_data) struct kernel_data *k = calloc(1, sizeof(*k));
	_cleanup_free_ void *syms = NULL, *btf = NULL, *vmci = NULL;
	size_t syms_len, btf_len, vmci_len;
	int r;

	if (!k)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	r = ohib_image_section(img, OHIB_SEC_KALLSYMS, &syms, &syms_len, err);
	if (!r)
		r = ohib_image_section(img, OHIB_SEC_BTF, &btf, &btf_len, err);
	if (!r)
		r = ohib_image_section(img, OHIB_SEC_VMCOREINFO, &vmci, &vmci_len, err);
	if (!r)
		r = parse(k, syms, syms_len, btf, btf_len, err);
	if (r)
		return r;
	k->vmcoreinfo = strndup(vmci, vmci_len);
	if (!k->vmcoreinfo)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	r = view_open_image(img, k->syms, k->vmcoreinfo, k->fields.size[T_PAGE], &k->view, err);
	if (r)
		return r;
	*out = no_free_ptr(k);
	return 0;
}

static int read_file(const char *path, char **data, size_t *len, struct ohib_err *err)
{
	int r = file_read_all(path, data, len);

	return r ? ohib_err_set(err, r, "%s: %s", path, strerror(-r)) : 0;
}

int kernel_data_open_live(struct kernel_data **out, struct ohib_err *err)
{
	_cleanup_(cleanup_kernel_data) struct kernel_data *k = calloc(1, sizeof(*k));
	_cleanup_free_ char *syms = NULL, *btf = NULL;
	size_t syms_len, btf_len;
	int r;

	if (!k)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	r = read_file("/proc/kallsyms", &syms, &syms_len, err);
	if (!r)
		r = read_file("/sys/kernel/btf/vmlinux", &btf, &btf_len, err);
	if (!r)
		r = parse(k, syms, syms_len, btf, btf_len, err);
	if (!r)
		r = view_live_vmcoreinfo(&k->vmcoreinfo, err);
	if (!r)
		r = view_open_live(k->syms, k->vmcoreinfo, k->fields.size[T_PAGE], &k->view, err);
	if (r)
		return r;
	*out = no_free_ptr(k);
	return 0;
}

struct page_reader {
	struct view *v;
	struct machine *m;
};

static int read_page(void *arg, const struct m_page_src *src, void *buf)
{
	struct page_reader *p = arg;
	int r;

	switch (src->kind) {
	case M_PAGE_ZERO:
		memset(buf, 0, OHIB_PAGE_SIZE);
		return 0;
	case M_PAGE_PFN:
		return view_read_pfn(p->v, src->where, buf);
	case M_PAGE_SWAP:
		r = p->m->swap ? 0 : swap_reader_create(&p->m->system, p->m->swap_key, &p->m->swap);
		return r ? r : swap_read(p->m->swap, src->swap_type, src->where, buf, NULL);
	}
	return -EINVAL;
}

/* PID 1's task: the second on the list of all tasks, whatever kernel threads follow. */
static void find_init(struct xlate *x)
{
	u64 swapper = x_sym(x, "init_task");
	u64 node = x_failed(x) ? 0 : x_u64(x, x_addr(x, swapper, F_TASK_TASKS), F_LIST_NEXT);
	u64 task = x_container(x, node, F_TASK_TASKS);

	if (!x_failed(x) && x_u64(x, task, F_TASK_PID) != 1)
		ohib_err_set(&x->err, -ENOENT, "the first task in this memory is not PID 1");
	x->init_task = task;
}

static void free_xlate(struct xlate *x)
{
	struct map *const maps[] = {
		&x->mms, &x->fdtables, &x->files, &x->paths, &x->creds, &x->mounts, &x->sbs,
		&x->shmems, &x->ttys, &x->pipes, &x->socks, &x->inodes, &x->processes, &x->threads,
		&x->sleepers, &x->fs_structs, &x->ghosts,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(maps); i++)
		map_free(maps[i]);
}

static void initial_mounts(struct xlate *x)
{
	xlate_mounts(x, x_u64(x, x_u64(x, x->init_task, F_TASK_NSPROXY), F_NS_MNT));
	if (x->opts->mountinfo)
		xlate_mountinfo(x, x->opts->mountinfo);
	if (x->opts->filesystems)
		xlate_fs_identities(x, x->opts->filesystems);
}

static void swaps(struct xlate *x)
{
	xlate_swaps(x);
	if (x->opts->swaps)
		swap_areas_apply(&x->m->system, x->opts->swaps);
}

static void sleeps(struct xlate *x)
{
	if (!x->live)
		xlate_sleeps(x);
}

/* In this order: each needs what is before it. */
static void (*const passes[])(struct xlate *x) = {
	xlate_system,
	xlate_clocks,
	initial_mounts,
	swaps,
	sleeps,
	xlate_tasks,
	xlate_ptracers,
	xlate_keys,
	xlate_security,
	xlate_sysvipc,
	xlate_sock_links,
	xlate_receives,
	xlate_lock_owners,
	xlate_unheld_files,
	xlate_memory_fs,
	xlate_kernel_fs,
};

int machine_translate(struct kernel_data *k, const struct translate_opts *o, struct machine **out,
		      struct ohib_err *err)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct xlate x = {
		.v = k->view,
		.syms = k->syms,
		.f = &k->fields,
		.m = m,
		.live = view_is_live(k->view) && !o->frozen,
		.no_pages = o->no_pages,
		.regs_pad = ~0ull,
		.opts = o,
	};
	size_t i;

	struct page_reader *pages;

	if (m)
		m->arena = arena_create();
	pages = m && m->arena ? arena_new(m->arena, struct page_reader) : NULL;
	if (!pages) {
		machine_free(m);
		return ohib_err_set(err, -ENOMEM, "out of memory");
	}
	m->read_page = read_page;
	m->read_page_arg = pages;
	*pages = (struct page_reader){ k->view, m };
	m->system.tool_pid = o->tool_pid;
	m->system.tool_woken_va = o->tool_woken_va;
	m->system.realtime_ns = o->realtime_ns;
	m->system.monotonic_ns = o->monotonic_ns;
	m->system.boottime_ns = o->boottime_ns;

	find_init(&x);
	for (i = 0; i < ARRAY_SIZE(passes) && !x_failed(&x); i++)
		passes[i](&x);
	free_xlate(&x);
	if (x_failed(&x)) {
		if (err && !err->code)
			*err = x.err;
		machine_free(m);
		return x.err.code;
	}
	*out = m;
	return 0;
}

static u64 json_u64(struct json_object *root, const char *key)
{
	struct json_object *o;

	return json_object_object_get_ex(root, key, &o) ? json_object_get_uint64(o) : 0;
}

/* What the machine needs and memory does not hold: deleted files' contents, swapped-out pages. */
static int check_beside_memory(struct ohib_image *img, struct machine *m, bool no_pages,
			       struct ohib_err *err)
{
	struct ohib_err own = { 0 };
	struct ghosts *g;
	int r = ghosts_from_image(img, &g, err);

	if (r)
		return r;
	ghosts_check(g, m);
	ghosts_free(g);
	r = ohib_image_section_secret(img, OHIB_SEC_SWAP_KEY, &m->swap_key, &own);
	if (r && r != -ENODATA)
		return ohib_err_set(err, r, "%s", own.msg);
	if (!no_pages)
		swap_areas_check(m);
	return 0;
}

int machine_from_image(struct ohib_image *img, struct kernel_data *k, bool no_pages,
		       struct machine **out, struct ohib_err *err)
{
	_cleanup_free_ char *text = NULL;
	struct translate_opts o = { .no_pages = no_pages };
	struct machine *m = NULL;
	struct json_object *root;
	size_t len;
	int r;

	r = ohib_image_section(img, OHIB_SEC_CONFIG, (void **)&text, &len, err);
	if (r)
		return r;
	text = realloc(text, len + 1);
	if (!text)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	text[len] = '\0';
	root = json_tokener_parse(text);
	if (!root)
		return ohib_err_set(err, -EBADMSG, "the image's configuration section is not JSON");
	o.tool_pid = json_u64(root, "tool_pid");
	o.tool_woken_va = json_u64(root, "tool_woken");
	o.realtime_ns = json_u64(root, "realtime_ns");
	o.monotonic_ns = json_u64(root, "monotonic_ns");
	o.boottime_ns = json_u64(root, "boottime_ns");
	o.swaps = json_object_object_get(root, "swap_areas");
	o.filesystems = json_object_object_get(root, "filesystems");
	o.mountinfo = json_object_get_string(json_object_object_get(root, "mountinfo"));
	r = machine_translate(k, &o, &m, err);
	json_object_put(root);
	if (!r)
		r = check_beside_memory(img, m, no_pages, err);
	if (r) {
		machine_free(m);
		return r;
	}
	*out = m;
	return 0;
}

static void free_process(struct m_process *p)
{
	struct m_thread *t;

	vec_foreach(t, &p->threads)
		vec_free(&t->pending.queue);
	vec_free(&p->threads);
	vec_free(&p->pending.queue);
	vec_free(&p->timers);
}

static void free_file(struct m_file *f)
{
	vec_free(&f->locks);
	if (f->kind == M_FILE_EPOLL && f->epoll)
		vec_free(&f->epoll->items);
	if (f->kind == M_FILE_INOTIFY && f->inotify) {
		vec_free(&f->inotify->watches);
		vec_free(&f->inotify->events);
	}
}

static void free_sock(struct m_sock *s)
{
	size_t i;

	for (i = 0; i < s->receive.n; i++)
		vec_free(&s->receive.v[i].fds);
	vec_free(&s->receive);
	vec_free(&s->pending);
	vec_free(&s->nl_generic);
}

void machine_free(struct machine *m)
{
	struct m_process *p;
	struct m_mm *mm;
	struct m_fdtable *t;
	struct m_shmem *s;
	struct m_file *f;
	struct m_pipe *pipe;
	struct m_sock *sock;
	struct m_tty *tty;

	if (!m)
		return;
	vec_foreach(p, &m->processes)
		free_process(p);
	vec_foreach(mm, &m->mms) {
		vec_free(&mm->vmas);
		vec_free(&mm->pages);
	}
	vec_foreach(t, &m->fdtables)
		vec_free(&t->fds);
	vec_foreach(f, &m->files)
		free_file(f);
	vec_foreach(s, &m->shmems)
		vec_free(&s->pages);
	vec_foreach(sock, &m->socks)
		free_sock(sock);
	vec_foreach(pipe, &m->pipes)
		vec_free(&pipe->bufs);
	vec_foreach(tty, &m->ttys)
		vec_free(&tty->to_slave_lines);
	vec_free(&m->processes);
	vec_free(&m->mms);
	vec_free(&m->fdtables);
	vec_free(&m->files);
	vec_free(&m->shmems);
	vec_free(&m->superblocks);
	vec_free(&m->mounts);
	vec_free(&m->ttys);
	vec_free(&m->pipes);
	vec_free(&m->socks);
	vec_free(&m->sysv_shms);
	swap_forget(m);
	for (size_t i = 0; i < m->system.swaps.n; i++)
		vec_free(&m->system.swaps.v[i].extents);
	vec_free(&m->system.swaps);
	refusals_free(&m->refusals);
	arena_destroy(m->arena);
	free(m);
}
