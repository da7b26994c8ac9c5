// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sysctls that somebody changed: those whose value is not what the kernel had before user space
 * touched it, which every boot writes down early (config_baseline).
 *
 *	sysctl: {
 *	  changed: {name: value}	differ from the record
 *	  unknown: {name: value}	not in the record: they came later, with a module or an interface
 *	}
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "config/parts.h"
#include "util/cleanup.h"

#define SYS "/proc/sys"
#define BOOT_ID SYS "/kernel/random/boot_id"

static void make_parents(const char *path)
{
	char dir[4096];

	if (snprintf(dir, sizeof(dir), "%s", path) >= (int)sizeof(dir))
		return;
	for (char *p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(dir, 0755);
		*p = '/';
	}
}

static int baseline_take(char **data, size_t *len)
{
	_cleanup_(sysctls_free) struct sysctls s = { 0 };
	char boot_id[64];
	int r = text_line(BOOT_ID, boot_id, sizeof(boot_id));

	if (!r)
		r = sysctls_read(&s, SYS);
	return r ? r : sysctls_format(&s, boot_id, data, len);
}

int config_baseline(const char *path, struct ohib_err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r = baseline_take(&data, &len);

	if (!path)
		path = CONFIG_BASELINE;
	if (!r) {
		make_parents(path);
		r = text_replace(path, data, len);
	}
	return r ? ohib_err_set(err, r, "%s: %s", path, strerror(-r)) : 0;
}

/* This boot's record. -ENOENT: there is none, or it is of another boot (carried over a switch). */
static int baseline_load(struct sysctls *s, char **data, size_t *len)
{
	char boot_id[64], now[64];
	ssize_t n = text_read(CONFIG_BASELINE, data);
	int r;

	if (n < 0)
		return -ENOENT;
	*len = (size_t)n;
	r = sysctls_parse(s, boot_id, *data, *len);
	if (!r)
		r = text_line(BOOT_ID, now, sizeof(now));
	if (r || strcmp(boot_id, now)) {
		sysctls_free(s);
		return r == -ENOMEM ? r : -ENOENT;
	}
	return 0;
}

struct split {
	struct sysctls now, base;
	bool has_base;
};

static void split_free(struct split *s)
{
	sysctls_free(&s->now);
	sysctls_free(&s->base);
}

static int split_read(struct split *s)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r = baseline_load(&s->base, &data, &len);

	if (r && r != -ENOENT)
		return r;
	s->has_base = !r;
	return sysctls_read(&s->now, SYS);
}

enum standing { UNCHANGED, CHANGED, UNKNOWN };

static enum standing standing(const struct split *s, const struct sysctl *c)
{
	const struct sysctl *was = sysctls_find(&s->base, c->name);

	if (sysctl_class(c->name) == SYSCTL_STATE)
		return UNCHANGED;
	if (!was)
		return UNKNOWN;
	return sysctl_same(was->value, c->value) ? UNCHANGED : CHANGED;
}

static int capture(struct json_object **out, struct ohib_err *err)
{
	_cleanup_(split_free) struct split s = { 0 };
	struct json_object *o, *changed, *unknown;
	int r = split_read(&s);

	if (r)
		return ohib_err_set(err, r, SYS ": %s", strerror(-r));
	o = json_object_new_object();
	changed = json_object_new_object();
	unknown = json_object_new_object();
	for (size_t i = 0; i < s.now.list.n; i++) {
		const struct sysctl *c = &s.now.list.v[i];
		enum standing st = standing(&s, c);

		if (st != UNCHANGED)
			js_add_str(st == CHANGED ? changed : unknown, c->name, c->value);
	}
	json_object_object_add(o, "changed", changed);
	json_object_object_add(o, "unknown", unknown);
	*out = o;
	return 0;
}

