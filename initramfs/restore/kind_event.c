// SPDX-License-Identifier: GPL-2.0-only
/* eventfd, signalfd, timerfd, pidfd: small counters and handles. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "kinds.h"

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, u64)
#endif

static int open_eventfd(struct restore *r, struct m_file *f, int *fd)
{
	u64 count = f->eventfd->count;

	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | (f->eventfd->semaphore ? EFD_SEMAPHORE : 0));
	if (*fd < 0)
		return r_fail(r, -errno, "cannot make an eventfd");
	if (count && write(*fd, &count, sizeof(count)) != sizeof(count)) {
		close(*fd);
		return r_fail(r, -errno, "cannot set an eventfd to %llu", (unsigned long long)count);
	}
	return 0;
}

static int open_signalfd(struct restore *r, struct m_file *f, int *fd)
{
	u64 mask = f->signalfd->mask;

	*fd = (int)syscall(SYS_signalfd4, -1, &mask, sizeof(mask), O_CLOEXEC);
	return *fd < 0 ? r_fail(r, -errno, "cannot make a signalfd") : 0;
}

static int open_timerfd(struct restore *r, struct m_file *f, int *fd)
{
	*fd = timerfd_create(f->timerfd->clock, TFD_CLOEXEC);
	return *fd < 0 ? r_fail(r, -errno, "cannot make a timerfd on clock %d", f->timerfd->clock) : 0;
}

static struct timespec to_ts(u64 ns)
{
	return (struct timespec){ (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };
}

/* Its clock has gone on since the snapshot: expirations in that time are ticks. */
static u64 time_left(const struct restore *r, const struct m_timerfd *tf, u64 *ticks)
{
	u64 gone = clock_gone(r, tf->clock), n;

	if (!tf->interval_ns || tf->value_ns > gone)
		return clock_left(r, tf->clock, tf->value_ns);
	n = (gone - tf->value_ns) / tf->interval_ns + 1;
	*ticks += n;
	return n * tf->interval_ns - (gone - tf->value_ns);
}

/*
 * On the realtime clocks an absolute expiry is the date that was asked for; on the others the time left
 * is the same thing. CLOCK_REALTIME_ALARM has no other than dates (alarm_start_relative). Who is to hear that the clock
 * was set hears of it when configuration settles (config/clock.c), whether he had to read of an earlier time or not.
 */
static int finish_timerfd(struct restore *r, struct m_file *f, struct rtask *t, int num)
{
	const struct m_timerfd *tf = f->timerfd;
	struct itimerspec its = { .it_interval = to_ts(tf->interval_ns) };
	bool date = tf->clock == CLOCK_REALTIME_ALARM || (tf->absolute && tf->clock == CLOCK_REALTIME);
	int fd = file_fd(r, f), flags = 0;
	u64 ticks = tf->ticks;

	(void)t;
	(void)num;
	if (tf->value_ns || tf->cancel_on_set) {
		if (tf->value_ns)
			its.it_value = to_ts(date ? tf->abs_ns : time_left(r, tf, &ticks));
		if (date)
			flags = TFD_TIMER_ABSTIME | (tf->cancel_on_set ? TFD_TIMER_CANCEL_ON_SET : 0);
		if (timerfd_settime(fd, flags, &its, NULL))
			return r_fail(r, -errno, "cannot arm a timerfd");
	}
	if (ticks && ioctl(fd, TFD_IOC_SET_TICKS, &ticks))
		return r_fail(r, -errno, "cannot set the ticks of a timerfd");
	return 0;
}

static int open_pidfd(struct restore *r, struct m_file *f, int *fd)
{
	*fd = (int)syscall(SYS_pidfd_open, f->pid, 0);
	return *fd < 0 ? r_fail(r, -errno, "cannot make a pidfd of process %d", f->pid) : 0;
}

const struct restore_kind kind_eventfd = {
	.id = M_FILE_EVENTFD, .name = "eventfd", .open = open_eventfd,
};
const struct restore_kind kind_signalfd = {
	.id = M_FILE_SIGNALFD, .name = "signalfd", .open = open_signalfd,
};
const struct restore_kind kind_timerfd = {
	.id = M_FILE_TIMERFD, .name = "timerfd", .open = open_timerfd, .finish = finish_timerfd,
};
const struct restore_kind kind_pidfd = { .id = M_FILE_PIDFD, .name = "pidfd", .open = open_pidfd };
