// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order of a hibernation, and its way back from every step.
 *
 *	what                            undone by
 *	0 swap on the overlay device    swapoff
 *	  page memory out               - (it comes back when it is used)
 *	1 claim the device: writing     abandon: none
 *	2 open /dev/snapshot            close (thaws as well)
 *	3 lock our memory               munlockall
 *	4 freeze processes              thaw
 *	5 symbols, config, more         -
 *	6 freeze file systems           thaw them
 *	7 copy memory                   drop the copy         ← the image is this moment
 *	8 write pages and index         -
 *	9 arm; the keys are wiped       abandon: stale, or go down  ← the image is the machine
 *	10 power off                    does not return
 *
 * The image holds this program standing in the ioctl of step 7, with one thread, no descriptor of
 * the image device, signals blocked, and the file systems frozen. Exact resume goes on from there
 * with everything as it was; after a switch the next kernel has its own file systems, which are not
 * frozen, and knows of no snapshot. From step 6 until the thaw nothing here may write to a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "capture/memory.h"
#include "capture/parts.h"
#include "image/unlock.h"
#include "seal/derive.h"
#include "seal/secret.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/file.h"

/* Where the reloader leaves word; static, so that its address is good for the life of the process.
 */
static volatile struct ohib_woken woken_word;

struct run {
	const struct capture_opts *opts;
	struct capture_report *report;
	struct ohib_writer *writer;
	struct snapshot snap;
	struct disk_fs_list disks;
	struct json_object *config;
	bool area;	/* there is one, on the overlay device */
	struct secret *area_key;	/* NULL: it is not encrypted, or its key is in the image by now */
	sigset_t old_mask;
	enum capture_stage stage;
	struct timespec stage_began;
};

static void stage_end(struct run *run)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	run->report->stage[run->stage] += (double)(now.tv_sec - run->stage_began.tv_sec) +
					  (double)(now.tv_nsec - run->stage_began.tv_nsec) / 1e9;
	run->stage_began = now;
}

static void stage_begin(struct run *run, enum capture_stage stage)
{
	stage_end(run);
	run->stage = stage;
	if (run->opts->progress)
		run->opts->progress(run->opts->arg, stage, 0, 0, run->report);
}

static void pages_progress(void *arg, u64 done, u64 total)
{
	struct run *run = arg;

	if (run->opts->progress)
		run->opts->progress(run->opts->arg, CAPTURE_WRITE, done, total, run->report);
}

static void paging_progress(void *arg, u64 done, u64 total)
{
	struct run *run = arg;

	run->report->paged_out = done;
	if (run->opts->progress)
		run->opts->progress(run->opts->arg, CAPTURE_PAGE_OUT, done, total, run->report);
}

/* Whole machine's memory in pages: the PFN list cannot be longer. */
static u64 machine_pages(void)
{
	_cleanup_free_ char *text = NULL;
	u64 top = 0, sum = 0;
	size_t len;

	/* Physical pages in use as RAM; MemTotal leaves out what the kernel reserved early. */
	if (!file_read_all("/proc/zoneinfo", &text, &len)) {
		for (char *p = text; (p = strstr(p, "present ")); p++)
			sum += strtoull(p + strlen("present "), NULL, 10);
	}
	top = (u64)sysconf(_SC_PHYS_PAGES);
	/* Reserved but saveable frames (kernel text, early allocations) are in it as well. */
	return (sum > top ? sum : top) + (16u << 20) / OHIB_PAGE_SIZE;
}

/* Signals are blocked: one that would end this program ends the paging. */
static bool interrupted(void)
{
	static const int nr[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction how;
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; i < ARRAY_SIZE(nr); i++)
		if (sigismember(&pending, nr[i]) && !sigaction(nr[i], NULL, &how) &&
		    how.sa_handler != SIG_IGN)
			return true;
	return false;
}

static const u8 *area_key(const struct run *run)
{
	return run->area_key ? run->area_key->data : NULL;
}

