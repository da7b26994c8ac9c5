// SPDX-License-Identifier: GPL-2.0-only
/*
 * What makes the running kernel's memory readable later: its symbols, its types, its VMCOREINFO.
 * Context: processes are frozen, so that no module comes or goes between this and the copy.
 */
#include <string.h>

#include "capture/parts.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "view/view.h"

static int from_file(struct ohib_writer *w, enum ohib_section id, const char *path,
		     struct ohib_err *err)
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
	int r;

	r = from_file(w, OHIB_SEC_KALLSYMS, "/proc/kallsyms", err);
	if (!r)
		r = from_file(w, OHIB_SEC_BTF, "/sys/kernel/btf/vmlinux", err);
	if (!r)
		r = view_live_vmcoreinfo(&text, err);
	if (!r)
		r = ohib_writer_section(w, OHIB_SEC_VMCOREINFO, text, strlen(text), true, err);
	return r;
}
