// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl image ps: the processes inside an image. */
#include <stdio.h>

#include "cmd/cmd.h"
#include "report/report.h"
#include "translate/translate.h"

static const char doc[] =
	"List the processes that are suspended in an overlay image.\v"
	"They are read out of the image kernel's memory, with the translator that a switch uses. S is R (it "
	"was computing), S (in a system call), T (stopped) or Z (zombie); MEMORY is what is its own, pages shared "
	"with relatives included. An image that was resumed or discarded can be looked into as well, until the next "
	"hibernate writes over it, but for a sealed one that was resumed: nothing opens that any more.\n\n"
	"Exit codes: 0 listed, 4 no image, 5 damaged, 1 failed.";

static void print_table(const struct machine *m)
{
	struct m_process *p;

	printf("%7s %7s %7s %-8s %s %3s %9s %s\n", "PID", "PPID", "SID", "TTY", "S", "THR", "MEMORY",
	       "COMMAND");
	vec_foreach(p, &m->processes) {
		char cmd[512], mem[32];

		report_cmdline(m, p, cmd, sizeof(cmd));
		printf("%7d %7d %7d %-8s %c %3zu %9s %s\n", p->pid, p->ppid, p->sid,
		       p->ctty ? p->ctty->name : "-", report_state(p), p->threads.n,
		       human_bytes(p->mm ? p->mm->pages.n * OHIB_PAGE_SIZE : 0, mem, sizeof(mem)), cmd);
	}
}

int cmd_image_ps(int argc, char **argv)
{
	struct common_opts o = { 0 };
	struct ohib_err err = { 0 };
	struct image_machine im;
	int r;

	common_opts_parse(&image_argp, doc, argc, argv, &o);
	r = image_machine_open(&o, &im, &err);
	if (r) {
		complain(&err);
		return exit_code_of(r);
	}
	if (o.json)
		json_print(report_processes(im.m));
	else
		print_table(im.m);
	image_machine_close(&im);
	return EXIT_OK;
}
