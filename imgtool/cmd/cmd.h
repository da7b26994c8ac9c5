/* SPDX-License-Identifier: GPL-2.0-only */
/* What the commands share: the table's row, exit codes, options that all of them take. */
#pragma once

#include <argp.h>
#include <json-c/json.h>

#include "image/image.h"
#include "unlock/keys.h"
#include "util/err.h"
#include "util/types.h"

/* Documented in overlayctl(8): append only. */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,	/* something failed; the machine is as it was */
	EXIT_USAGE = 2,
	EXIT_REFUSED = 3,	/* check or hibernate: something cannot be carried */
	EXIT_NO_IMAGE = 4,	/* there is no image, or none in a fitting state */
	EXIT_DAMAGED = 5,	/* there is one and it is damaged */
	EXIT_OLD_KERNEL = 6,	/* hibernate: the switch failed; the machine is as it was */
};

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv); /* returns an exit code; argv[0] is "overlayctl NAME" */
};

int cmd_check(int argc, char **argv);
int cmd_hibernate(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_cancel(int argc, char **argv);
int cmd_keep(int argc, char **argv);
int cmd_revert(int argc, char **argv);
int cmd_image(int argc, char **argv);
int cmd_image_info(int argc, char **argv);
int cmd_image_verify(int argc, char **argv);
int cmd_image_section(int argc, char **argv);
int cmd_image_ps(int argc, char **argv);
int cmd_image_dump(int argc, char **argv);
int cmd_image_tables(int argc, char **argv);
int cmd_image_create(int argc, char **argv);
int cmd_image_place(int argc, char **argv);

/* Run the row of @table that argv[1] names; @prefix is what the user typed so far. */
int command_dispatch(const struct command *table, size_t n, const char *prefix, const char *about,
		     int argc, char **argv);

/* --device, --json and what opens an image, as an argp child whose input is this struct. */
struct common_opts {
	const char *device;
	bool json;
	struct key_policy keys;		/* empty: as the configuration file says */
};
extern const struct argp common_argp;	/* --device, --json */
extern const struct argp device_argp;	/* --device alone */
extern const struct argp trial_argp;	/* --trial and its size; its input is a struct preflight */
extern const struct argp image_argp;	/* --device, --json, keys */
extern const struct argp keyed_argp;	/* --device, keys */

/* The sources of keys that the options name, or else the configuration file. */
int keys_from_opts(const struct common_opts *o, struct key_policy *p, struct ohib_err *err);
/* Open the image on @path; asks for what it is sealed with. */
int image_open(const struct common_opts *o, const char *path, struct ohib_image **img,
	       struct ohib_err *err);

/* For a command that has only the options of @group (one of the first two). @doc: its help. */
void common_opts_parse(const struct argp *group, const char *doc, int argc, char **argv,
		       struct common_opts *o);

/* The device that the options mean; complains and returns false when there is none. */
bool device_from_opts(const struct common_opts *o, char *path, size_t size);

/* "overlayctl: object: reason" on stderr. */
void complain(const struct ohib_err *err);
/* The exit code that goes with a failure to open an image. */
int exit_code_of(int r);

/* Pretty-print and drop. */
void json_print(struct json_object *o);
struct json_object *json_image_info(const struct ohib_image_info *info);
void uuid_text(const u8 *uuid, char *out); /* 37 bytes */
const char *human_bytes(u64 n, char *buf, size_t size);

struct kernel_data;
struct machine;

/* The machine inside an image. */
struct image_machine {
	struct ohib_image *img;
	struct kernel_data *k;
	struct machine *m;
};

int image_machine_open(const struct common_opts *o, struct image_machine *im, struct ohib_err *err);
void image_machine_close(struct image_machine *im);
