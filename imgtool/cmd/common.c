// SPDX-License-Identifier: GPL-2.0-only
/* What the commands share: dispatch, options that all of them take, printing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "image/locate.h"

static void usage(FILE *to, const struct command *table, size_t n, const char *prefix,
		  const char *about)
{
	fprintf(to, "Usage: %s COMMAND [OPTION...]\n%s\n\n", prefix, about);
	for (size_t i = 0; i < n; i++)
		fprintf(to, "  %-12s%s\n", table[i].name, table[i].summary);
	fprintf(to, "\n%s COMMAND --help tells more.\n", prefix);
}

int command_dispatch(const struct command *table, size_t n, const char *prefix, const char *about,
		     int argc, char **argv)
{
	static char name[2][64]; /* overlayctl image info: two levels */
	static unsigned int level;

	if (argc < 2) {
		usage(stderr, table, n, prefix, about);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout, table, n, prefix, about);
		return EXIT_OK;
	}
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].name, argv[1]))
			continue;
		/* argp takes the program's name for its messages from argv[0]. */
		snprintf(name[level], sizeof(name[level]), "%s %s", prefix, argv[1]);
		argv[1] = name[level];
		level = 1;
		return table[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "%s: there is no command %s\n\n", prefix, argv[1]);
	usage(stderr, table, n, prefix, about);
	return EXIT_USAGE;
}

enum { OPT_PASSPHRASE = 700, OPT_KEY_FILE, OPT_KEYRING };

static error_t add_key(struct common_opts *o, struct argp_state *state, const char *prefix, const char *arg)
{
	struct ohib_err err = {0};
	char word[300];

	snprintf(word, sizeof(word), "%s%s", prefix, arg);
	if (key_policy_add(&o->keys, word, &err))
		argp_error(state, "%s", err.msg);
	return 0;
}

