// SPDX-License-Identifier: GPL-2.0-only
/* Descriptors of memory objects: memfd, and shared anonymous memory by map_files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "kinds.h"

static int open_shmem(struct restore *r, struct m_file *f, int *fd)
{
	char path[40];
	int keep, ret;

	ret = shmem_open(r, f->shmem, &keep);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", keep);
	*fd = open(path, (int)(f->flags & (O_ACCMODE | O_APPEND)) | O_CLOEXEC);
	if (*fd < 0)
		return r_fail(r, -errno, "cannot open memfd \"%s\"", f->shmem->name);
	if (f->pos)
		lseek(*fd, (off_t)f->pos, SEEK_SET);
	return 0;
}

/* Seals last: they forbid what filling and mapping needs. */
static int finish_shmem(struct restore *r, struct m_file *f, struct rtask *t, int num)
{
	(void)t;
	(void)num;
	return shmem_seal(r, f->shmem);
}

const struct restore_kind kind_shmem = {
	.id = M_FILE_SHMEM, .name = "memfd", .open = open_shmem, .finish = finish_shmem,
};
