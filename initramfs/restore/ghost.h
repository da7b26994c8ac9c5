/* SPDX-License-Identifier: GPL-2.0-only */
/* Files without a name: what their two files share. */
#pragma once

#include "engine.h"

/*
 * ghost_name.c: make an empty file, or folder, that has no name any more, but had @p's. A descriptor
 * to fill it by, or negative errno. @linkable: never had one, and may get one.
 */
int ghost_create(struct restore *r, const struct m_path *p, bool linkable);
int ghost_create_folder(struct restore *r, const struct m_path *p);
/* Another descriptor (O_PATH) of the file that @fd is of, to which @p's name was given and taken away. */
int ghost_rename(struct restore *r, const struct m_path *p, int fd);