/* Keep this kernel's record for later, and compare with the next kernel's if it ever ran here. */
static int check(struct config_check *c)
{
	_cleanup_(split_free) struct split s = { 0 };
	_cleanup_(sysctls_free) struct sysctls next = { 0 };
	_cleanup_free_ char *data = NULL, *next_data = NULL;
	char path[256], boot_id[64];
	unsigned int changed = 0;
	struct utsname un;
	size_t len;
	ssize_t n;
	int r = baseline_load(&s.base, &data, &len);

	if (r && r != -ENOENT)
		return r;
	if (r) {
		refuse(c->warnings, 0, "", "sysctls",
		       "this boot left no record of the kernel's own values (an initramfs without overlayctl); all are carried");
		return 0;
	}
	uname(&un);
	snprintf(path, sizeof(path), CONFIG_BASELINE_KEPT, un.release);
	make_parents(path);
	text_replace(path, data, len);
	if (!c->next_kernel || strchr(c->next_kernel, '/'))
		return 0;
	snprintf(path, sizeof(path), CONFIG_BASELINE_KEPT, c->next_kernel);
	n = text_read(path, &next_data);
	r = sysctls_read(&s.now, SYS);
	if (n < 0 || sysctls_parse(&next, boot_id, next_data, (size_t)n)) {
		for (size_t i = 0; !r && i < s.now.list.n; i++)
			changed += standing(&s, &s.now.list.v[i]) == CHANGED;
		if (changed)
			refuse(c->warnings, 0, "", "sysctls", "%u were changed, and Linux %.64s has not run here with overlayctl's "
			       "initramfs: whether it has them all is found out when it boots; if not, the machine "
			       "comes back under this kernel", changed, c->next_kernel);
		return r;
	}
	for (size_t i = 0; !r && i < s.now.list.n; i++) {
		const struct sysctl *now = &s.now.list.v[i];
		char object[160];

		if (standing(&s, now) != CHANGED || sysctls_find(&next, now->name))
			continue;
		snprintf(object, sizeof(object), "sysctl %s", now->name);
		refuse(c->refusals, 0, "", object, "changed to %.60s, and Linux %.64s has no such writable sysctl",
		       now->value, c->next_kernel);
		if (c->refusals->list.n)
			c->refusals->list.v[c->refusals->list.n - 1]->waivable = true;
	}
	return r;
}

/* 1: written, 0: already so, negative: not so. @before: the value that it had. */
static int write_one(const char *name, const char *value, char **before)
{
	_cleanup_free_ char *now = NULL, *after = NULL, *line = NULL;
	char path[4096];
	ssize_t n;
	int r;

	if (!path_is_plain(name) ||
	    snprintf(path, sizeof(path), SYS "/%s", name) >= (int)sizeof(path))
		return -EINVAL;
	n = text_read(path, &now);
	if (n == -ENOENT)
		return -ENOENT;
	if (n >= 0 && sysctl_same(now, value))
		return 0;
	/* A write of nothing would be none. */
	if (asprintf(&line, "%s\n", value) < 0)
		return -ENOMEM;
	r = text_write(path, line);
	if (r)
		return r;
	if (before && n >= 0) {
		now[strcspn(now, "\n")] = '\0';
		*before = no_free_ptr(now);
	}
	if (text_read(path, &after) >= 0 && !sysctl_same(after, value))
		return -ERANGE;
	return 1;
}

struct order {
	const char *name, *value;
	bool known;	/* that somebody changed it */
	int r;
};

static int by_rank(const void *a, const void *b)
{
	const struct order *x = a, *y = b;
	int d = sysctl_rank(x->name) - sysctl_rank(y->name);

	return d ? d : strcmp(x->name, y->name);
}

static int collect(struct config_run *run, enum sysctl_class class, const char *key, bool known,
		   void *to)
{
	VEC(struct order) *list = to;
	struct json_object *o = js_obj(run->mine, key);

	if (!o)
		return 0;
	json_object_object_foreach(o, name, v) {
		struct order x = { name, json_object_get_string(v), known, 0 };

		if (json_object_is_type(v, json_type_string) && sysctl_class(name) == class &&
		    vec_push(list, x))
			return -ENOMEM;
	}
	return 0;
}

