/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests only: describe the processes of a live pid namespace as a machine, by ptrace and /proc.
 * Never used for a switch: there the machine comes from the image.
 */
#pragma once

#include <stdio.h>

#include "machine/machine.h"
#include "util/err.h"

/*
 * @init: PID 1 of the namespace, by its number outside. Its processes are left stopped under us
 * with their memory spoiled: the caller is to kill them.
 */
int scrape(pid_t init, struct machine *m, struct ohib_err *e);
/* All of it that is to be the same after a restore, as text. */
void dump_machine(const struct machine *m, FILE *f);
