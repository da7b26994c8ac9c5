/* SPDX-License-Identifier: GPL-2.0-only */
/* What the nouns of configuration share; not for anyone else. */
#pragma once

#include <json-c/json.h>

#include "config/config.h"
#include "util/vec.h"

enum config_stage { CONFIG_PREPARE, CONFIG_RESTORE, CONFIG_SETTLE, CONFIG_NR_STAGES };

struct config_check {
	const char *next_kernel;	/* NULL: not known */
	struct refusals *refusals, *warnings;
	struct ohib_err *err;
};

struct config_run {
	struct json_object *all;	/* the whole section */
	struct json_object *mine;	/* this noun's key; NULL: it was not captured */
	struct machine *m;
	const char *root;		/* of the machine's files, in CONFIG_PREPARE */
	struct refusals *rows;		/* where what cannot be done goes */
	struct refusals *warnings;	/* what is worth telling */
	s64 away_s;			/* seconds between capture and now, never negative */
	struct ohib_err *err;
};

/* Functions may be NULL. capture: a new object in *@out, NULL when there is nothing to say. */
struct config_noun {
	const char *key;
	int (*capture)(struct json_object **out, struct ohib_err *err);
	int (*check)(struct config_check *c);
	int (*stage[CONFIG_NR_STAGES])(struct config_run *run);
};

extern const struct config_noun config_hostname, config_clock, config_modules, config_sysctl,
	config_network, config_firewall, config_devnodes, config_udevdb, config_swap;

/* config.c: row about @object, with the reason in words. */
void config_left(struct config_run *run, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void config_note(struct config_run *run, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* json.c: members of hostile JSON; the default when missing or of another type. */
const char *js_str(struct json_object *o, const char *key);	/* NULL */
s64 js_int(struct json_object *o, const char *key);		/* 0 */
struct json_object *js_obj(struct json_object *o, const char *key);	/* NULL */
struct json_object *js_arr(struct json_object *o, const char *key);	/* NULL */
size_t js_len(struct json_object *array);			/* of NULL: 0 */
void js_add_str(struct json_object *o, const char *key, const char *s);
void js_add_int(struct json_object *o, const char *key, s64 v);
void js_add_hex(struct json_object *o, const char *key, const void *p, size_t len);
/* The bytes of a hexadecimal string into @buf; their number, or -EINVAL, -E2BIG. */
int js_hex(const char *s, void *buf, size_t room);

/* text.c */
/* All of a small file (at most 16 MiB), NUL behind; its length or negative errno. */
ssize_t text_read(const char *path, char **out);
/* Like text_read of one line, without its newline, into @buf. */
int text_line(const char *path, char *buf, size_t room);
/* @text in one write(), as procfs and sysfs want it. */
int text_write(const char *path, const char *text);
/* Write a whole file through a temporary name. */
int text_replace(const char *path, const void *data, size_t len);
/* A relative path whose parts are neither empty, "." nor "..". */
bool path_is_plain(const char *path);

/* sysctl_tree.c */
struct sysctl {
	char *name;	/* "net/ipv4/ip_forward" */
	char *value;	/* without the last newline */
};
struct sysctls {
	VEC(struct sysctl) list; /* by name */
};
int sysctls_read(struct sysctls *s, const char *root);	/* what can be configuration */
int sysctls_parse(struct sysctls *s, char *boot_id, const char *data, size_t len);
/* *@data is to be freed. */
int sysctls_format(const struct sysctls *s, const char *boot_id, char **data, size_t *len);
const struct sysctl *sysctls_find(const struct sysctls *s, const char *name);
void sysctls_free(struct sysctls *s);
bool sysctl_same(const char *a, const char *b);		/* but for blanks */

/* sysctl_class.c */
enum sysctl_class {
	SYSCTL_PLAIN,
	SYSCTL_INTERFACE,	/* of one interface: comes and goes with it */
	SYSCTL_LATE,		/* would be in the way of restoring processes */
	SYSCTL_STATE,		/* not configuration */
};
enum sysctl_class sysctl_class(const char *name);
/* Sysctls that write to others come before those. */
int sysctl_rank(const char *name);
/* sysctl.c */
int sysctl_write_class(struct config_run *run, enum sysctl_class class, bool tell);

/* module_index.c: what a kernel that is not running has. */
struct module_index;
int module_index_open(const char *root, const char *release, struct module_index **out, struct ohib_err *err);
void module_index_close(struct module_index *ix);
enum module_standing { MODULE_ABSENT, MODULE_LOADABLE, MODULE_BUILTIN };
enum module_standing module_index_find(const struct module_index *ix, const char *name);
