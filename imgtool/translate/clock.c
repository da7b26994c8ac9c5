// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's clocks as they stand in its memory, and what a timer has left by them.
 * In an image the timekeeper was suspended by the snapshot itself, so they are exact; on a running
 * kernel they are up to a tick old.
 * Source: kernel/time/timekeeping.c (timekeeping_suspend, timekeeping_get_ns), struct timekeeper.
 */
#include <errno.h>
#include <time.h>

#include "translate/xlate.h"

#define HRTIMER_STATE_ENQUEUED 1	/* include/linux/hrtimer.h */
#define ALARMTIMER_STATE_ENQUEUED 1	/* include/linux/alarmtimer.h */

/* CONFIG_HZ out of the timekeeper's step for each tick (tk_setup_internals); 0: none that is known. */
static u32 ticks_per_second(u64 tick_ns)
{
	static const u32 known[] = { 100, 250, 300, 1000 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		u64 ns = NSEC_PER_SEC / known[i];

		if (tick_ns > ns - ns / 20 && tick_ns < ns + ns / 20)
			return known[i];
	}
	return 0;
}

void xlate_clocks(struct xlate *x)
{
	struct x_clocks *c = &x->clocks;
	struct m_system *s = &x->m->system;
	/* tk_core is a struct without a name until 6.13: a sequence count, padded, and the timekeeper */
	u64 tk = x_sym(x, "tk_core") + (x_has(x, F_TK_DATA_TK) ? x->f->loc[F_TK_DATA_TK].offset : 8);
	u64 shift = x_u64(x, tk, F_TK_MONO_SHIFT);

	if (x_failed(x))
		return;
	if (shift > 32) {
		ohib_err_set(&x->err, -EINVAL, "the timekeeper makes no sense: shift %llu",
			     (unsigned long long)shift);
		return;
	}
	c->mono = x_sum(x_s64(x, tk, F_TK_MONO_BASE), (s64)(x_u64(x, tk, F_TK_MONO_NSEC) >> shift));
	c->real = x_sum(c->mono, x_s64(x, tk, F_TK_OFFS_REAL));
	c->boot = x_sum(c->mono, x_s64(x, tk, F_TK_OFFS_BOOT));
	c->tai = x_sum(c->mono, x_s64(x, tk, F_TK_OFFS_TAI));
	c->hz = ticks_per_second(x_u64(x, tk, F_TK_XTIME_INTERVAL) >> shift);
	/* a tool's own look at the clocks was earlier, and through its time namespace */
	s->monotonic_ns = c->mono;
	s->realtime_ns = c->real;
	s->boottime_ns = c->boot;
}

bool x_clock(struct xlate *x, s32 clock, struct x_clock *out)
{
	const struct m_system *s = &x->m->system;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_ALARM:
		*out = (struct x_clock){ clock, x->clocks.real, 0 };
		return true;
	case CLOCK_MONOTONIC:
		*out = (struct x_clock){ clock, x->clocks.mono, s->timens_monotonic_ns };
		return true;
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*out = (struct x_clock){ clock, x->clocks.boot, s->timens_boottime_ns };
		return true;
	case CLOCK_TAI:
		*out = (struct x_clock){ clock, x->clocks.tai, 0 };
		return true;
	}
	return false;
}

/*
 * The clock is that of the timer's base: a relative timer of CLOCK_REALTIME is one of CLOCK_MONOTONIC
 * under the hood (hrtimer_init).
 */
bool x_hrtimer(struct xlate *x, u64 hrtimer, s64 *expires, struct x_clock *c)
{
	u64 base = x_u64(x, hrtimer, F_HRTIMER_BASE);

	*c = (struct x_clock){ .id = base ? (s32)x_u64(x, base, F_HRTIMER_BASE_CLOCK) : -1 };
	*expires = x_s64(x, hrtimer, F_HRTIMER_EXPIRES);
	if (base && !x_clock(x, c->id, c))
		ohib_err_pid(&x->err, x->pid, -EINVAL, "%s: a timer of clock %d", x->object, c->id);
	return x_u64(x, hrtimer, F_HRTIMER_STATE) & HRTIMER_STATE_ENQUEUED;
}

bool x_alarm(struct xlate *x, u64 alarm, s64 *expires)
{
	*expires = x_s64(x, alarm, F_ALARM_EXPIRES);
	return x_u64(x, alarm, F_ALARM_STATE) & ALARMTIMER_STATE_ENQUEUED;
}

u64 x_left(s64 expires, s64 now)
{
	return expires > now ? (u64)expires - (u64)now : 1;
}

u64 x_forward(s64 *expires, s64 now, s64 interval)
{
	u64 n;

	if (interval <= 0 || now < *expires)
		return 0;
	n = ((u64)now - (u64)*expires) / interval + 1;
	*expires += n * interval;
	return n;
}
