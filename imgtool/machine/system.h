/* SPDX-License-Identifier: GPL-2.0-only */
/* What belongs to the machine rather than to a process. */
#pragma once

#include "util/types.h"
#include "util/vec.h"

/* Slots in a row that are in a row on the device too; blocks are pages. */
struct m_swap_extent {
	u64 start_page, nr_pages, start_block;
};

struct m_swap_area {
	u32 type;		/* index in the image kernel's swap_info */
	char devname[64];	/* kernel's name of the device; of a file that of its file system's */
	char *path;		/* as swapon was told it */
	u8 uuid[16];		/* of the swap header; not in memory: see swap/swap.h */
	bool has_uuid;
	char partuuid[40];	/* of the partition; empty: not known */
	u8 fs_uuid[16];		/* of a file's file system */
	bool has_fs_uuid;
	bool file;
	bool passing;		/* was there for the hibernation alone: read, but not to be swapped on */
	u64 first_block;	/* of a passing one, on its device; extents count from the device's beginning */
	bool encrypted;		/* see seal/xts.h */
	s32 prio;
	u32 swapon_flags;	/* SWAP_FLAG_* that bring priority and discarding back */
	u64 pages;		/* slots, the header's among them */
	u64 used;		/* slots in use */
	VEC(struct m_swap_extent) extents; /* rising */
};

struct m_system {
	char release[65], version[65], nodename[65], domainname[65], machine[65];
	u64 realtime_ns, monotonic_ns, boottime_ns;	/* the kernel's own, at the snapshot */
	s64 timens_monotonic_ns, timens_boottime_ns;	/* offsets of the carried time namespace, if any */
	u32 pid_max;
	u32 last_pid;
	u32 nr_kernel_tasks;	/* kernel threads of the image kernel */
	u8 *vdso;		/* the image kernel's 64-bit vdso, as it maps it */
	size_t vdso_len;
	VEC(struct m_swap_area) swaps;
	pid_t tool_pid;
	u64 tool_woken_va;	/* struct ohib_woken in the tool's address space */
};
