/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fault points (faults.def): what tests make go wrong, where and when. Compiled in with FAULTS=1 only, so that
 * nothing can trigger one in what is installed.
 *
 * A setting is NAME[:COUNT[:ACTION]]: at the COUNTth time (default 1) that the point is reached,
 *	fail	(default) it returns -EIO
 *	crash	the program aborts
 *	cut	QEMU is told and stops the machine there: to have its power cut, or its disk copied as a cut leaves it
 * ANY instead of a name is every point, each time. It is taken from the environment (OHIB_FAULT), else from the
 * kernel's command line or the firmware's OEM strings (ohib.fault=; QEMU: -smbios type=11,value=ohib.fault=…),
 * once, at the first point that is reached.
 */
#pragma once

#include "util/err.h"
#include "util/types.h"

enum fault {
#define FAULT(number, name, text) FAULT_##name = (number),
#include "util/faults.def"
#undef FAULT
};

#ifdef OHIB_FAULTS
/* 0, or -EIO told in @err (which may be NULL). */
int fault_point(enum fault f, struct ohib_err *err);
/* Instead of the sources above; NULL: none. -EINVAL: not a setting. */
int fault_set(const char *setting);
#else
static inline int fault_point(enum fault f, struct ohib_err *err)
{
	(void)f, (void)err;
	return 0;
}
#endif
