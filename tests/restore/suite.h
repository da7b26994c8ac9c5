/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* All cases; the exit code. */
int suite(const char *self);
