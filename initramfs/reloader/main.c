// SPDX-License-Identifier: GPL-2.0-only
/*
 * overlay-reload: brings a suspended machine back, from the initramfs of the kernel that it is to go
 * on under.
 * Context: root, in an initramfs, started by a hook; a static program.
 */
#include <argp.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "reloader/reloader.h"

static struct timespec begun;

double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (double)(now.tv_sec - begun.tv_sec) + (double)(now.tv_nsec - begun.tv_nsec) / 1e9;
}

void say(const char *fmt, ...)
{
	static int kmsg = -2;
	char line[700];
	va_list ap;
	int n;

	n = snprintf(line, sizeof(line), "<5>overlayctl: %7.3f s  ", seconds());
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	strcat(line, "\n");
	fputs(line + 3, stdout);
	fflush(stdout);
	if (kmsg == -2)
		kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	/* at debug level: the console has it already */
	line[1] = '7';
	if (kmsg >= 0 && write(kmsg, line, strlen(line)) < 0)
		kmsg = -1;
}

static const char doc[] =
	"Bring back the machine that is suspended in an overlay image.\v"
	"Commands:\n"
	"  resume      go on with it: --mode=switch under the kernel that runs now, --mode=exact under\n"
	"              the kernel that it was suspended under. Does not return when it succeeds.\n"
	"  unlock      ask for what opens a sealed image, and keep it for the other commands of this boot\n"
	"  mark-stale  an ordinary boot is going on: the image must not be resumed any more; one on trial only\n"
	"              with --discard, a merge that was cut short is finished\n"
	"  again       after an exact resume that was undone: is the machine to be started anew for another one?\n"
	"  attempts    print how many attempts to resume it were counted, if there were any\n"
	"  watch       (by resume) look after the layer of a trial\n"
	"  baseline    write down the kernel's own sysctls, before anybody has changed one\n\n"
	"Exit codes: 0 done (unlock, mark-stale, again, attempts, baseline), 1 failed and undone, 2 there is no image to resume, "
	"3 failed and this kernel is not fit to go on, 4 the image does not open or is not to be trusted, "
	"10 (mark-stale) a trial ended: resume exactly, 11 the file systems are half merged and must not be mounted.";

enum { OPT_IMAGE = 'i', OPT_MODE = 'm', OPT_REASON = 'r', OPT_DISCARD = 'd', OPT_ASK = 'a', OPT_KEEP = 'k' };

static const struct argp_option options[] = {
	{ "image", OPT_IMAGE, "DEVICE[:/FILE]", 0, "The overlay device, or a file by its path on the file system there", 0 },
	{ "mode", OPT_MODE, "switch|exact", 0, "How to resume", 0 },
	{ "reason", OPT_REASON, "TEXT", 0, "Why it is stale", 0 },
	{ "discard", OPT_DISCARD, NULL, 0, "Also when it is on trial", 0 },
	{ "keep", OPT_KEEP, NULL, 0, "The boot menu says that a merge was cut short: nothing may be mounted unless its end is seen", 0 },
	{ "ask", OPT_ASK, "COMMAND", 0, "Asks for a passphrase: its last argument is the prompt, its output is "
	  "the answer (default: the console)", 0 },
	{ 0 },
};

struct opts {
	const char *command, *image, *mode, *reason, *ask;
	bool discard, keep;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case OPT_IMAGE:
		o->image = arg;
		return 0;
	case OPT_MODE:
		o->mode = arg;
		return 0;
	case OPT_REASON:
		o->reason = arg;
		return 0;
	case OPT_DISCARD:
		o->discard = true;
		return 0;
	case OPT_KEEP:
		o->keep = true;
		return 0;
	case OPT_ASK:
		o->ask = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_usage(state);
		o->command = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { options, parse, "resume|unlock|mark-stale|again|attempts|baseline|watch", doc, NULL, NULL,
					  NULL };
	struct opts o = { .mode = "switch", .reason = "another system was booted" };

	clock_gettime(CLOCK_MONOTONIC_RAW, &begun);
	argp_err_exit_status = RELOAD_UNDONE;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (o.command && !strcmp(o.command, "baseline"))
		return reload_baseline();
	if (o.command && o.image && !strcmp(o.command, "unlock"))
		return reload_unlock(o.image, o.ask);
	if (o.command && o.image && !strcmp(o.command, "mark-stale"))
		return reload_mark_stale(o.image, o.reason, o.discard, o.keep, o.ask);
	if (o.command && o.image && !strcmp(o.command, "again"))
		return reload_again(o.image);
	if (o.command && o.image && !strcmp(o.command, "attempts"))
		return reload_attempts(o.image);
	if (o.command && o.image && !strcmp(o.command, "watch"))
		return reload_watch(o.image);
	if (o.command && o.image && !strcmp(o.command, "resume")) {
		if (!strcmp(o.mode, "switch"))
			return reload_switch(o.image);
		if (!strcmp(o.mode, "exact"))
			return reload_exact(o.image);
	}
	fprintf(stderr, "overlay-reload: see --help\n");
	return RELOAD_UNDONE;
}
