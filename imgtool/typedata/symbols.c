// SPDX-License-Identifier: GPL-2.0-only
/* The symbols of one kernel and its modules, from its /proc/kallsyms. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "typedata/symbols.h"
#include "util/cleanup.h"

struct sym {
	u64 addr;
	u32 name;	/* offset in text */
	u32 order;	/* place in kallsyms */
};

struct symbols {
	char *text;
	struct sym *by_addr, *by_name;
	size_t n;
};

static int cmp_addr(const void *a, const void *b)
{
	const struct sym *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int cmp_name(const void *a, const void *b, void *text)
{
	const struct sym *x = a, *y = b;
	int r = strcmp((char *)text + x->name, (char *)text + y->name);

	if (r)
		return r;
	return x->order < y->order ? -1 : x->order > y->order;
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	free(s->text);
	free(s->by_addr);
	free(s->by_name);
	free(s);
}

static void cleanup_symbols(struct symbols **s)
{
	symbols_free(*s);
}

/* Lines are "address type name" with "\t[module]" behind the names of modules. */
int symbols_parse(const char *text, size_t len, struct symbols **out, struct ohib_err *err)
{
	_cleanup_(cleanup_symbols) struct symbols *s = calloc(1, sizeof(*s));
	size_t lines = 0, i;
	bool any = false;
	char *p, *end;

	if (!s)
		return ohib_err_set(err, -ENOMEM, "kallsyms: out of memory");
	if (len >= UINT32_MAX)
		return ohib_err_set(err, -EFBIG, "kallsyms: %zu bytes of symbols", len);
	s->text = malloc(len + 1);
	if (!s->text)
		return ohib_err_set(err, -ENOMEM, "kallsyms: out of memory");
	memcpy(s->text, text, len);
	s->text[len] = '\0';
	for (i = 0; i < len; i++)
		lines += s->text[i] == '\n';
	s->by_addr = calloc(lines + 1, sizeof(*s->by_addr));
	s->by_name = calloc(lines + 1, sizeof(*s->by_name));
	if (!s->by_addr || !s->by_name)
		return ohib_err_set(err, -ENOMEM, "kallsyms: out of memory");

	for (p = s->text; p < s->text + len; p = end + 1) {
		char *addr_end, *name, *tab;
		u64 addr;

		end = memchr(p, '\n', s->text + len - p);
		if (!end)
			end = s->text + len;
		*end = '\0';
		addr = strtoull(p, &addr_end, 16);
		if (addr_end == p || addr_end[0] != ' ' || !addr_end[1] || addr_end[2] != ' ')
			continue;
		name = addr_end + 3;
		tab = strchr(name, '\t');
		if (tab)
			*tab = '\0';
		any |= addr != 0;
		if (s->n >= lines + 1)
			break;
		s->by_addr[s->n] = (struct sym){ addr, name - s->text, s->n };
		s->n++;
	}
	if (!any)
		return ohib_err_set(err, -EPERM,
				    "kallsyms: no addresses in it: read it as root, or kptr_restrict is 2");
	memcpy(s->by_name, s->by_addr, s->n * sizeof(*s->by_name));
	qsort(s->by_addr, s->n, sizeof(*s->by_addr), cmp_addr);
	qsort_r(s->by_name, s->n, sizeof(*s->by_name), cmp_name, s->text);
	*out = no_free_ptr(s);
	return 0;
}

u64 symbols_addr(const struct symbols *s, const char *name)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (strcmp(s->text + s->by_name[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == s->n || strcmp(s->text + s->by_name[lo].name, name))
		return 0;
	return s->by_name[lo].addr;
}

static size_t lower_addr(const struct symbols *s, u64 addr)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->by_addr[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const char *symbols_name(const struct symbols *s, u64 addr)
{
	size_t i = lower_addr(s, addr);

	if (i == s->n || s->by_addr[i].addr != addr)
		return NULL;
	return s->text + s->by_addr[i].name;
}

bool symbols_is(const struct symbols *s, u64 addr, const char *name)
{
	size_t i;

	for (i = lower_addr(s, addr); i < s->n && s->by_addr[i].addr == addr; i++)
		if (!strcmp(s->text + s->by_addr[i].name, name))
			return true;
	return false;
}
