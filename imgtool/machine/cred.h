/* SPDX-License-Identifier: GPL-2.0-only */
/* Credentials of a thread or of an open file. */
#pragma once

#include "util/types.h"

struct m_cred {
	u64 kaddr;
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	u32 nr_groups;
	u32 *groups;
	u64 cap_inheritable, cap_permitted, cap_effective, cap_bset, cap_ambient;
	u32 securebits;
};
