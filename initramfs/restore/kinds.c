// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every kind of open file that can be made. To add one: a file kind_<noun>.c with its struct, a line
 * here, the same noun in translate/kinds.c, and a guest test.
 */
#include "kinds.h"

const struct restore_kind *const restore_kinds[M_FILE_KIND_MAX] = {
	[M_FILE_REG] = &kind_reg,
	[M_FILE_DIR] = &kind_dir,
	[M_FILE_PATH] = &kind_path,
	[M_FILE_CHRDEV] = &kind_chrdev,
	[M_FILE_TTY] = &kind_tty,
	[M_FILE_PTMX] = &kind_ptmx,
	[M_FILE_PIPE] = &kind_pipe,
	[M_FILE_EVENTFD] = &kind_eventfd,
	[M_FILE_EPOLL] = &kind_epoll,
	[M_FILE_SIGNALFD] = &kind_signalfd,
	[M_FILE_TIMERFD] = &kind_timerfd,
	[M_FILE_INOTIFY] = &kind_inotify,
	[M_FILE_SHMEM] = &kind_shmem,
	[M_FILE_SOCKET] = &kind_socket,
	[M_FILE_PROC] = &kind_proc,
	[M_FILE_PIDFD] = &kind_pidfd,
	[M_FILE_TOOL] = &kind_tool,
};
