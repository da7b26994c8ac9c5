// SPDX-License-Identifier: GPL-2.0-only
/* Which modules a kernel has that is not running: modules.dep and modules.builtin of depmod(8). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/parts.h"
#include "util/cleanup.h"

struct name_list {
	VEC(char *) names; /* sorted */
};
struct module_index {
	struct name_list loadable, builtin;
};

/* "kernel/fs/ext4/ext4.ko.xz: …" → "ext4". '-' and '_' are one letter in names of modules. */
static char *module_name(const char *line)
{
	const char *end = line + strcspn(line, ":\n"), *base = line;
	char *name;

	for (const char *p = line; p < end; p++)
		if (*p == '/')
			base = p + 1;
	name = strndup(base, (size_t)(end - base));
	if (!name)
		return NULL;
	name[strcspn(name, ".")] = '\0';
	for (char *p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	return name;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_file(struct name_list *l, const char *root, const char *release, const char *file,
		    struct ohib_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[512], *line, *save;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/lib/modules/%s/%s", root, release, file);
	n = text_read(path, &text);
	if (n < 0)
		return ohib_err_set(err, (int)n, "%s: %s", path, strerror((int)-n));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *name = module_name(line);

		if (!name || vec_push(&l->names, name)) {
			free(name);
			return -ENOMEM;
		}
	}
	if (l->names.n)
		qsort(l->names.v, l->names.n, sizeof(l->names.v[0]), by_name);
	return 0;
}

int module_index_open(const char *root, const char *release, struct module_index **out,
		      struct ohib_err *err)
{
	struct module_index *ix = calloc(1, sizeof(*ix));
	int r;

	if (!ix)
		return -ENOMEM;
	r = strchr(release, '/') ? -EINVAL :
				   add_file(&ix->loadable, root, release, "modules.dep", err);
	if (!r)
		r = add_file(&ix->builtin, root, release, "modules.builtin", err);
	if (r) {
		module_index_close(ix);
		return r;
	}
	*out = ix;
	return 0;
}

static void free_names(struct name_list *l)
{
	char *name;

	vec_foreach(name, &l->names)
		free(name);
	vec_free(&l->names);
}

void module_index_close(struct module_index *ix)
{
	if (!ix)
		return;
	free_names(&ix->loadable);
	free_names(&ix->builtin);
	free(ix);
}

static bool has(const struct name_list *l, const char *key)
{
	return l->names.n && bsearch(&key, l->names.v, l->names.n, sizeof(l->names.v[0]), by_name);
}

enum module_standing module_index_find(const struct module_index *ix, const char *name)
{
	_cleanup_free_ char *key = module_name(name);

	if (!key)
		return MODULE_ABSENT;
	return has(&ix->builtin, key) ? MODULE_BUILTIN :
	       has(&ix->loadable, key) ? MODULE_LOADABLE : MODULE_ABSENT;
}
