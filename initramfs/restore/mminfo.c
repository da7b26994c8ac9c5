// SPDX-License-Identifier: GPL-2.0-only
/* What an address space says of itself: the layout, arguments, auxiliary vector and exe link. */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "engine.h"

/* prctl_mm_map with the pointer as u64; linux/prctl.h has it, but not every libc's copy. */
struct mm_map {
	u64 start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	u64 arg_start, arg_end, env_start, env_end, auxv;
	u32 auxv_size, exe_fd;
};

/*
 * The creator's program, still mapped: the kernel refuses to change the link then, and need not.
 * Context: p->mm is what the process was born with.
 */
static bool has_exe(const struct rproc *p)
{
	const struct m_file *a = p->mm ? p->mm->exe : NULL, *b = p->m->mm->exe;

	return a && b && (a == b || (a->inode_kaddr && a->inode_kaddr == b->inode_kaddr));
}

/*
 * The auxiliary vector up to its end: what is behind is room for entries of a later kernel, and this
 * kernel takes no more than it has room for itself (prctl_set_mm_map).
 */
static u32 auxv_size(const struct m_mm *mm)
{
	u32 i;

	for (i = 0; i + 1 < mm->auxv_len && mm->auxv[i]; i += 2)
		;
	return (i + 2 < mm->auxv_len ? i + 2 : mm->auxv_len) * (u32)sizeof(u64);
}

int mminfo_set(struct restore *r, struct rproc *p)
{
	struct rtask *t = r_leader(p);
	const struct m_mm *mm = p->m->mm;
	struct mm_map map = {
		.start_code = mm->start_code, .end_code = mm->end_code,
		.start_data = mm->start_data, .end_data = mm->end_data,
		.start_brk = mm->start_brk, .brk = mm->brk, .start_stack = mm->start_stack,
		.arg_start = mm->arg_start, .arg_end = mm->arg_end,
		.env_start = mm->env_start, .env_end = mm->env_end,
		.auxv_size = auxv_size(mm), .exe_fd = ~0u,
	};
	s64 num = -1, ret;
	u64 va;
	int fd;

	if (mm->exe && !has_exe(p)) {
		ret = file_map_fd(r, mm->exe, O_RDONLY, &fd);
		if (ret)
			return (int)ret;
		num = file_send(r, t, fd);
		if (num < 0)
			return r_fail_pid(r, p->pid, (int)num, "cannot take its program file");
		map.exe_fd = (u32)num;
	}
	map.auxv = remote_put(t, 512, mm->auxv, map.auxv_size);
	va = remote_put(t, 0, &map, sizeof(map));
	ret = remote_syscall(t, SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, va, sizeof(map), 0);
	if (num >= 0)
		remote_syscall(t, SYS_close, num);
	if (ret < 0)
		return r_fail_pid(r, p->pid, (int)ret, "its memory layout is not accepted (program %s)",
				  mm->exe && mm->exe->path ? mm->exe->path->path : "?");
	ret = remote_syscall(t, SYS_prctl, PR_SET_THP_DISABLE, mm->thp_disabled);
	if (!ret && mm->def_flags_lock)
		/* MCL_FUTURE for what comes; what is there was locked mapping by mapping. */
		ret = remote_syscall(t, SYS_mlockall, mm->def_flags_lock & ~1u);
	return ret < 0 ? r_fail_pid(r, p->pid, (int)ret, "cannot set its memory's defaults") : 0;
}