static int draw_area_key(struct run *run, struct ohib_err *err)
{
	int r = -ENOMEM;

	run->area_key = secret_create(XTS_KEY_BYTES);
	for (unsigned int at = 0; run->area_key && at < XTS_KEY_BYTES; at += DERIVE_BYTES) {
		r = derive_new_key(run->area_key->data + at);
		if (r)
			break;
	}
	return r ? ohib_err_set(err, r, "no key for the swap area: %s", strerror(-r)) : 0;
}

static int page_out(struct run *run, struct ohib_err *err)
{
	const struct capture_opts *o = run->opts;
	int r = 0;

	if (o->area.bytes && o->writer.locks && o->writer.locks->nr)
		r = draw_area_key(run, err);
	if (!r && o->area.bytes)
		r = area_begin(o->writer.path, &o->area, area_key(run), err);
	run->area = !r && o->area.bytes;
	if (!r)
		r = memory_page_out(paging_progress, run, interrupted, err);
	if (!r && interrupted())
		r = ohib_err_set(err, -EINTR, "interrupted");
	return r;
}

static int prepare(struct run *run, struct ohib_err *err)
{
	struct ohib_writer_opts wo = run->opts->writer;
	_cleanup_free_ char *machine_id = NULL;
	struct utsname un;
	size_t len;
	int r;

	uname(&un);
	if (!file_read_all("/etc/machine-id", &machine_id, &len))
		machine_id[strcspn(machine_id, "\n")] = '\0';
	if (!wo.image_kernel)
		wo.image_kernel = un.release;
	if (!wo.machine_id)
		wo.machine_id = machine_id;
	if (!wo.max_pages)
		wo.max_pages = machine_pages();
	if (run->area)
		wo.room = run->opts->area.offset;
	r = disk_fs_scan(&run->disks, err);
	if (!r)
		r = fault_point(FAULT_CLAIM, err);
	if (!r)
		r = ohib_writer_create(&wo, &run->writer, err);
	if (!r)
		r = fault_point(FAULT_OPEN, err);
	if (!r)
		r = snapshot_open(&run->snap, err);
	/* Page faults would read from disks whose drivers are suspended for a while. */
	if (!r && mlockall(MCL_CURRENT | MCL_FUTURE))
		r = ohib_err_set(err, -errno, "locking memory: %s", strerror(errno));
	return r;
}

static int config_write(struct run *run, struct ohib_err *err)
{
	const char *text;

	capture_config_clocks(run->config);
	text = json_object_to_json_string_ext(run->config, JSON_C_TO_STRING_PLAIN);
	if (!text)
		return ohib_err_set(err, -ENOMEM, "config section: out of memory");
	return ohib_writer_section(run->writer, OHIB_SEC_CONFIG, text, strlen(text), true, err);
}

static int freeze(struct run *run, struct ohib_err *err)
{
	const struct capture_opts *o = run->opts;
	int r;

	r = fault_point(FAULT_FREEZE, err);
	if (!r)
		r = snapshot_freeze(&run->snap, err);
	if (!r)
		r = disk_fs_recheck(&run->disks, err);
	if (!r)
		r = fault_point(FAULT_SYMBOLS, err);
	if (!r)
		r = capture_static_sections(run->writer, err);
	if (!r) {
		run->config = capture_config_create((const struct ohib_woken *)&woken_word, err);
		r = run->config ? 0 : -ENOMEM;
	}
	if (!r && run->area)
		r = area_tell(&o->area, run->area_key, run->config, err);
	if (!r && run->area_key)
		r = ohib_writer_section(run->writer, OHIB_SEC_SWAP_KEY, run->area_key->data, XTS_KEY_BYTES, false, err);
	if (!r)
		r = fault_point(FAULT_CONFIG, err);
	if (!r && o->config)
		r = o->config(o->arg, run->config, err);
	if (!r)
		r = fault_point(FAULT_GHOSTS, err);
	if (!r && o->sections)
		r = o->sections(o->arg, run->writer, err);
	if (!r)
		r = fault_point(FAULT_FREEZE_FS, err);
	if (!r)
		r = disk_fs_freeze(&run->disks, err);
	if (!r)
		r = fault_point(FAULT_IDENTITIES, err);
	if (!r)
		r = capture_fs_identities(&run->disks, run->config, err);
	if (!r)
		r = fault_point(FAULT_CONFIG_WRITE, err);
	if (!r)
		r = config_write(run, err);
	if (run->config)
		json_object_put(run->config);
	run->config = NULL;
	secret_free(run->area_key);
	run->area_key = NULL;
	run->report->nr_frozen_fs = (unsigned int)run->disks.fs.n;
	return r;
}

