// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loaded modules and the values of their parameters.
 *
 *	module: {list: [{name, holders, users, devices, parameters: {name: value}, fixed: {…}}]}
 *
 * newest first, as /proc/modules has them. users: references that are not other modules'; devices: how
 * many are bound to its drivers. parameters can be written while it is loaded, fixed ones cannot.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/parts.h"
#include "util/cleanup.h"

#define MODPROBE "/sbin/modprobe"

static void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}
#define _cleanup_dir_ _cleanup_(cleanup_dir)

static bool valid_name(const char *name)
{
	return *name && strlen(name) < 64 && *name != '-' && *name != '.' && !strpbrk(name, "/ =\t\n");
}

/* Devices bound to the drivers of a module: /sys/module/X/drivers/BUS:DRIVER/DEVICE. */
static int bound_devices(const char *module)
{
	_cleanup_dir_ DIR *d = NULL;
	char path[512];
	struct dirent *de;
	int n = 0;

	snprintf(path, sizeof(path), "/sys/module/%s/drivers", module);
	d = opendir(path);
	while (d && (de = readdir(d))) {
		_cleanup_dir_ DIR *drv = NULL;
		struct dirent *dev;

		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/module/%s/drivers/%s", module, de->d_name);
		drv = opendir(path);
		while (drv && (dev = readdir(drv)))
			n += dev->d_type == DT_LNK && strcmp(dev->d_name, "module") != 0;
	}
	return n;
}

static void parameters(const char *module, struct json_object *writable, struct json_object *fixed)
{
	_cleanup_dir_ DIR *d = NULL;
	char path[512];
	struct dirent *de;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters", module);
	d = opendir(path);
	while (d && (de = readdir(d))) {
		char value[4096];
		struct stat st;

		if (de->d_name[0] == '.' || fstatat(dirfd(d), de->d_name, &st, 0))
			continue;
		snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, de->d_name);
		if (!text_line(path, value, sizeof(value)))
			js_add_str(st.st_mode & 0200 ? writable : fixed, de->d_name, value);
	}
}

static struct json_object *module_json(char *line)
{
	struct json_object *o, *writable, *fixed;
	char name[64], holders[3072];
	int refs, nr_holders = 0;

	/* name size references holders state address; holders is "-" or "a,b," */
	if (sscanf(line, "%63s %*u %d %3071s", name, &refs, holders) != 3)
		return NULL;
	for (char *p = holders; (p = strchr(p, ',')); p++)
		nr_holders++;
	/* [permanent] is told among the holders */
	if (strstr(holders, "[permanent],"))
		nr_holders--;
	o = json_object_new_object();
	writable = json_object_new_object();
	fixed = json_object_new_object();
	js_add_str(o, "name", name);
	js_add_int(o, "holders", nr_holders);
	js_add_int(o, "users", refs > nr_holders ? refs - nr_holders : 0);
	js_add_int(o, "devices", bound_devices(name));
	parameters(name, writable, fixed);
	json_object_object_add(o, "parameters", writable);
	json_object_object_add(o, "fixed", fixed);
	return o;
}

static int capture(struct json_object **out, struct ohib_err *err)
{
	_cleanup_free_ char *text = NULL;
	ssize_t n = text_read("/proc/modules", &text);
	struct json_object *list;
	char *line, *save;

	(void)err;
	if (n == -ENOENT)	/* CONFIG_MODULES=n */
		return 0;
	if (n < 0)
		return (int)n;
	*out = json_object_new_object();
	list = json_object_new_array();
	json_object_object_add(*out, "list", list);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct json_object *o = module_json(line);

		if (!o)
			return -EPROTO;
		json_object_array_add(list, o);
	}
	return 0;
}

