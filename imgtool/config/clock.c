// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wall clock: how far it stood from the hardware's, and how it was disciplined.
 *
 *	clock: {ahead_s, minutes_west, dst, freq, tick, tai}
 *
 * The next kernel sets its clock from the hardware's. Somebody may have set only the kernel's (date,
 * or NTP without write-back), so the distance is kept, as a kernel does over its own suspend
 * (timekeeping_resume).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "config/parts.h"

#define SINCE_EPOCH "/sys/class/rtc/rtc0/since_epoch"

/* False: there is no such clock. */
static bool ahead_of_rtc(s64 *seconds)
{
	char text[32];

	if (text_line(SINCE_EPOCH, text, sizeof(text)))
		return false;
	*seconds = (s64)time(NULL) - strtoll(text, NULL, 10);
	return true;
}

static int capture(struct json_object **out, struct ohib_err *err)
{
	struct json_object *o = json_object_new_object();
	struct timex t = { 0 };
	struct timezone tz = { 0 };
	s64 ahead;

	(void)err;
	if (ahead_of_rtc(&ahead))
		js_add_int(o, "ahead_s", ahead);
	/* The C library has its own idea of a timezone. */
	if (!syscall(SYS_gettimeofday, NULL, &tz)) {
		js_add_int(o, "minutes_west", tz.tz_minuteswest);
		js_add_int(o, "dst", tz.tz_dsttime);
	}
	if (adjtimex(&t) >= 0) {
		js_add_int(o, "freq", t.freq);
		js_add_int(o, "tick", t.tick);
		js_add_int(o, "tai", t.tai);
	}
	*out = o;
	return 0;
}

static void adjust(struct config_run *run)
{
	s64 freq = js_int(run->mine, "freq"), tick = js_int(run->mine, "tick"),
	    tai = js_int(run->mine, "tai");
	struct timex now = { 0 }, t = { 0 };

	if (adjtimex(&now) < 0)
		return;
	if (freq != now.freq) {
		t.modes |= ADJ_FREQUENCY;
		t.freq = freq;
	}
	if (tick && tick != now.tick) {
		t.modes |= ADJ_TICK;
		t.tick = tick;
	}
	if (t.modes && adjtimex(&t) < 0)
		config_note(run, "clock", "its rate cannot be set: %s", strerror(errno));
	/* The offset to TAI is handed in where others hand in the time constant. */
	if (tai != now.tai) {
		t = (struct timex){ .modes = ADJ_TAI, .constant = tai };
		if (adjtimex(&t) < 0)
			config_note(run, "clock", "its offset to TAI cannot be set: %s",
				    strerror(errno));
	}
}

static int prepare(struct config_run *run)
{
	struct timezone tz = { .tz_minuteswest = (int)js_int(run->mine, "minutes_west"),
			       .tz_dsttime = (int)js_int(run->mine, "dst") };
	struct timezone utc = { 0 }, now = { 0 };
	s64 ahead, was = js_int(run->mine, "ahead_s");

	if (!run->mine)
		return 0;
	syscall(SYS_gettimeofday, NULL, &now);
	if (now.tz_minuteswest != tz.tz_minuteswest || now.tz_dsttime != tz.tz_dsttime) {
		/* The first one ever would move the clock: do_sys_settimeofday64(). */
		syscall(SYS_settimeofday, NULL, &utc);
		syscall(SYS_settimeofday, NULL, &tz);
	}
	adjust(run);
	/* Both are read in whole seconds, at different moments: less than two is nothing. */
	if (json_object_object_get_ex(run->mine, "ahead_s", NULL) && ahead_of_rtc(&ahead) &&
	    llabs(was - ahead) >= 2) {
		struct timespec t;

		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec += was - ahead;
		if (clock_settime(CLOCK_REALTIME, &t))
			config_left(run, "clock", "%lld seconds ahead of the hardware's: %s",
				    (long long)was, strerror(errno));
	}
	return 0;
}

/*
 * Whoever waits for the clock to be set (TFD_TIMER_CANCEL_ON_SET) hears of the time that was slept through, as behind any
 * suspend (timerfd_resume). Only a clock that differs is told of (timerfd_clock_was_set): by a nanosecond.
 */
static int settle(struct config_run *run)
{
	struct timex t = { .modes = ADJ_SETOFFSET | ADJ_NANO, .time.tv_usec = 1 };

	if (adjtimex(&t) < 0)
		config_note(run, "clock", "timers that end when it is set do not: %s", strerror(errno));
	return 0;
}

const struct config_noun config_clock = {
	.key = "clock",
	.capture = capture,
	.stage = { [CONFIG_PREPARE] = prepare, [CONFIG_SETTLE] = settle },
};