/* A failure of @what beside the one that is told already. */
static void add_failure(struct ohib_err *err, const struct ohib_err *what)
{
	size_t n = err ? strlen(err->msg) : 0;

	if (n)
		snprintf(err->msg + n, sizeof(err->msg) - n, "; and %s", what->msg);
	else
		ohib_err_set(err, what->code, "%s", what->msg);
}

/* Everything back, latest first. @after_switch: only what is this process's own is there to undo.
 */
static void undo(struct run *run, bool after_switch, struct ohib_err *err)
{
	struct ohib_err area = { 0 };

	if (after_switch)
		snapshot_forget(&run->snap);
	else
		snapshot_drop(&run->snap);
	disk_fs_thaw(&run->disks, false, NULL);
	snapshot_close(&run->snap);
	munlockall();
	disk_fs_free(&run->disks);
	ohib_writer_destroy(run->writer);
	secret_free(run->area_key);
	if (run->area && !after_switch) {
		stage_begin(run, CAPTURE_PAGE_IN);
		if (area_end(&area))
			add_failure(err, &area);
	}
	stage_end(run);
	sigprocmask(SIG_SETMASK, &run->old_mask, NULL);
}

static int go_down(struct run *run, struct ohib_err *err)
{
	static const int how[] = {
		[CAPTURE_POWER_OFF] = LINUX_REBOOT_CMD_POWER_OFF,
		[CAPTURE_REBOOT] = LINUX_REBOOT_CMD_RESTART,
		[CAPTURE_KEXEC] = LINUX_REBOOT_CMD_KEXEC,
	};

	reboot(how[run->opts->ending]);
	return ohib_err_set(err, -errno, "the machine does not go down: %s", strerror(errno));
}

/*
 * The kernel that was put back draws the random numbers that the one which was written drew after the copy,
 * the image's key among them, and its own PM notifier does not change that (drivers/char/random.c). So before
 * anybody else runs: the clocks go into its pool, and it is made to take a new key out of that.
 */
static void reseed(void)
{
	_cleanup_close_ int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	struct timespec now[2];

	if (fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now[0]);
	clock_gettime(CLOCK_MONOTONIC_RAW, &now[1]);
	if (write(fd, now, sizeof(now)) == sizeof(now))
		ioctl(fd, RNDRESEEDCRNG);
}

static void last_words(struct run *run, const struct ohib_err *err)
{
	if (run->opts->last_words)
		run->opts->last_words(run->opts->arg, err);
}

/*
 * The image goes before the machine does anything again: at no time may both of them be able to use the
 * file systems. So when the image may be armed and cannot be taken back, the machine goes down: it comes up
 * again out of the image, or, if that was not armed, as after a power cut.
 */
static void abandon(struct run *run, struct ohib_err *err)
{
	struct ohib_err why = {0};

	while (ohib_writer_abandon(run->writer, err ? err->msg : NULL, &why)) {
		add_failure(err, &why);
		if (!ohib_writer_may_be_armed(run->writer))
			return;
		last_words(run, &why);
		go_down(run, NULL);
		ohib_err_clear(&why);
		sleep(1);
	}
}

/*
 * The machine that was written goes on here, put back or over: what the snapshot's moment left. After an exact
 * resume it owns the file systems when its image is spent; if it cannot be, the attempt has failed and is made
 * again, as long as the boot menu counts.
 */
