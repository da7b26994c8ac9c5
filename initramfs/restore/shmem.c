// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory with an identity of its own: memfd, shared anonymous memory, SysV segments. Each object
 * is made once, in the controller, and handed to whoever maps or holds it.
 * Weaker than it was: a SysV segment's times, and who was the last to attach or detach it, are the
 * restore's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "caller.h"

/* Hangs on m_shmem.restore. */
struct shmem_obj {
	int fd;		/* SysV: the segment's id */
	int ro_fd;	/* for mappings that can never become writable; -1: none yet */
	bool sysv;
	struct m_shmem *m;
};

/* /dev/zero-like memory has no call that gives a descriptor: it is reached by map_files. */
static int anon_fd(u64 size)
{
	char path[80];
	void *p;
	int fd;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)p,
		 (unsigned long)p + size);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	munmap(p, size);
	return fd;
}

/* Contents into @fd, in the order of the image's frames as listed. */
int shmem_fill(struct restore *r, struct m_shmem *s, int fd)
{
	u8 buf[OHIB_PAGE_SIZE];

	for (size_t i = 0; i < s->pages.n; i++) {
		const struct m_page *pg = &s->pages.v[i];
		size_t len = OHIB_PAGE_SIZE;
		int ret;

		if (pg->va >= s->size)
			continue;
		if (s->size - pg->va < len)
			len = s->size - pg->va;
		if (pg->src.kind == M_PAGE_ZERO) {
			memset(buf, 0, sizeof(buf));
		} else {
			ret = r_read_page(r, &pg->src, buf);
			if (ret)
				return r_fail(r, ret, "shared memory \"%s\": page %#llx cannot be read",
					      s->name, (unsigned long long)pg->va);
		}
		if (pwrite(fd, buf, len, (off_t)pg->va) != (ssize_t)len)
			return r_fail(r, -errno, "shared memory \"%s\": page %#llx cannot be written",
				      s->name, (unsigned long long)pg->va);
	}
	return 0;
}

static struct m_sysv_shm *sysv_of(struct restore *r, const struct m_shmem *s)
{
	struct m_sysv_shm *seg;

	vec_foreach(seg, &r->m->sysv_shms)
		if (seg->shmem == s)
			return seg;
	return NULL;
}

/* By its creator, who is noted with his ids. */
static int sysv_get(struct restore *r, const struct m_sysv_shm *seg, u64 size)
{
	struct caller c;
	s64 ret = caller_take(r, &c, seg->cpid, seg->cuid, seg->cgid, NULL);

	if (ret)
		return (int)ret;
	ret = remote_syscall(c.t, SYS_shmget, seg->key, size, IPC_CREAT | IPC_EXCL | (int)(seg->mode & 0777));
	caller_release(r, &c);
	return (int)ret;
}

/* Creation under a number of choice: ipc's "next id", which one shmget consumes. */
static int sysv_make(struct restore *r, struct m_shmem *s, int *id)
{
	struct m_sysv_shm *seg = sysv_of(r, s);
	struct shmid_ds ds;
	int ret = 0;
	char num[16];
	u8 *p;
	int fd;

	if (!seg)
		return r_fail(r, -EINVAL, "SysV memory without its segment");
	fd = open("/proc/sys/kernel/shm_next_id", O_WRONLY | O_CLOEXEC);
	snprintf(num, sizeof(num), "%d", seg->id);
	if (fd < 0 || write(fd, num, strlen(num)) < 0) {
		ret = -errno;
		if (fd >= 0)
			close(fd);
		return r_fail(r, ret, "cannot choose the number of SysV memory");
	}
	close(fd);
	*id = sysv_get(r, seg, s->size);
	if (*id < 0)
		return r_fail(r, *id, "cannot make SysV memory %d (key %#x)", seg->id, seg->key);
	if (*id != seg->id) {
		shmctl(*id, IPC_RMID, NULL);
		return r_fail(r, -EEXIST, "SysV memory %d came out as %d", seg->id, *id);
	}
	p = shmat(*id, NULL, 0);
	if (p == (void *)-1)
		return r_fail(r, -errno, "cannot attach SysV memory %d", *id);
	for (size_t i = 0; !ret && i < s->pages.n; i++) {
		const struct m_page *pg = &s->pages.v[i];

		if (pg->src.kind != M_PAGE_ZERO && pg->va < s->size)
			ret = r_read_page(r, &pg->src, p + pg->va);
	}
	shmdt(p);
	if (ret)
		return r_fail(r, ret, "SysV memory %d cannot be read from the image", *id);
	memset(&ds, 0, sizeof(ds));
	ds.shm_perm.uid = seg->uid;
	ds.shm_perm.gid = seg->gid;
	ds.shm_perm.mode = (unsigned short)(seg->mode & 0777);
	if (shmctl(*id, IPC_SET, &ds) || (seg->locked && shmctl(*id, SHM_LOCK, NULL)))
		return r_fail(r, -errno, "cannot set the owner of SysV memory %d", *id);
	return 0;
}

