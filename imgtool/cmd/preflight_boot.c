// SPDX-License-Identifier: GPL-2.0-only
/* The part of preflight about the way back: the boot menu, and process numbers under another kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/preflight.h"
#include "machine/machine.h"
#include "util/cleanup.h"
#include "util/file.h"

#define GRUB_CFG "/boot/grub/grub.cfg"
#define MENU_MARK "# overlayctl: device="	/* written by bootloader/05_overlayctl */

/* Where the initramfs of a resuming boot puts what it starts (initramfs/hooks/boot-functions). */
#define PARKED_PIDS 4000000

/* Is @word one of the comma-separated @list, which ends at white space? */
static bool listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list && *list != '\n') {
		size_t n = strcspn(list, ",\n");

		if (n == len && !strncmp(list, word, n))
			return true;
		list += n;
		list += *list == ',';
	}
	return false;
}

/*
 * Without its entry in the menu the machine would be booted past, and discarded. That of its own kernel is the way
 * back when a switch fails.
 */
void preflight_menu(struct preflight *p)
{
	const char *const needed[] = { p->image_kernel, p->next_kernel };
	_cleanup_free_ char *text = NULL;
	char *line, *kernels;
	size_t len;

	if (file_read_all(GRUB_CFG, &text, &len)) {
		refuse(&p->refusals, 0, "", GRUB_CFG, "is not there: the boot menu cannot offer to resume "
		       "(GRUB is the boot loader that is supported)");
		return;
	}
	line = strstr(text, MENU_MARK);
	if (!line) {
		refuse(&p->refusals, 0, "", GRUB_CFG,
		       "the boot menu knows nothing of suspended machines: run update-grub");
		return;
	}
	line += strlen(MENU_MARK);
	if (strncmp(line, p->name, strlen(p->name)) || line[strlen(p->name)] != ' ') {
		refuse(&p->refusals, 0, "", GRUB_CFG,
		       "the boot menu looks at %.*s, not at %s: run update-grub",
		       (int)strcspn(line, " \n"), line, p->name);
		return;
	}
	kernels = strstr(line, " kernels=");
	if (kernels > strchrnul(line, '\n'))
		kernels = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (needed[i][0] && (!kernels || !listed(kernels + strlen(" kernels="), needed[i])))
			refuse(&p->refusals, 0, "", GRUB_CFG, "the boot menu cannot resume with Linux %s: run "
			       "update-initramfs -u -k %s and update-grub", needed[i], needed[i]);
}

/*
 * A process keeps its number, which no thread of the next kernel may have by then. That kernel starts
 * about as many threads as this one, and others later; twice as many is taken for the limit.
 */
void preflight_pids(struct preflight *p, const struct machine *m)
{
	const struct m_process *proc;
	struct m_thread *t;

	vec_foreach(proc, &m->processes)
		vec_foreach(t, &proc->threads)
		{
			if (proc->pid == 1)
				continue;
			if ((u32)t->tid < 2 * m->system.nr_kernel_tasks)
				refuse(&p->refusals, proc->pid, proc->comm, "process number",
				       "%d may be a kernel thread's under Linux %s: boot once with the "
				       "initramfs of overlayctl, or restart the process", t->tid,
				       p->next_kernel);
			if (t->tid >= PARKED_PIDS)
				refuse(&p->refusals, proc->pid, proc->comm, "process number",
				       "%d is in the range that a resuming boot needs for itself (from %d)",
				       t->tid, PARKED_PIDS);
		}
}
