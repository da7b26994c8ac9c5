// SPDX-License-Identifier: GPL-2.0-only
/* Reading kernel objects: sticky errors, lists, trees. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "translate/xlate.h"

void x_read(struct xlate *x, u64 kva, void *buf, size_t len, const char *what)
{
	int r = x_failed(x) ? x->err.code : view_read(x->v, kva, buf, len);

	if (r) {
		memset(buf, 0, len);
		ohib_err_pid(&x->err, x->pid, r, "%s at %#llx cannot be read: %s", what,
			     (unsigned long long)kva, strerror(-r));
	}
}

u64 x_u64(struct xlate *x, u64 obj, enum field f)
{
	const struct member_loc *l = &x->f->loc[f];
	u64 v = 0;

	if (!x->f->has[f] || l->size > sizeof(v)) {
		ohib_err_set(&x->err, -ENOENT, "%s.%s: no such field in this kernel",
			     field_rows[f].type, field_rows[f].path);
		return 0;
	}
	x_read(x, obj + l->offset, &v, l->size, field_rows[f].path);
	if (l->bit_size)
		v = v >> l->bit_offset & ((1ull << l->bit_size) - 1);
	return v;
}

s64 x_s64(struct xlate *x, u64 obj, enum field f)
{
	unsigned int unused = 64 - 8 * x->f->loc[f].size;

	return (s64)(x_u64(x, obj, f) << (unused & 63)) >> (unused & 63);
}

void x_bytes(struct xlate *x, u64 obj, enum field f, void *buf, size_t len)
{
	size_t n = x->f->loc[f].size < len ? x->f->loc[f].size : len;

	memset(buf, 0, len);
	x_read(x, x_addr(x, obj, f), buf, n, field_rows[f].path);
}

char *x_str(struct xlate *x, u64 kva, size_t max)
{
	char buf[4097];
	char *s;
	int r;

	if (max > sizeof(buf))
		max = sizeof(buf);
	if (x_failed(x))
		return NULL;
	r = view_read_str(x->v, kva, buf, max);
	if (r) {
		ohib_err_pid(&x->err, x->pid, r, "string at %#llx cannot be read: %s",
			     (unsigned long long)kva, strerror(-r));
		return NULL;
	}
	s = arena_strdup(x->m->arena, buf);
	if (!s)
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	return s;
}

u64 x_sym(struct xlate *x, const char *name)
{
	u64 addr = symbols_addr(x->syms, name);

	if (!addr)
		ohib_err_set(&x->err, -ENOENT, "symbol %s: not in this kernel", name);
	return addr;
}

void *x_alloc(struct xlate *x, size_t size)
{
	void *p = arena_alloc(x->m->arena, size);

	if (!p)
		ohib_err_set(&x->err, -ENOMEM, "out of memory");
	return p;
}

static int endless(struct xlate *x, u64 head)
{
	return ohib_err_pid(&x->err, x->pid, -ELOOP, "list at %#llx has no end",
			    (unsigned long long)head);
}

bool x_again(u32 n, u64 node, u64 *mark)
{
	if (n > X_LIST_MAX || (n > 1 && node == *mark))
		return true;
	if (!(n & (n - 1)))
		*mark = node;
	return false;
}

int x_list(struct xlate *x, u64 head, int (*fn)(struct xlate *x, u64 node, void *arg), void *arg)
{
	u64 node = x_u64(x, head, F_LIST_NEXT), next, mark = 0;
	u32 n;
	int r;

	for (n = 1; node != head && !x_failed(x); n++) {
		if (x_again(n, node, &mark))
			return endless(x, head);
		next = x_u64(x, node, F_LIST_NEXT);
		r = fn(x, node, arg);
		if (r)
			return r;
		node = next;
	}
	return x->err.code;
}

int x_hlist(struct xlate *x, u64 head, int (*fn)(struct xlate *x, u64 node, void *arg), void *arg)
{
	u64 node = x_u64(x, head, F_HLIST_FIRST), next, mark = 0;
	u32 n;
	int r;

	for (n = 1; node && !x_failed(x); n++) {
		if (x_again(n, node, &mark))
			return endless(x, head);
		next = x_u64(x, node, F_HNODE_NEXT);
		r = fn(x, node, arg);
		if (r)
			return r;
		node = next;
	}
	return x->err.code;
}

static int rb_walk(struct xlate *x, u64 node, u32 depth, u32 *left,
		   int (*fn)(struct xlate *x, u64 node, void *arg), void *arg)
{
	int r;

	if (!node || x_failed(x))
		return x->err.code;
	if (depth > 64 || !(*left)--)
		return endless(x, node);
	r = rb_walk(x, x_u64(x, node, F_RB_LEFT), depth + 1, left, fn, arg);
	if (!r)
		r = fn(x, node, arg);
	if (!r)
		r = rb_walk(x, x_u64(x, node, F_RB_RIGHT), depth + 1, left, fn, arg);
	return r;
}

int x_rbtree(struct xlate *x, u64 root, int (*fn)(struct xlate *x, u64 node, void *arg), void *arg)
{
	u32 left = X_LIST_MAX;

	return rb_walk(x, root, 0, &left, fn, arg);
}

void x_object(struct xlate *x, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(x->object, sizeof(x->object), fmt, ap);
	va_end(ap);
}

void x_refuse(struct xlate *x, const char *reason_fmt, ...)
{
	char reason[240];
	va_list ap;

	va_start(ap, reason_fmt);
	vsnprintf(reason, sizeof(reason), reason_fmt, ap);
	va_end(ap);
	refuse(&x->m->refusals, x->pid, x->comm, x->object, "%s", reason);
}

/* Kernel dev_t is 12 bits of major and 20 of minor; user space's makedev() spreads them. */
u64 xlate_dev(u64 kernel_dev)
{
	u64 major = kernel_dev >> 20, minor = kernel_dev & 0xfffff;

	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffull) << 12;
}
