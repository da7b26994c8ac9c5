// SPDX-License-Identifier: GPL-2.0-only
/*
 * overlayctl hibernate: preflight, capture, down; and what is said when the machine is awake again.
 * Never: writes to stdout or stderr between freezing and the end, unless it is the console: whoever
 * reads the other end of a pipe or pty is frozen, and a file's file system too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture.h"
#include "cmd/cmd.h"
#include "cmd/preflight.h"
#include "config/config.h"
#include "ghost/ghost.h"
#include "image/locate.h"
#include "util/cleanup.h"

static const char doc[] =
	"Suspend this machine into the overlay image and switch it off.\v"
	"Without --next-kernel the next boot puts it back exactly as it was, under the same "
	"kernel. With it, its "
	"processes go on under another kernel: VERSION is a release or a series (6.12); without it "
	"the newest "
	"installed kernel but the running one is meant.\n\n"
	"First everything that `overlayctl check' does; then processes and file systems are "
	"frozen, memory is "
	"copied and written, and at last the image is armed: the boot menu then resumes it by "
	"itself. If anything "
	"fails before that, the machine goes on as if nothing had been.\n\n"
	"This command returns in the machine that was woken, and says under which kernel.\n\n"
	"Exit codes: 0 woken, 1 failed and the machine is as it was, 3 refused beforehand, 6 suspended, but the switch "
	"failed and the machine is as it was, 2 usage.";

struct opts {
	struct common_opts common;
	struct preflight p;
	struct refusals frozen;
	struct capture_opts c;
	struct key_policy keys;
	struct ohib_locks locks;
};

enum { OPT_REBOOT = 256, OPT_KEXEC, OPT_CHUNK, OPT_ACCELERATION };

static const struct argp_option options[] = {
	{"next-kernel", 'n', "VERSION", OPTION_ARG_OPTIONAL, "Go on under another kernel", 0},
	{"reboot", OPT_REBOOT, NULL, 0, "Reboot at once instead of switching off", 0},
	{"kexec", OPT_KEXEC, NULL, 0, "Start the kernel that was loaded with kexec -l", 0},
	{"threads", 't', "N", 0, "Compressing threads (default: one per CPU)", 2},
	{"chunk-pages", OPT_CHUNK, "N", 0, "Pages compressed together, 1 to 64 (default 32)", 2},
	{"acceleration", OPT_ACCELERATION, "N", 0,
	 "LZ4: higher is quicker and larger (default: by what is slower, disk or CPU)", 2},
	{0},
};

static const struct argp_child children[] = {{&keyed_argp, 0, NULL, 0}, {&trial_argp, 0, NULL, 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		state->child_inputs[1] = &o->p;
		return 0;
	case 'n':
		o->p.wants_switch = true;
		o->p.wanted_kernel = arg;
		return 0;
	case OPT_REBOOT:
		o->c.ending = CAPTURE_REBOOT;
		return 0;
	case OPT_KEXEC:
		o->c.ending = CAPTURE_KEXEC;
		o->p.no_menu = true;
		return 0;
	case 't':
		o->c.writer.nr_threads = (unsigned int)strtoul(arg, NULL, 10);
		return 0;
	case OPT_CHUNK:
		o->c.writer.chunk_pages = (unsigned int)strtoul(arg, NULL, 10);
		if (o->c.writer.chunk_pages < 1 || o->c.writer.chunk_pages > 64)
			argp_error(state, "--chunk-pages=%s: 1 to 64", arg);
		return 0;
	case OPT_ACCELERATION:
		o->c.writer.acceleration = atoi(arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* Files without a name are kept in memory until the image is written. */
#define TRIES 5

/* --- progress on the console */

static struct {
	int fd; /* /dev/console; -1: none */
	struct timespec began, last;
} console = {.fd = -1};

static const char *const stage_names[CAPTURE_NR_STAGES] = {
	[CAPTURE_PAGE_OUT] = "paging out",
	[CAPTURE_PREPARE] = "preparing",       [CAPTURE_FREEZE] = "freezing",
	[CAPTURE_SNAPSHOT] = "copying memory", [CAPTURE_WRITE] = "writing",
	[CAPTURE_ARM] = "arming the image",    [CAPTURE_DOWN] = "going down",
	[CAPTURE_PAGE_IN] = "getting back what was paged out to the overlay device",
};

