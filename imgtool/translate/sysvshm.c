// SPDX-License-Identifier: GPL-2.0-only
/*
 * SysV shared memory segments; semaphores and message queues are refused.
 * Source: ipc/shm.c, ipc/util.h, include/linux/ipc_namespace.h.
 */
#include <errno.h>
#include <sys/stat.h>

#include "translate/xlate.h"

enum { IDS_SEM, IDS_MSG, IDS_SHM };	/* ipc/util.h IPC_*_IDS */
#define SHM_DEST 01000
#define SHM_LOCKED 02000

static pid_t pid_nr(struct xlate *x, u64 pid)
{
	return pid ? (pid_t)x_u64(x, pid, F_PID_NR) : 0;
}

static int one_segment(struct xlate *x, u64 index, u64 perm, void *arg)
{
	u64 shp = x_container(x, perm, F_SHM_PERM), file = x_u64(x, shp, F_SHM_FILE), inode, mode;
	struct m_sysv_shm *s = x_new(x, struct m_sysv_shm);

	(void)index, (void)arg;
	if (!s)
		return x->err.code;
	s->id = x_s64(x, perm, F_IPC_ID);
	s->key = x_s64(x, perm, F_IPC_KEY);
	s->uid = x_u64(x, perm, F_IPC_UID);
	s->gid = x_u64(x, perm, F_IPC_GID);
	s->cuid = x_u64(x, perm, F_IPC_CUID);
	s->cgid = x_u64(x, perm, F_IPC_CGID);
	mode = x_u64(x, perm, F_IPC_MODE);
	s->mode = mode & 0777;
	s->dest = mode & SHM_DEST;
	s->locked = mode & SHM_LOCKED;
	s->atime = x_s64(x, shp, F_SHM_ATIM);
	s->dtime = x_s64(x, shp, F_SHM_DTIM);
	s->ctime = x_s64(x, shp, F_SHM_CTIM);
	s->cpid = pid_nr(x, x_u64(x, shp, F_SHM_CPID));
	s->lpid = pid_nr(x, x_u64(x, shp, F_SHM_LPID));
	x_object(x, "SysV shared memory %d (key %#x)", s->id, (unsigned int)s->key);
	inode = x_u64(x, file, F_FILE_INODE);
	if (!xlate_is_shm_mnt(x, x_u64(x, inode, F_INODE_SB))) {
		x_refuse(x, "uses huge pages (SHM_HUGETLB), which cannot be carried yet");
		return x->err.code;
	}
	s->shmem = xlate_shmem(x, inode);
	x_push(x, &x->m->sysv_shms, s);
	return x->err.code;
}

struct refused {
	const char *what;
	char letter;	/* of ipcs and ipcrm */
};

static int refuse_one(struct xlate *x, u64 index, u64 perm, void *arg)
{
	const struct refused *f = arg;
	s64 id = x_s64(x, perm, F_IPC_ID);

	(void)index;
	x_object(x, "SysV %s %lld (key %#llx)", f->what, (long long)id,
		 (unsigned long long)(u32)x_s64(x, perm, F_IPC_KEY));
	x_refuse(x, "cannot be carried yet; ipcrm -%c %lld removes it", f->letter, (long long)id);
	return x->err.code;
}

static void refuse_all(struct xlate *x, u64 ids, struct refused f)
{
	x_xarray(x, x_addr(x, ids, F_IPC_IDR), refuse_one, &f);
}

void xlate_sysvipc(struct xlate *x)
{
	u64 ns = x_u64(x, x_u64(x, x->init_task, F_TASK_NSPROXY), F_NS_IPC), ids;
	u64 size = x->f->size[T_IPC_IDS], queues;

	ids = x_addr(x, ns, F_IPCNS_IDS);
	refuse_all(x, ids + IDS_SEM * size, (struct refused){ "semaphore set", 's' });
	refuse_all(x, ids + IDS_MSG * size, (struct refused){ "message queue", 'q' });
	queues = x_u64(x, ns, F_IPCNS_MQ_COUNT);
	if (queues) {
		x_object(x, "POSIX message queues");
		x_refuse(x, "%llu in use, which cannot be carried yet", (unsigned long long)queues);
	}
	x_xarray(x, x_addr(x, ids + IDS_SHM * size, F_IPC_IDR), one_segment, NULL);
}
