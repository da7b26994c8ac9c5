// SPDX-License-Identifier: GPL-2.0-only
/* Rows of processes, refusals and fields. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "report/report.h"

char report_state(const struct m_process *p)
{
	if (p->zombie)
		return 'Z';
	if (p->stopped)
		return 'T';
	if (p->threads.n && p->threads.v[0]->entry == M_ENTRY_USER)
		return 'R';
	return 'S';
}

/* Private page of @mm at @va. */
static const struct m_page *find_page(const struct m_mm *mm, u64 va)
{
	size_t at = m_mm_page_at(mm, va);

	return at < mm->pages.n && mm->pages.v[at].va == va ? &mm->pages.v[at] : NULL;
}

void report_cmdline(const struct machine *m, const struct m_process *p, char *buf, size_t size)
{
	u64 va = p->mm ? p->mm->arg_start : 0, end = p->mm ? p->mm->arg_end : 0;
	size_t n = 0;

	while (va < end && n + 1 < size) {
		const struct m_page *page = find_page(p->mm, va & OHIB_PAGE_MASK);
		u64 off = va & (OHIB_PAGE_SIZE - 1), len = OHIB_PAGE_SIZE - off;
		u8 data[OHIB_PAGE_SIZE];

		if (!page || m->read_page(m->read_page_arg, &page->src, data))
			break;
		if (len > end - va)
			len = end - va;
		if (len > size - 1 - n)
			len = size - 1 - n;
		memcpy(buf + n, data + off, len);
		n += len;
		va += len;
	}
	while (n && !buf[n - 1])
		n--;
	for (size_t i = 0; i < n; i++)
		if (buf[i] < ' ')
			buf[i] = ' ';
	buf[n] = '\0';
	if (!n)
		snprintf(buf, size, "[%s]", p->comm);
}

static void add_int(struct json_object *o, const char *key, s64 v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

static void add_str(struct json_object *o, const char *key, const char *v)
{
	json_object_object_add(o, key, v ? json_object_new_string(v) : NULL);
}

struct json_object *report_processes(const struct machine *m)
{
	struct json_object *rows = json_object_new_array();
	struct m_process *p;
	char cmd[4096], state[2] = "";

	if (!rows)
		return NULL;
	vec_foreach(p, &m->processes) {
		struct json_object *o = json_object_new_object();

		state[0] = report_state(p);
		report_cmdline(m, p, cmd, sizeof(cmd));
		add_int(o, "pid", p->pid);
		add_int(o, "ppid", p->ppid);
		add_int(o, "pgid", p->pgid);
		add_int(o, "sid", p->sid);
		add_str(o, "state", state);
		add_int(o, "uid", p->threads.n && p->threads.v[0]->cred ?
					  p->threads.v[0]->cred->euid : 0);
		add_int(o, "threads", p->threads.n);
		add_str(o, "tty", p->ctty ? p->ctty->name : NULL);
		add_int(o, "private_bytes", p->mm ? (s64)(p->mm->pages.n * OHIB_PAGE_SIZE) : 0);
		add_int(o, "descriptors", p->fdtable ? (s64)p->fdtable->fds.n : 0);
		add_str(o, "comm", p->comm);
		add_str(o, "exe", p->mm && p->mm->exe && p->mm->exe->path ? p->mm->exe->path->path :
									    NULL);
		add_str(o, "command", cmd);
		json_object_array_add(rows, o);
	}
	return rows;
}

struct json_object *report_refusals(const struct machine *m)
{
	struct json_object *rows = json_object_new_array();
	struct refusal *r;

	if (!rows)
		return NULL;
	vec_foreach(r, &m->refusals.list) {
		struct json_object *o = json_object_new_object();

		add_int(o, "pid", r->pid);
		add_str(o, "comm", r->comm);
		add_str(o, "object", r->object);
		add_str(o, "reason", r->reason);
		json_object_array_add(rows, o);
	}
	return rows;
}

static struct json_object *location(const struct fields *f, size_t i)
{
	struct json_object *o;

	if (!f || !f->has[i])
		return NULL;
	o = json_object_new_object();
	add_int(o, "offset", f->loc[i].offset);
	add_int(o, "size", f->loc[i].size);
	if (f->loc[i].bit_size) {
		add_int(o, "bit", f->loc[i].bit_offset);
		add_int(o, "bits", f->loc[i].bit_size);
	}
	return o;
}

struct json_object *report_tables(const struct fields *old, const struct fields *new)
{
	struct json_object *rows = json_object_new_array();
	size_t i;

	if (!rows)
		return NULL;
	for (i = 0; i < NR_FIELDS; i++) {
		struct json_object *o = json_object_new_object();

		add_str(o, "field", field_rows[i].id);
		add_str(o, "type", field_rows[i].type);
		add_str(o, "member", field_rows[i].path);
		json_object_object_add(o, "optional", json_object_new_boolean(field_rows[i].optional));
		json_object_object_add(o, "old", location(old, i));
		if (new)
			json_object_object_add(o, "new", location(new, i));
		json_object_array_add(rows, o);
	}
	return rows;
}
