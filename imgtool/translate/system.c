// SPDX-License-Identifier: GPL-2.0-only
/* What belongs to the machine rather than to a process: names, clocks, PID numbers. */
#include <stdio.h>
#include <string.h>

#include "translate/xlate.h"

static void uts(struct xlate *x, u64 uts_ns)
{
	struct m_system *s = &x->m->system;
	u64 name = x_addr(x, uts_ns, F_UTS_NAME);

	x_bytes(x, name, F_UTSNAME_NODENAME, s->nodename, sizeof(s->nodename) - 1);
	x_bytes(x, name, F_UTSNAME_RELEASE, s->release, sizeof(s->release) - 1);
	x_bytes(x, name, F_UTSNAME_VERSION, s->version, sizeof(s->version) - 1);
	x_bytes(x, name, F_UTSNAME_MACHINE, s->machine, sizeof(s->machine) - 1);
	x_bytes(x, name, F_UTSNAME_DOMAIN, s->domainname, sizeof(s->domainname) - 1);
}

/*
 * Offsets of the carried system's time namespace: PID 1's. In the initial one they are zero; a second
 * switch reads here what the first one set.
 */
static void time_offsets(struct xlate *x, u64 time_ns)
{
	struct m_system *s = &x->m->system;

	s->timens_monotonic_ns = x_ns(x_s64(x, time_ns, F_TIMENS_MONO_SEC),
				      x_s64(x, time_ns, F_TIMENS_MONO_NSEC));
	s->timens_boottime_ns = x_ns(x_s64(x, time_ns, F_TIMENS_BOOT_SEC),
				     x_s64(x, time_ns, F_TIMENS_BOOT_NSEC));
}

/* VT_LOCKSWITCH (drivers/tty/vt/vt_ioctl.c): nobody may be let past a screen that was locked so. */
static void console_lock(struct xlate *x)
{
	u64 at = symbols_addr(x->syms, "vt_dont_switch");
	u8 locked = 0;

	if (at)
		x_read(x, at, &locked, sizeof(locked), "vt_dont_switch");
	if (locked) {
		x_object(x, "virtual consoles");
		x_refuse(x, "are locked against switching (VT_LOCKSWITCH), which cannot be carried yet");
	}
}

void xlate_system(struct xlate *x)
{
	struct m_system *s = &x->m->system;
	u64 init_pid_ns = x_sym(x, "init_pid_ns"), nsproxy, pid_max;
	u64 task = x->init_task;

	nsproxy = x_u64(x, task, F_TASK_NSPROXY);
	uts(x, x_u64(x, nsproxy, F_NS_UTS));
	time_offsets(x, x_u64(x, nsproxy, F_NS_TIME));
	/* idr_next is the number to try next: alloc_pid() in kernel/pid.c */
	s->last_pid = (u32)x_u64(x, init_pid_ns, F_PIDNS_IDR_NEXT) - 1;
	if (x_has(x, F_PIDNS_PID_MAX)) {
		s->pid_max = x_u64(x, init_pid_ns, F_PIDNS_PID_MAX);
	} else {
		pid_max = x_sym(x, "pid_max");
		x_read(x, pid_max, &s->pid_max, sizeof(s->pid_max), "pid_max");
	}
	if (x_has(x, F_PIDNS_BACCT) && x_u64(x, init_pid_ns, F_PIDNS_BACCT)) {
		x_object(x, "process accounting");
		x_refuse(x, "is on, which cannot be carried yet: accton off");
	}
	console_lock(x);
	xlate_vdso(x);
}

/* The image kernel's vdso: what a thread may stand in, and where programs keep pointers to. */
void xlate_vdso(struct xlate *x)
{
	struct m_system *s = &x->m->system;
	u64 image = x_sym(x, "vdso_image_64");
	u64 size = x_u64(x, image, F_VDSO_SIZE);

	if (x_failed(x) || size > (1u << 20))
		return;
	s->vdso = x_alloc(x, size);
	if (!s->vdso)
		return;
	s->vdso_len = size;
	x_read(x, x_u64(x, image, F_VDSO_DATA), s->vdso, size, "vdso_image.data");
}