static error_t common_parse(int key, char *arg, struct argp_state *state)
{
	struct common_opts *o = state->input;

	switch (key) {
	case 'd':
		o->device = arg;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case OPT_PASSPHRASE:
		return add_key(o, state, "", "passphrase");
	case OPT_KEY_FILE:
		return add_key(o, state, "file:", arg);
	case OPT_KEYRING:
		return add_key(o, state, "keyring:", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

#define DEVICE_OPTION                                                                              \
	{                                                                                          \
		"device", 'd', "DEVICE", 0,                                                        \
			"Device or file with the image: a path, PARTUUID=, PARTLABEL=, UUID= or LABEL=. "  \
			"Default: device= in " OHIB_CONF ", else " OHIB_DEVICE_DEFAULT,            \
			1                                                                          \
	}

#define JSON_OPTION {"json", 'j', NULL, 0, "Print JSON", 1}

#define KEY_OPTIONS                                                                                \
	{"passphrase", OPT_PASSPHRASE, NULL, 0,                                                    \
	 "The image is sealed with a passphrase, which is asked for", 3},                           \
		{"key-file", OPT_KEY_FILE, "FILE", 0, "... with the bytes of FILE (-: standard input)", 3}, \
	{                                                                                          \
		"keyring", OPT_KEYRING, "NAME", 0,                                                 \
			"... with the passphrase that is user key NAME in the kernel's key rings. "    \
			"Default of the three: key= in " OHIB_CONF,                                   \
			3                                                                          \
	}

static const struct argp_option common_options[] = {DEVICE_OPTION, JSON_OPTION, {0}};
static const struct argp_option image_options[] = {DEVICE_OPTION, JSON_OPTION, KEY_OPTIONS, {0}};
static const struct argp_option keyed_options[] = {DEVICE_OPTION, KEY_OPTIONS, {0}};
static const struct argp_option device_options[] = {DEVICE_OPTION, {0}};

const struct argp common_argp = {.options = common_options, .parser = common_parse};
const struct argp device_argp = {.options = device_options, .parser = common_parse};
const struct argp image_argp = {.options = image_options, .parser = common_parse};
const struct argp keyed_argp = {.options = keyed_options, .parser = common_parse};

int keys_from_opts(const struct common_opts *o, struct key_policy *p, struct ohib_err *err)
{
	*p = o->keys;
	return p->nr ? 0 : key_policy_load(p, err);
}

int image_open(const struct common_opts *o, const char *path, struct ohib_image **img,
	       struct ohib_err *err)
{
	const struct key_asking ask = {.tty = STDIN_FILENO, .tries = isatty(STDIN_FILENO) ? 3 : 1};
	const struct rlimit none = {0};
	struct ohib_image_info info;
	struct key_policy p;
	int r = keys_from_opts(o, &p, err);

	/* What is unpacked is a machine's memory, and the ciphers have its key: not for swap space, nor for a core. */
	if (!ohib_image_peek(path, &info, NULL) && info.sealed) {
		mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
		setrlimit(RLIMIT_CORE, &none);
	}
	return r ? r : key_image_open(path, &p, &ask, img, err);
}

void common_opts_parse(const struct argp *group, const char *doc, int argc, char **argv,
		       struct common_opts *o)
{
	struct argp argp = *group;

	argp.doc = doc;
	argp_parse(&argp, argc, argv, 0, NULL, o);
}

bool device_from_opts(const struct common_opts *o, char *path, size_t size)
{
	struct ohib_err err = {0};

	if (!ohib_device_locate(o->device, path, size, NULL, 0, &err))
		return true;
	complain(&err);
	return false;
}

void complain(const struct ohib_err *err)
{
	fflush(stdout);
	if (err->pid)
		fprintf(stderr, "overlayctl: process %d: %s\n", err->pid, err->msg);
	else
		fprintf(stderr, "overlayctl: %s\n", err->msg);
}

int exit_code_of(int r)
{
	return r == -ENODATA   ? EXIT_NO_IMAGE
	       : r == -EBADMSG ? EXIT_DAMAGED
	       : r	       ? EXIT_FAILED
			       : EXIT_OK;
}

void json_print(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

void uuid_text(const u8 *u, char *out)
{
	char *p = out;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		p += sprintf(p, "%02x", u[i]);
	}
}

struct json_object *json_image_info(const struct ohib_image_info *info)
{
	struct json_object *o = json_object_new_object();
	char uuid[40];

	uuid_text(info->uuid, uuid);
	json_object_object_add(o, "state", json_object_new_string(ohib_state_name(info->state)));
	json_object_object_add(o, "uuid", json_object_new_string(uuid));
	json_object_object_add(o, "generation", json_object_new_uint64(info->generation));
	json_object_object_add(o, "image_kernel", json_object_new_string(info->image_kernel));
	json_object_object_add(o, "next_kernel", json_object_new_string(info->next_kernel));
	json_object_object_add(o, "machine_id", json_object_new_string(info->machine_id));
	json_object_object_add(o, "device", json_object_new_string(info->device));
	json_object_object_add(o, "created", json_object_new_uint64(info->created));
	json_object_object_add(o, "pages", json_object_new_uint64(info->nr_pages));
	json_object_object_add(o, "zero_pages",
			       json_object_new_uint64(info->nr_zero_pages + info->nr_zero_found));
	json_object_object_add(o, "raw_bytes", json_object_new_uint64(info->raw_bytes));
	json_object_object_add(o, "stored_bytes", json_object_new_uint64(info->stored_bytes));
	json_object_object_add(o, "trial_bytes", json_object_new_uint64(info->trial_bytes));
	json_object_object_add(o, "attempts", json_object_new_int((int)info->attempts));
	json_object_object_add(o, "reason", json_object_new_string(info->reason));
	json_object_object_add(o, "cipher", json_object_new_string(info->cipher ? info->cipher : "none"));
	return o;
}

const char *human_bytes(u64 n, char *buf, size_t size)
{
	if (n < 10000000)
		snprintf(buf, size, "%.1f kB", (double)n / 1e3);
	else if (n < 10000000000)
		snprintf(buf, size, "%.1f MB", (double)n / 1e6);
	else
		snprintf(buf, size, "%.1f GB", (double)n / 1e9);
	return buf;
}
