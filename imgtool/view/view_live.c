// SPDX-License-Identifier: GPL-2.0-only
/* View backend: the running kernel, through /proc/kcore (an ELF core that is made as it is read). */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "view/view_backend.h"

#define KCORE "/proc/kcore"
#define MAX_PHDRS 4096

struct view_live {
	struct view v;
	int fd;
	Elf64_Phdr *phdrs;
	size_t nr_phdrs;
	u64 phys_base;
};

static int read_phdrs(int fd, Elf64_Phdr **out, size_t *n, struct ohib_err *err)
{
	_cleanup_free_ Elf64_Phdr *ph = NULL;
	Elf64_Ehdr eh;
	size_t len;

	if (pread(fd, &eh, sizeof(eh), 0) != sizeof(eh) || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_phentsize != sizeof(*ph) || !eh.e_phnum || eh.e_phnum > MAX_PHDRS)
		return ohib_err_set(err, -EINVAL, KCORE " is not an ELF core");
	len = sizeof(*ph) * eh.e_phnum;
	ph = malloc(len);
	if (!ph)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	if (pread(fd, ph, len, eh.e_phoff) != (ssize_t)len)
		return ohib_err_set(err, -EIO, KCORE " headers cannot be read");
	*n = eh.e_phnum;
	*out = no_free_ptr(ph);
	return 0;
}

static int open_kcore(struct ohib_err *err)
{
	int fd = open(KCORE, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return ohib_err_set(err, -errno, KCORE ": %s (root, and a kernel with PROC_KCORE and "
				    "without lockdown, are needed)", strerror(errno));
	return fd;
}

int view_live_vmcoreinfo(char **text, struct ohib_err *err)
{
	_cleanup_close_ int fd = open_kcore(err);
	_cleanup_free_ Elf64_Phdr *ph = NULL;
	_cleanup_free_ char *notes = NULL;
	size_t n, i, pos = 0, len;
	int r;

	if (fd < 0)
		return fd;
	r = read_phdrs(fd, &ph, &n, err);
	if (r)
		return r;
	for (i = 0; i < n && ph[i].p_type != PT_NOTE; i++)
		;
	if (i == n || ph[i].p_filesz > (1u << 20))
		return ohib_err_set(err, -ENODATA, KCORE " has no notes");
	len = ph[i].p_filesz;
	notes = malloc(len + 1);
	if (!notes)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	if (pread(fd, notes, len, ph[i].p_offset) != (ssize_t)len)
		return ohib_err_set(err, -EIO, KCORE " notes cannot be read");
	while (pos + sizeof(Elf64_Nhdr) <= len) {
		Elf64_Nhdr nh;
		size_t name, desc;

		memcpy(&nh, notes + pos, sizeof(nh));
		name = pos + sizeof(nh);
		desc = name + ((nh.n_namesz + 3u) & ~3u);
		if (desc > len || nh.n_descsz > len - desc)
			break;
		if (nh.n_namesz == sizeof("VMCOREINFO") && !memcmp(notes + name, "VMCOREINFO", 11)) {
			*text = strndup(notes + desc, nh.n_descsz);
			return *text ? 0 : ohib_err_set(err, -ENOMEM, "out of memory");
		}
		pos = desc + ((nh.n_descsz + 3u) & ~3u);
	}
	return ohib_err_set(err, -ENODATA, KCORE " has no VMCOREINFO note");
}

/* File offset of physical address @pa: the direct map's segments carry p_paddr. */
static bool phys_to_offset(struct view_live *vl, u64 pa, u64 *off)
{
	size_t i;

	for (i = 0; i < vl->nr_phdrs; i++) {
		const Elf64_Phdr *p = &vl->phdrs[i];

		if (p->p_type != PT_LOAD || p->p_paddr == ~0ull)
			continue;
		if (pa >= p->p_paddr && pa + OHIB_PAGE_SIZE <= p->p_paddr + p->p_memsz) {
			*off = p->p_offset + (pa - p->p_paddr);
			return true;
		}
	}
	return false;
}

static int live_read_pfn(struct view *v, u64 pfn, void *page)
{
	struct view_live *vl = (struct view_live *)v;
	ssize_t n;
	u64 off;

	if (pfn >= 1ull << 40 || !phys_to_offset(vl, pfn << OHIB_PAGE_SHIFT, &off))
		return -ENODATA;
	n = pread(vl->fd, page, OHIB_PAGE_SIZE, off);
	if (n < 0)
		return -errno;
	return n == OHIB_PAGE_SIZE ? 0 : -EIO;
}

static bool live_has_pfn(struct view *v, u64 pfn)
{
	u64 off;

	return pfn < 1ull << 40 &&
	       phys_to_offset((struct view_live *)v, pfn << OHIB_PAGE_SHIFT, &off);
}

static void live_close(struct view *v)
{
	struct view_live *vl = (struct view_live *)v;

	if (vl->fd >= 0)
		close(vl->fd);
	free(vl->phdrs);
	free(vl);
}

static const struct view_ops live_ops = {
	.live = true,
	.read_pfn = live_read_pfn,
	.has_pfn = live_has_pfn,
	.close = live_close,
};

int view_open_live(const struct symbols *syms, const char *vmcoreinfo, u32 sizeof_page,
		   struct view **out, struct ohib_err *err)
{
	struct view_live *vl = calloc(1, sizeof(*vl));
	int r;

	if (!vl)
		return ohib_err_set(err, -ENOMEM, "out of memory");
	vl->v.ops = &live_ops;
	vl->fd = open_kcore(err);
	r = vl->fd < 0 ? vl->fd : read_phdrs(vl->fd, &vl->phdrs, &vl->nr_phdrs, err);
	if (!r)
		r = view_init(&vl->v, syms, vmcoreinfo, sizeof_page, err);
	if (r) {
		view_close(&vl->v);
		return r;
	}
	*out = &vl->v;
	return 0;
}