/*
 * Straight to the console, without waiting for it: a pty's reader is frozen, a file's file system
 * is. It is opened for each line, so that the image holds no descriptor of it.
 */
__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	char line[256];
	va_list ap;
	int n;

	if (fd < 0)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0 && write(fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1) < 0)
		n = 0; /* nobody is there to be told */
	close(fd);
}

static double seconds(const struct timespec *a, const struct timespec *b)
{
	return (double)(b->tv_sec - a->tv_sec) + (double)(b->tv_nsec - a->tv_nsec) / 1e9;
}

static void tell_paging(const struct timespec *now, u64 done, u64 total)
{
	if (!done) {
		console.began = console.last = *now;
	} else if (seconds(&console.last, now) < 0.5 && done < total) {
		return;
	}
	console.last = *now;
	say("\roverlayctl: paging out %llu of %llu MB ", (unsigned long long)(done >> 20),
	    (unsigned long long)(total >> 20));
}

static void progress(void *arg, enum capture_stage stage, u64 done, u64 total,
		     const struct capture_report *report)
{
	struct timespec now;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (stage == CAPTURE_PAGE_OUT) {
		tell_paging(&now, done, total);
		return;
	}
	if (stage == CAPTURE_PREPARE && report->paged_out)
		say("\roverlayctl: paged out %llu MB in %.2f s                \r\n",
		    (unsigned long long)(report->paged_out >> 20), report->stage[CAPTURE_PAGE_OUT]);
	if (stage == CAPTURE_WRITE && total) {
		if (seconds(&console.last, &now) < 0.5)
			return;
		console.last = now;
		say("\roverlayctl: writing %3.0f %%  %.0f MB/s ",
		    100.0 * (double)done / (double)total,
		    (double)done * 4096 / 1e6 / seconds(&console.began, &now));
		return;
	}
	if (stage == CAPTURE_WRITE)
		console.began = console.last = now;
	if (stage == CAPTURE_DOWN) {
		const struct ohib_writer_stats *s = &report->image;
		double t = report->stage[CAPTURE_WRITE];

		say("\roverlayctl: wrote %.0f MB as %.0f MB in %.2f s (%.0f MB/s)   \r\n",
		    (double)s->raw_bytes / 1e6, (double)s->disk_bytes / 1e6, t,
		    (double)s->raw_bytes / 1e6 / t);
		say("overlayctl: prepare %.2f s, freeze %.2f s, copy %.2f s, write %.2f s, arm "
		    "%.2f s\r\n",
		    report->stage[CAPTURE_PREPARE], report->stage[CAPTURE_FREEZE],
		    report->stage[CAPTURE_SNAPSHOT], t, report->stage[CAPTURE_ARM]);
	}
	say("overlayctl: %s\r\n", stage_names[stage]);
}

static void last_words(void *arg, const struct ohib_err *err)
{
	(void)arg;
	say("\r\noverlayctl: %.200s\r\n", err->msg);
	say("overlayctl: the image may be a machine that can be resumed: this one goes down\r\n");
}

/*
 * User space stands still now: look once more, so that what came in between is not found only when the machine
 * is down. -EBUSY: something came up in between, told in o->frozen.
 */
static int add_config(void *arg, struct json_object *config, struct ohib_err *err)
{
	struct refusals unused = { 0 };	/* told before */
	struct opts *o = arg;
	int r;

	r = preflight_frozen(&o->p, &o->frozen, err);
	if (!r)
		r = config_check(o->p.next_kernel, &o->frozen, &unused, err);
	refusals_free(&unused);
	if (!r && refused(&o->frozen))
		r = ohib_err_set(err, -EBUSY, "%zu objects cannot be carried", o->frozen.list.n);
	return r ? r : config_capture(config, err);
}

/* Contents that no name leads to any more would go with the old kernel. */
static int add_ghosts(void *arg, struct ohib_writer *w, struct ohib_err *err)
{
	_cleanup_free_ void *data = NULL;
	size_t len;
	int r;

	(void)arg;
	r = ghosts_collect(GHOSTS_BYTES_MAX, &data, &len, err);
	if (!r && data)
		r = ohib_writer_section(w, OHIB_SEC_GHOSTS, data, len, true, err);
	return r;
}

