// SPDX-License-Identifier: GPL-2.0-only
/* Which modules a kernel has that is not running: modules.dep and modules.builtin of depmod(8). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/parts.h"
#include "util/cleanup.h"

struct module_index {
	VEC(char *) names; /* sorted */
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

static int add_file(struct module_index *ix, const char *release, const char *file,
		    struct ohib_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[512], *line, *save;
	ssize_t n;

	snprintf(path, sizeof(path), "/lib/modules/%s/%s", release, file);
	n = text_read(path, &text);
	if (n < 0)
		return ohib_err_set(err, (int)n, "%s: %s", path, strerror((int)-n));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *name = module_name(line);

		if (!name || vec_push(&ix->names, name)) {
			free(name);
			return -ENOMEM;
		}
	}
	return 0;
}

int module_index_open(const char *release, struct module_index **out, struct ohib_err *err)
{
	struct module_index *ix = calloc(1, sizeof(*ix));
	int r;

	if (!ix)
		return -ENOMEM;
	r = strchr(release, '/') ? -EINVAL : add_file(ix, release, "modules.dep", err);
	if (!r)
		r = add_file(ix, release, "modules.builtin", err);
	if (r) {
		module_index_close(ix);
		return r;
	}
	qsort(ix->names.v, ix->names.n, sizeof(ix->names.v[0]), by_name);
	*out = ix;
	return 0;
}

void module_index_close(struct module_index *ix)
{
	char *name;

	if (!ix)
		return;
	vec_foreach(name, &ix->names)
		free(name);
	vec_free(&ix->names);
	free(ix);
}

bool module_index_has(const struct module_index *ix, const char *name)
{
	_cleanup_free_ char *key = module_name(name);

	return key && ix->names.n &&
	       bsearch(&key, ix->names.v, ix->names.n, sizeof(ix->names.v[0]), by_name);
}