static int wake(struct run *run, struct ohib_woken *woken, struct ohib_err *err)
{
	bool switched = woken_word.mode == OHIB_WOKEN_SWITCH, on_trial;
	int fd, r = 0;

	woken->mode = woken_word.mode;
	memcpy(woken->kernel, (const char *)woken_word.kernel, sizeof(woken->kernel));
	woken->kernel[sizeof(woken->kernel) - 1] = '\0';
	woken_word.mode = OHIB_WOKEN_EXACT;
	if (!switched) {
		struct utsname un;

		reseed();
		uname(&un);
		snprintf(woken->kernel, sizeof(woken->kernel), "%s", un.release);
		/* What this kernel has cached of the image device is from before the image. */
		fd = open(run->opts->writer.path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			ioctl(fd, BLKFLSBUF, 0);
			close(fd);
		}
		/*
		 * This machine is the one owner from here on. Nothing else runs and the file
		 * systems are frozen still: had the jump failed until now, the image could have
		 * been tried again.
		 */
		r = fault_point(FAULT_WOKEN, err);
		if (!r)
			r = ohib_writer_spend(run->writer, &on_trial, err);
		if (r) {
			last_words(run, err);
			for (;;) {
				reboot(LINUX_REBOOT_CMD_RESTART);
				sleep(1);
			}
		}
		if (on_trial)
			woken->mode = OHIB_WOKEN_REVERTED;
		md_agree();
	}
	fault_point(FAULT_WOKEN_THAW, NULL);
	undo(run, switched, err);
	return 0;
}

int capture_hibernate(const struct capture_opts *opts, struct ohib_woken *woken,
		      struct capture_report *report, struct ohib_err *err)
{
	struct run run = {.opts = opts, .report = report, .snap = SNAPSHOT_CLOSED};
	bool is_woken = false;
	sigset_t all;
	int r;

	memset(report, 0, sizeof(*report));
	woken_word.mode = OHIB_WOKEN_EXACT;
	clock_gettime(CLOCK_MONOTONIC, &run.stage_began);
	run.stage = CAPTURE_PAGE_OUT;
	/* A ^C between the steps would leave a frozen machine, or one that swaps on the overlay device. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &run.old_mask);
	r = page_out(&run, err);
	if (!r) {
		stage_begin(&run, CAPTURE_PREPARE);
		r = prepare(&run, err);
	}
	if (!r) {
		stage_begin(&run, CAPTURE_FREEZE);
		r = freeze(&run, err);
	}
	if (!r) {
		stage_begin(&run, CAPTURE_SNAPSHOT);
		r = fault_point(FAULT_COPY, err);
		if (!r)
			r = snapshot_create(&run.snap, &is_woken, err);
		/* The reloader's word counts, whatever the ioctl came back with. */
		if (woken_word.mode == OHIB_WOKEN_SWITCH || (!r && is_woken)) {
			ohib_err_clear(err);
			return wake(&run, woken, err);
		}
	}
	if (!r) {
		stage_begin(&run, CAPTURE_WRITE);
		r = fault_point(FAULT_WRITE, err);
		if (!r)
			r = ohib_writer_snapshot_taken(run.writer, err);
	}
	if (!r) {
		r = snapshot_copy(&run.snap, run.writer, pages_progress, &run, err);
		ohib_writer_stats(run.writer, &report->image);
	}
	if (!r) {
		stage_begin(&run, CAPTURE_ARM);
		r = fault_point(FAULT_ARM, err);
		if (!r)
			r = ohib_writer_arm(run.writer, err);
		ohib_writer_stats(run.writer, &report->image);
	}
	if (!r) {
		stage_begin(&run, CAPTURE_DOWN);
		r = fault_point(FAULT_DOWN, err);
		if (!r)
			r = go_down(&run, err);
	}

	if (run.writer)
		abandon(&run, err);
	if (r && err && !err->code)
		ohib_err_set(err, r, "it did not say why");
	undo(&run, false, err);
	return r;
}

int capture_check(struct ohib_err *err)
{
	struct disk_fs_list l = {0};
	int r = disk_fs_scan(&l, err);

	if (!r)
		r = capture_fs_check(&l, err);
	disk_fs_free(&l);
	return r ? r : capture_allowed(err);
}
