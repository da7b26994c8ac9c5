// SPDX-License-Identifier: GPL-2.0-only
/*
 * What makes the running kernel's memory readable later: its symbols, its types, its VMCOREINFO.
 * Context: processes are frozen, so that no module comes or goes between this and the copy.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/parts.h"
#include "util/cleanup.h"

#define NOTE_BYTES_MAX (1u << 20)

/* The VMCOREINFO note among the headers of /proc/kcore (fs/proc/kcore.c). */
static int vmcoreinfo_read(char **text, size_t *len, struct ohib_err *err)
{
	_cleanup_close_ int fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ u8 *notes = NULL;
	Elf64_Phdr ph = { 0 };
	Elf64_Ehdr eh;

	if (fd < 0)
		return ohib_err_set(err, -errno, "/proc/kcore: %s", strerror(errno));
	if (pread(fd, &eh, sizeof(eh), 0) != sizeof(eh) || memcmp(eh.e_ident, ELFMAG, SELFMAG))
		return ohib_err_set(err, -EBADMSG, "/proc/kcore: not an ELF file");
	for (unsigned int i = 0; i < eh.e_phnum && ph.p_type != PT_NOTE; i++)
		if (pread(fd, &ph, sizeof(ph), (off_t)(eh.e_phoff + i * sizeof(ph))) != sizeof(ph))
			return ohib_err_set(err, -EBADMSG, "/proc/kcore: headers end early");
	if (ph.p_type != PT_NOTE || ph.p_filesz > NOTE_BYTES_MAX)
		return ohib_err_set(err, -EBADMSG, "/proc/kcore: no notes");
	notes = malloc(ph.p_filesz);
	if (!notes)
		return ohib_err_set(err, -ENOMEM, "/proc/kcore: out of memory");
	if (pread(fd, notes, ph.p_filesz, (off_t)ph.p_offset) != (ssize_t)ph.p_filesz)
		return ohib_err_set(err, -EBADMSG, "/proc/kcore: notes end early");
	for (u64 at = 0; at + sizeof(Elf64_Nhdr) <= ph.p_filesz;) {
		const Elf64_Nhdr *n = (void *)(notes + at);
		u64 name = at + sizeof(*n), desc = name + ((n->n_namesz + 3ull) & ~3ull);

		at = desc + ((n->n_descsz + 3ull) & ~3ull);
		if (at > ph.p_filesz)
			break;
		if (n->n_namesz != sizeof("VMCOREINFO") || memcmp(notes + name, "VMCOREINFO", 10))
			continue;
		*text = malloc(n->n_descsz + 1ul);
		if (!*text)
			return ohib_err_set(err, -ENOMEM, "/proc/kcore: out of memory");
		memcpy(*text, notes + desc, n->n_descsz);
		(*text)[n->n_descsz] = '\0';
		*len = n->n_descsz;
		return 0;
	}
	return ohib_err_set(err, -ENODATA, "/proc/kcore: no VMCOREINFO note");
}

static int from_file(struct ohib_writer *w, enum ohib_section id, const char *path, struct ohib_err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r = file_read_all(path, &data, &len);

	if (r)
		return ohib_err_set(err, r, "%s: %s", path, strerror(-r));
	return ohib_writer_section(w, id, data, len, true, err);
}

int capture_static_sections(struct ohib_writer *w, struct ohib_err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r;

	r = from_file(w, OHIB_SEC_KALLSYMS, "/proc/kallsyms", err);
	if (!r)
		r = from_file(w, OHIB_SEC_BTF, "/sys/kernel/btf/vmlinux", err);
	if (!r)
		r = vmcoreinfo_read(&text, &len, err);
	if (!r)
		r = ohib_writer_section(w, OHIB_SEC_VMCOREINFO, text, len, true, err);
	return r;
}
