// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of open files that can be carried; first match wins.
 * To add one: a file in this folder that exports its struct, a slot here, one in restore's registry
 * (initramfs/restore/kinds.c), its rows in typedata/fields.def, and a case in tests/cases.
 */
#include "translate/kinds.h"

const struct xlate_kind *const xlate_kinds[] = {
	&xlate_kind_tool,
	&xlate_kind_reg,
	&xlate_kind_shmem,
	&xlate_kind_dir,
	&xlate_kind_chrdev,
	&xlate_kind_proc,
	&xlate_kind_eventfd,
	&xlate_kind_epoll,
	&xlate_kind_signalfd,
	&xlate_kind_timerfd,
	&xlate_kind_inotify,
	&xlate_kind_pidfd,
	&xlate_kind_pipe,
	&xlate_kind_tty,
	&xlate_kind_ptmx,
	&xlate_kind_sock,
	NULL,
};