static int capture(struct opts *o, struct ohib_woken *woken, struct capture_report *report,
		   struct ohib_err *err)
{
	o->c.arg = o;
	o->c.area = o->p.area;
	o->c.writer.path = o->p.path;
	o->c.writer.device = o->p.name;
	o->c.writer.image_kernel = o->p.image_kernel;
	o->c.writer.next_kernel = o->p.next_kernel;
	o->c.writer.trial = o->p.trial;
	o->c.writer.trial_bytes = o->p.trial_bytes;
	o->c.writer.locks = &o->locks;
	o->c.progress = progress;
	o->c.last_words = last_words;
	if (o->p.wants_switch) {
		o->c.config = add_config;
		o->c.sections = add_ghosts;
	}
	return capture_hibernate(&o->c, woken, report, err);
}

static void announce(const struct opts *o)
{
	const struct preflight *p = &o->p;

	if (!o->locks.nr)
		printf("The image is not encrypted (no key= in " OHIB_CONF "): whoever can read %s can read all that "
		       "is in memory.\n", p->path);
	if (p->next_kernel[0])
		printf("Suspending to %s; to go on under Linux %s%s\n", p->name, p->next_kernel,
		       p->trial ? ", on trial" : "");
	else
		printf("Suspending to %s\n", p->name);
	preflight_print(p);
	preflight_print_paging(p);
	fflush(stdout);
}

/* What the user is to know of a trial that begins, or has ended, or never came to be. */
static void print_trial(const struct preflight *p, bool begins)
{
	struct ohib_image_info info;

	if (begins)
		printf("on trial: overlayctl keep stays here; overlayctl revert, or any reboot, brings the "
		       "machine back as it was under Linux %s\n", p->image_kernel);
	else if (!ohib_image_peek(p->path, &info, NULL) && info.reason[0])
		printf("this is the machine as it was before the switch: %s\n", info.reason);
	else
		printf("this is the machine as it was before the switch\n");
}

/* It was to go on under the next kernel, and has come back under its own. */
static int not_switched(const struct preflight *p)
{
	struct ohib_image_info info;

	fprintf(stderr, "overlayctl: the switch to Linux %s failed: %s\n", p->next_kernel,
		!ohib_image_peek(p->path, &info, NULL) && info.reason[0] ? info.reason :
		"the old kernel was chosen in the boot menu, or the next one did not come up");
	fprintf(stderr, "overlayctl: the machine goes on as it was\n");
	return EXIT_OLD_KERNEL;
}

/*
 * What stands against it may be gone in a moment (an event not read yet, a helper that is about to
 * end), so it is tried a few times before it is a refusal.
 */
int cmd_hibernate(int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL, doc, children, NULL, NULL };
	struct capture_report report;
	struct ohib_woken woken = { 0 };
	struct ohib_err err = { 0 };
	struct opts o = { 0 };
	bool announced = false;
	int r, try, code;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	o.p.device = o.common.device;
	o.p.keys = &o.keys;
	if (keys_from_opts(&o.common, &o.keys, &err)) {
		complain(&err);
		return EXIT_FAILED;
	}
	/* What an earlier one could not get back; where it still cannot, preflight says so. */
	area_end(NULL);
	for (try = 1;; try++) {
		r = preflight_run(&o.p, &err);
		if (r)
			break;
		if (!refused(&o.p.refusals)) {
			if (!announced) {
				r = key_locks_make(&o.keys, true, &o.locks, &err);
				if (r)
					break;
				announce(&o);
				announced = true;
			}
			r = capture(&o, &woken, &report, &err);
			if (r != -EBUSY || !refused(&o.frozen))
				break;
			take_refusals(&o.p.refusals, &o.frozen);
		}
		if (try == TRIES)
			break;
		preflight_free(&o.p);
		ohib_err_clear(&err);
		usleep(400000);
	}
	explicit_bzero(&o.locks, sizeof(o.locks));
	if (refused(&o.p.refusals)) {
		preflight_print(&o.p);
		fprintf(stderr, "overlayctl: refused; nothing was changed\n");
		code = EXIT_REFUSED;
	} else if (r) {
		complain(&err);
		fprintf(stderr, "overlayctl: the machine goes on as it was\n");
		code = EXIT_FAILED;
	} else {
		if (err.code)
			complain(&err);
		printf("resumed under Linux %s\n", woken.kernel);
		code = EXIT_OK;
		if (o.p.wants_switch && woken.mode == OHIB_WOKEN_EXACT)
			code = not_switched(&o.p);
		else if (o.p.trial)
			print_trial(&o.p, woken.mode == OHIB_WOKEN_SWITCH);
	}
	preflight_free(&o.p);
	return code;
}
