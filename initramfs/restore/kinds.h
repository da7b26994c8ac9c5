/* SPDX-License-Identifier: GPL-2.0-only */
/* The kinds of open files, one in each kind_*.c; kinds.c puts them into the one array. */
#pragma once

#include "engine.h"

extern const struct restore_kind kind_reg, kind_dir, kind_path, kind_chrdev, kind_tty, kind_ptmx,
	kind_pipe, kind_eventfd, kind_epoll, kind_signalfd, kind_timerfd, kind_inotify, kind_shmem,
	kind_socket, kind_proc, kind_pidfd, kind_tool;
