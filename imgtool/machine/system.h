/* SPDX-License-Identifier: GPL-2.0-only */
/* What belongs to the machine rather than to a process. */
#pragma once

#include "util/types.h"
#include "util/vec.h"

struct m_swap_extent {
	u64 start_page, nr_pages, start_block;
};

struct m_swap_area {
	u32 type;		/* index in the image kernel's swap_info */
	char devname[64];	/* "vda3", or the path of a swap file */
	u8 uuid[16];
	bool file;
	s32 prio;
	u64 pages;
	VEC(struct m_swap_extent) extents; /* swap files */
};

struct m_system {
	char release[65], version[65], nodename[65], domainname[65], machine[65];
	u64 realtime_ns, monotonic_ns, boottime_ns;	/* at the snapshot */
	s64 timens_monotonic_ns, timens_boottime_ns;	/* offsets of the carried time namespace, if any */
	u32 pid_max;
	u32 last_pid;
	u8 *vdso;		/* the image kernel's 64-bit vdso, as it maps it */
	size_t vdso_len;
	VEC(struct m_swap_area) swaps;
	pid_t tool_pid;
	u64 tool_woken_va;	/* struct ohib_woken in the tool's address space */
};
