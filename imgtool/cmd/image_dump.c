// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl image dump: one process of an image as an ELF core. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "report/report.h"
#include "translate/translate.h"

static const char doc[] =
	"Write a process of an overlay image as an ELF core file.\v"
	"Open it with its program: gdb /path/of/program core.PID. The core holds private and shared memory; pages of "
	"mapped files that were not changed are read by gdb from the files.\n\n"
	"Exit codes: 0 written, 4 no image, 5 damaged, 1 failed or no such process.";

struct opts {
	struct common_opts common;
	const char *output;
	pid_t pid;
};

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "Write to FILE instead of core.PID; - is standard output", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	char *end;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		return 0;
	case 'o':
		o->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		o->pid = strtol(arg, &end, 10);
		if (state->arg_num || *end || o->pid <= 0)
			argp_error(state, "'%s' is not a process number", arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which process? 'overlayctl image ps' lists them");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int open_output(const struct opts *o, char *name, size_t size)
{
	if (o->output && !strcmp(o->output, "-"))
		return dup(STDOUT_FILENO);
	snprintf(name, size, "core.%d", o->pid);
	if (o->output)
		snprintf(name, size, "%s", o->output);
	return open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static int dump(const struct opts *o, const struct machine *m, struct ohib_err *err)
{
	char name[4096] = "standard output";
	struct m_process *p;
	struct stat st;
	int fd, r;

	vec_foreach(p, &m->processes)
		if (p->pid == o->pid)
			break;
	if (!m->processes.n || p->pid != o->pid)
		return ohib_err_set(err, -ESRCH,
				    "no process %d in the image: 'overlayctl image ps' lists them", o->pid);
	fd = open_output(o, name, sizeof(name));
	if (fd < 0)
		return ohib_err_set(err, -errno, "%s: %s", name, strerror(errno));
	r = report_core(m, p, fd, err);
	if (close(fd) && !r)
		r = ohib_err_set(err, -errno, "%s: %s", name, strerror(errno));
	/* half a core helps nobody */
	if (r && (!o->output || strcmp(o->output, "-")) && !lstat(name, &st) && S_ISREG(st.st_mode))
		unlink(name);
	if (!r)
		fprintf(stderr, "%s: process %d (%s)\n", name, p->pid, p->comm);
	return r;
}

int cmd_image_dump(int argc, char **argv)
{
	static const struct argp_child children[] = { { &keyed_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = { options, parse, "PID", doc, children, NULL, NULL };
	struct ohib_err err = { 0 };
	struct image_machine im;
	struct opts o = { 0 };
	int r;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	r = image_machine_open(&o.common, &im, &err);
	if (r) {
		complain(&err);
		return exit_code_of(r);
	}
	r = dump(&o, im.m, &err);
	if (r)
		complain(&err);
	image_machine_close(&im);
	return r ? exit_code_of(r) : EXIT_OK;
}
