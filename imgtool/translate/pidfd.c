// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors of processes. Source: kernel/fork.c (pidfd_fops, the struct pid in private_data); from
 * 6.9 fs/pidfs.c (pidfs_file_operations, the struct pid in the inode: cb12fd8e0dab).
 */
#include <fcntl.h>
#include <string.h>

#include "translate/kinds.h"

#define PIDFD_THREAD O_EXCL	/* include/uapi/linux/pidfd.h, 6.9 */
#define PF_KTHREAD 0x00200000

static bool pidfd_match(struct xlate *x, u64 file, const char *fop, u32 mode)
{
	(void)x, (void)file, (void)mode;
	return !strcmp(fop, "pidfd_fops") || !strcmp(fop, "pidfs_file_operations");
}

static void pidfd_translate(struct xlate *x, u64 file, struct m_file *f)
{
	const char *fop = symbols_name(x->syms, x_u64(x, file, F_FILE_OP));
	u64 pid, task;

	if (fop && !strcmp(fop, "pidfs_file_operations"))
		pid = x_u64(x, f->inode_kaddr, F_INODE_PRIVATE);
	else
		pid = x_u64(x, file, F_FILE_PRIVATE);
	f->pid = x_u64(x, pid, F_PID_NR);
	task = x_pid_task(x, pid);
	if (!task)
		x_refuse(x, "is a pidfd of process %d, which has ended", f->pid);
	else if (x_u64(x, task, F_TASK_FLAGS) & PF_KTHREAD)
		x_refuse(x, "is a pidfd of kernel thread %d", f->pid);
	else if (f->flags & PIDFD_THREAD || (s32)x_u64(x, task, F_TASK_TGID) != f->pid)
		x_refuse(x, "is a pidfd of a single thread (%d), which cannot be carried yet", f->pid);
}

const struct xlate_kind xlate_kind_pidfd = {
	.kind = M_FILE_PIDFD,
	.name = "pidfd",
	.match = pidfd_match,
	.translate = pidfd_translate,
};
