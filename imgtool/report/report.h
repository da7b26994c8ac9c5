/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine told to people and programs: JSON rows for the commands to print, and ELF cores.
 * Reads: struct machine, the field table. Never: prints.
 */
#pragma once

#include "machine/machine.h"
#include "typedata/fields.h"
#include "util/err.h"

struct json_object;

/* Arrays of objects, to be put by the caller; NULL: out of memory. */
struct json_object *report_processes(const struct machine *m);
struct json_object *report_refusals(const struct machine *m);
/* Command line with spaces between its arguments, at most @size bytes; "[comm]" when there is none. */
void report_cmdline(const struct machine *m, const struct m_process *p, char *buf, size_t size);
/* One letter as ps tells it: R, S, T, Z. */
char report_state(const struct m_process *p);

/*
 * Every row of the field table: where @old and @new keep it. @new may be NULL. Rows are
 * { "field", "type", "member", "old": {offset, size} or null, "new": …, "optional" }.
 */
struct json_object *report_tables(const struct fields *old, const struct fields *new);

/*
 * Write process @p as an ELF core that gdb opens with its executable. Private and shared memory is in
 * it; pages of mapped files that were not changed are told by NT_FILE and left to the files.
 */
int report_core(const struct machine *m, const struct m_process *p, int fd, struct ohib_err *err);
