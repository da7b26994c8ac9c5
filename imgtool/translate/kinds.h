/* SPDX-License-Identifier: GPL-2.0-only */
/* The registry's entries, one for each kind. */
#pragma once

#include "translate/xlate.h"

extern const struct xlate_kind xlate_kind_tool;
extern const struct xlate_kind xlate_kind_reg;
extern const struct xlate_kind xlate_kind_shmem;
extern const struct xlate_kind xlate_kind_dir;
extern const struct xlate_kind xlate_kind_chrdev;
extern const struct xlate_kind xlate_kind_proc;
extern const struct xlate_kind xlate_kind_eventfd;
extern const struct xlate_kind xlate_kind_epoll;
extern const struct xlate_kind xlate_kind_signalfd;
extern const struct xlate_kind xlate_kind_timerfd;
extern const struct xlate_kind xlate_kind_inotify;
extern const struct xlate_kind xlate_kind_pipe;
extern const struct xlate_kind xlate_kind_tty;
extern const struct xlate_kind xlate_kind_ptmx;
extern const struct xlate_kind xlate_kind_pidfd;
extern const struct xlate_kind xlate_kind_sock;