static void tell(struct config_run *run, const struct order *x)
{
	char object[160];

	snprintf(object, sizeof(object), "sysctl %s", x->name);
	if (x->r == -ENOENT && x->known)
		config_left(run, object, "was %.60s, and this kernel has no such sysctl", x->value);
	else if (x->r == -ENOENT)
		config_note(run, object, "this kernel has no such sysctl");
	else if (x->known)
		config_left(run, object, "%.60s cannot be written: %s", x->value, strerror(-x->r));
	else
		config_note(run, object, "%.60s cannot be written: %s", x->value, strerror(-x->r));
}

/* @say: a failure is a row. Sysctls that others reset are written again until all stand. */
int sysctl_write_class(struct config_run *run, enum sysctl_class class, bool say)
{
	VEC(struct order) list = { 0 };
	struct config_run own = *run;
	struct json_object *before = NULL;
	int r;

	own.mine = js_obj(run->all, config_sysctl.key);
	r = collect(&own, class, "changed", true, &list);
	if (!r)
		r = collect(&own, class, "unknown", false, &list);
	if (!r && list.n)
		qsort(list.v, list.n, sizeof(list.v[0]), by_rank);
	if (!json_object_object_get_ex(run->all, "sysctl_before", &before)) {
		before = json_object_new_object();
		json_object_object_add(run->all, "sysctl_before", before);
	}
	for (int pass = 0, wrote = 1; !r && wrote && pass < 3; pass++) {
		wrote = 0;
		for (size_t i = 0; i < list.n; i++) {
			char *old = NULL;

			list.v[i].r = write_one(list.v[i].name, list.v[i].value, &old);
			wrote |= list.v[i].r > 0;
			if (old && !json_object_object_get_ex(before, list.v[i].name, NULL))
				js_add_str(before, list.v[i].name, old);
			free(old);
		}
	}
	for (size_t i = 0; !r && say && i < list.n; i++)
		if (list.v[i].r < 0)
			tell(run, &list.v[i]);
	vec_free(&list);
	return r;
}

/* Before the first write: this kernel's own values, for its /run and the next hibernation. */
static int prepare(struct config_run *run)
{
	_cleanup_(sysctls_free) struct sysctls s = { 0 };
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r;

	if (!json_object_object_get_ex(run->all, "sysctl_baseline", NULL)) {
		r = baseline_load(&s, &data, &len);
		if (r == -ENOENT) {
			free(data);
			data = NULL;
			r = baseline_take(&data, &len);
		}
		if (r || len > INT32_MAX)
			return r ? r : -EFBIG;
		json_object_object_add(run->all, "sysctl_baseline",
				       json_object_new_string_len(data, (int)len));
	}
	return sysctl_write_class(run, SYSCTL_PLAIN, true);
}

static int restore(struct config_run *run)
{
	struct json_object *base;
	int r;

	/* In the carried /run stands the image kernel's record. */
	if (json_object_object_get_ex(run->all, "sysctl_baseline", &base) &&
	    json_object_is_type(base, json_type_string)) {
		make_parents(CONFIG_BASELINE);
		r = text_replace(CONFIG_BASELINE, json_object_get_string(base),
				 (size_t)json_object_get_string_len(base));
		if (r)
			config_note(run, CONFIG_BASELINE, "%s", strerror(-r));
	}
	/* Raising an interface may have reset what was written before. */
	r = sysctl_write_class(run, SYSCTL_PLAIN, false);
	return r ? r : sysctl_write_class(run, SYSCTL_INTERFACE, true);
}

static int settle(struct config_run *run)
{
	return sysctl_write_class(run, SYSCTL_LATE, true);
}

void config_undo(struct json_object *c)
{
	struct json_object *before = js_obj(c, "sysctl_before");

	if (!before)
		return;
	json_object_object_foreach(before, name, v)
		if (json_object_is_type(v, json_type_string))
			write_one(name, json_object_get_string(v), NULL);
	json_object_object_del(c, "sysctl_before");
}

const struct config_noun config_sysctl = {
	.key = "sysctl",
	.capture = capture,
	.check = check,
	.stage = { [CONFIG_PREPARE] = prepare, [CONFIG_RESTORE] = restore, [CONFIG_SETTLE] = settle },
};