static int check(struct config_check *c)
{
	struct json_object *now = NULL, *list;
	struct module_index *ix = NULL;
	struct ohib_err e = { 0 };
	int r;

	if (!c->next_kernel)
		return 0;
	r = capture(&now, c->err);
	if (r)
		return r;
	if (module_index_open("", c->next_kernel, &ix, &e)) {
		refuse(c->refusals, 0, "", "modules", "%s", e.msg);
		json_object_put(now);
		return 0;
	}
	list = js_arr(now, "list");
	for (size_t i = 0; i < js_len(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *name = js_str(o, "name");
		s64 users = js_int(o, "users"), devices = js_int(o, "devices");
		char object[160];

		if (module_index_find(ix, name) != MODULE_ABSENT)
			continue;
		snprintf(object, sizeof(object), "module %s", name);
		if (users || devices) {
			refuse(c->refusals, 0, "", object,
			       "Linux %.64s does not have it, and it is in use (%lld users, %lld devices)",
			       c->next_kernel, (long long)users, (long long)devices);
			if (c->refusals->list.n)
				c->refusals->list.v[c->refusals->list.n - 1]->waivable = true;
		} else {
			refuse(c->warnings, 0, "", object, "Linux %.64s does not have it; nothing uses it",
			       c->next_kernel);
		}
	}
	module_index_close(ix);
	json_object_put(now);
	return 0;
}

/* Loaded, or built in with something in sysfs. */
static bool is_there(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

/* Exit status of a program of the machine at @root, or negative errno. */
static int run_program(const char *root, char *const argv[])
{
	pid_t pid = fork();
	int st;

	if (pid < 0)
		return -errno;
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		if (null >= 0) {
			dup2(null, 0);
			dup2(null, 1);
			dup2(null, 2);
		}
		if (!chdir(root) && !chroot("."))
			execv(argv[0], argv);
		_exit(127);
	}
	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(st) ? WEXITSTATUS(st) : -EINTR;
}

/* One modprobe for all of @names, oldest first: it loads what each needs before it. */
static int load(const char *root, struct json_object *list)
{
	VEC(char *) argv = { 0 };
	int r = vec_push(&argv, MODPROBE);

	if (!r)
		r = vec_push(&argv, "-qa");
	for (size_t i = js_len(list); !r && i-- > 0;) {
		const char *name = js_str(json_object_array_get_idx(list, i), "name");

		if (name && valid_name(name) && !is_there(name))
			r = vec_push(&argv, (char *)name);
	}
	if (!r && argv.n > 2) {
		r = vec_push(&argv, NULL);
		if (!r)
			r = run_program(root, argv.v);
		/* Which of them did not load is seen afterwards. */
		r = r > 0 ? 0 : r;
	}
	vec_free(&argv);
	return r;
}

static int reload_with(const char *root, const char *module, struct json_object *fixed)
{
	VEC(char *) argv = { 0 };
	char *const remove[] = { MODPROBE, "-qr", (char *)module, NULL };
	int r = run_program(root, remove);

	if (r || is_there(module))
		return -EBUSY;
	r = vec_push(&argv, MODPROBE);
	if (!r)
		r = vec_push(&argv, "-q");
	if (!r)
		r = vec_push(&argv, (char *)module);
	json_object_object_foreach(fixed, name, v) {
		char *word = NULL;

		if (r || asprintf(&word, "%s=%s", name, json_object_get_string(v)) < 0 ||
		    vec_push(&argv, word)) {
			r = -ENOMEM;
			break;
		}
	}
	if (!r)
		r = vec_push(&argv, NULL);
	if (!r)
		r = run_program(root, argv.v) ? -EIO : 0;
	for (size_t i = 3; i < argv.n; i++)
		free(argv.v[i]);
	vec_free(&argv);
	return r;
}

/* A new object with those of @want that are there and have another value. */
static struct json_object *differing(const char *module, struct json_object *want)
{
	struct json_object *o = json_object_new_object();

	if (!want)
		return o;
	json_object_object_foreach(want, name, v) {
		char path[512], value[4096];

		/* A string that was never set cannot be unset either: "(null)". */
		if (!json_object_is_type(v, json_type_string) || !path_is_plain(name) ||
		    strchr(name, '/') || !strcmp(json_object_get_string(v), "(null)"))
			continue;
		snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
		if (!text_line(path, value, sizeof(value)) &&
		    strcmp(value, json_object_get_string(v)) != 0)
			js_add_str(o, name, json_object_get_string(v));
	}
	return o;
}

/*
 * Parameters as they were. What depends on the kernel or the machine more than on anybody's wish
 * cannot be told apart here, so a value that cannot be had is worth a note and no more.
 */
static void set_parameters(struct config_run *run, struct json_object *o, const char *name)
{
	struct json_object *fixed = differing(name, js_obj(o, "fixed")), *writable;
	char object[160];

	/* Devices that are bound, here or there, may be the root disk's. */
	if (json_object_object_length(fixed) && !js_int(o, "devices") && !bound_devices(name))
		reload_with(run->root, name, fixed);
	json_object_put(fixed);
	fixed = differing(name, js_obj(o, "fixed"));
	json_object_object_foreach(fixed, key, v) {
		snprintf(object, sizeof(object), "module %s, parameter %.60s", name, key);
		config_note(run, object, "was %.60s; it can be set only when the module is loaded",
			    json_object_get_string(v));
	}
	json_object_put(fixed);

	writable = differing(name, js_obj(o, "parameters"));
	json_object_object_foreach(writable, wkey, wv) {
		const char *value = json_object_get_string(wv);
		char path[512];
		int r;

		snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", name, wkey);
		r = text_write(path, value);
		if (r) {
			snprintf(object, sizeof(object), "module %s, parameter %.60s", name, wkey);
			config_note(run, object, "%.60s cannot be written: %s", value, strerror(-r));
		}
	}
	json_object_put(writable);
}

static int prepare(struct config_run *run)
{
	struct json_object *list = js_arr(run->mine, "list");
	struct module_index *ix = NULL;
	struct utsname un;
	int r = load(run->root, list);

	if (r)
		config_left(run, "modules", "modprobe: %s", strerror(-r));
	uname(&un);
	if (js_len(list) && module_index_open(run->root, un.release, &ix, NULL))
		ix = NULL;
	for (size_t i = js_len(list); i-- > 0;) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *name = js_str(o, "name");
		enum module_standing now;
		const char *what;
		char object[160];

		if (!name || !valid_name(name))
			continue;
		now = ix ? module_index_find(ix, name) : MODULE_ABSENT;
		snprintf(object, sizeof(object), "module %s", name);
		what = now == MODULE_LOADABLE ? "it does not load under this kernel" :
						"this kernel does not have it";
		if (is_there(name))
			set_parameters(run, o, name);
		else if (now == MODULE_BUILTIN)
			continue;
		else if (js_int(o, "users") || js_int(o, "devices"))
			config_left(run, object, "%s, and it was in use", what);
		else
			config_note(run, object, "%s; nothing used it", what);
	}
	module_index_close(ix);
	return 0;
}

const struct config_noun config_modules = {
	.key = "module",
	.capture = capture,
	.check = check,
	.stage = { [CONFIG_PREPARE] = prepare },
};