int shmem_open(struct restore *r, struct m_shmem *s, int *fd)
{
	struct shmem_obj *o = s->restore;
	int ret = 0, got = -1;

	if (o) {
		*fd = o->fd;
		return 0;
	}
	switch (s->kind) {
	case M_SHMEM_SYSV:
		ret = sysv_make(r, s, &got);
		break;
	case M_SHMEM_ANON:
		got = anon_fd((s->size + OHIB_PAGE_SIZE - 1) & OHIB_PAGE_MASK);
		break;
	default:
		got = memfd_create(s->name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (got >= 0 && ftruncate(got, (off_t)s->size)) {
			ret = -errno;
			close(got);
			got = ret;
		}
		break;
	}
	if (ret)
		return ret;
	if (got < 0)
		return r_fail(r, got == -1 ? -errno : got, "cannot make shared memory \"%s\"", s->name);
	if (s->kind != M_SHMEM_SYSV)
		ret = shmem_fill(r, s, got);
	if (!ret && s->kind == M_SHMEM_MEMFD && (fchown(got, s->uid, s->gid) || fchmod(got, s->mode & 07777)))
		ret = r_fail(r, -errno, "cannot set the owner of memfd \"%s\"", s->name);
	o = ret ? NULL : calloc(1, sizeof(*o));
	if (!o) {
		if (s->kind == M_SHMEM_SYSV)
			shmctl(got, IPC_RMID, NULL);
		else
			close(got);
		return ret ? ret : r_fail(r, -ENOMEM, "no memory");
	}
	o->fd = got;
	o->ro_fd = -1;
	o->sysv = s->kind == M_SHMEM_SYSV;
	s->restore = o;
	*fd = got;
	return 0;
}

int shmem_map_fd(struct restore *r, struct m_shmem *s, int access, int *fd)
{
	struct shmem_obj *o;
	char path[40];
	int ret = shmem_open(r, s, fd);

	if (ret || access != O_RDONLY || s->kind == M_SHMEM_SYSV)
		return ret;
	o = s->restore;
	if (o->ro_fd < 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", o->fd);
		o->ro_fd = open(path, O_RDONLY | O_CLOEXEC);
		if (o->ro_fd < 0)
			return r_fail(r, -errno, "cannot open shared memory \"%s\" to map it", s->name);
	}
	*fd = o->ro_fd;
	return 0;
}

int shmem_sysv_all(struct restore *r)
{
	struct m_sysv_shm *seg;
	int id, ret = 0;

	vec_foreach(seg, &r->m->sysv_shms)
		if (!ret && seg->shmem)
			ret = shmem_open(r, seg->shmem, &id);
	return ret;
}

int shmem_sysv_finish(struct restore *r)
{
	struct m_sysv_shm *seg;

	vec_foreach(seg, &r->m->sysv_shms)
		if (seg->dest && shmctl(seg->id, IPC_RMID, NULL))
			return r_fail(r, -errno, "cannot let SysV memory %d go with its last user", seg->id);
	return 0;
}

int shmem_seal(struct restore *r, struct m_shmem *s)
{
	struct shmem_obj *o = s->restore;

	if (!o || s->kind != M_SHMEM_MEMFD || !s->seals)
		return 0;
	/* once for all of its descriptors: F_SEAL_SEAL forbids a second time */
	if (fcntl(o->fd, F_GET_SEALS) == (int)s->seals)
		return 0;
	if (fcntl(o->fd, F_ADD_SEALS, s->seals))
		return r_fail(r, -errno, "cannot seal memfd \"%s\"", s->name);
	return 0;
}

void shmem_close(struct restore *r)
{
	struct m_shmem *s;

	vec_foreach(s, &r->m->shmems) {
		struct shmem_obj *o = s->restore;

		if (!o)
			continue;
		if (o->ro_fd >= 0)
			close(o->ro_fd);
		if (!o->sysv)
			close(o->fd);
		else if (!r->committed)
			shmctl(o->fd, IPC_RMID, NULL);
		free(o);
		s->restore = NULL;
	}
}
