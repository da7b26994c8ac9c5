// SPDX-License-Identifier: GPL-2.0-only
/* Nouns whose translators are not here yet: what they would carry is refused by name. */
#include "translate/xlate.h"

void xlate_ghost(struct xlate *x, u64 file, struct m_file *f)
{
	(void)file;
	if (f->path && f->path->unlinked)
		x_refuse(x, "has been deleted, which cannot be carried yet");
}
