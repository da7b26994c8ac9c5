// SPDX-License-Identifier: GPL-2.0-only
/* Timers as a descriptor. Source: fs/timerfd.c. */
#include <string.h>
#include <time.h>
#include <sys/timerfd.h>

#include "translate/kinds.h"

static bool timerfd_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)x, (void)file, (void)mode;
	return !strcmp(fop, "timerfd_fops");
}

/*
 * A timer that has expired is not started again before somebody reads it, although it has an interval:
 * the periods that have passed since are counted then (timerfd_read, do_timerfd_gettime). Here as there.
 */
static void arm(struct xlate *x, u64 ctx, struct m_timerfd *t)
{
	bool alarm = t->clock == CLOCK_REALTIME_ALARM || t->clock == CLOCK_BOOTTIME_ALARM;
	struct x_clock c;
	s64 expires;
	bool active;

	if (!x_clock(x, t->clock, &c)) {
		x_refuse(x, "is a timer of clock %d, which is not known", t->clock);
		return;
	}
	if (alarm)
		active = x_alarm(x, x_addr(x, ctx, F_TIMERFD_ALARM), &expires);
	else
		active = x_hrtimer(x, x_addr(x, ctx, F_TIMERFD_TMR), &expires, &c);
	if (!active && x_u64(x, ctx, F_TIMERFD_EXPIRED) && t->interval_ns) {
		u64 n = x_forward(&expires, c.now, t->interval_ns);

		t->ticks += n ? n - 1 : 0;
		active = true;
	}
	if (!active)
		return;
	t->value_ns = x_left(expires, c.now);
	t->abs_ns = x_sum(expires, c.user_offset);
}

static void timerfd_translate(struct xlate *x, u64 file, struct m_file *f)
{
	u64 ctx = x_u64(x, file, F_FILE_PRIVATE);
	struct m_timerfd *t = x_new(x, struct m_timerfd);
	u32 flags = x_u64(x, ctx, F_TIMERFD_SETTIME_FLAGS);
	s64 interval = x_s64(x, ctx, F_TIMERFD_INTERVAL);

	f->timerfd = t;
	if (!t)
		return;
	t->clock = x_s64(x, ctx, F_TIMERFD_CLOCK);
	t->ticks = x_u64(x, ctx, F_TIMERFD_TICKS);
	t->interval_ns = interval > 0 ? interval : 0;
	t->absolute = flags & TFD_TIMER_ABSTIME;
	t->cancel_on_set = x_u64(x, ctx, F_TIMERFD_MIGHT_CANCEL);
	if (flags & ~(u32)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		x_refuse(x, "is a timer with flags %#x, which are not known", flags);
	arm(x, ctx, t);
}

const struct xlate_kind xlate_kind_timerfd = {
	.kind = M_FILE_TIMERFD,
	.name = "timerfd",
	.match = timerfd_match,
	.translate = timerfd_translate,
};
