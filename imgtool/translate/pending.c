// SPDX-License-Identifier: GPL-2.0-only
/* Nouns whose translators are not here yet: what they would carry is refused by name. */
#include "translate/xlate.h"

void xlate_locks(struct xlate *x, u64 file, struct m_file *f)
{
	(void)x, (void)file, (void)f;
}

void xlate_sleeps(struct xlate *x)
{
	(void)x;
}

void xlate_sleep(struct xlate *x, u64 task, struct m_thread *t)
{
	(void)x, (void)task, (void)t;
}

void xlate_timers(struct xlate *x, u64 task, struct m_process *p)
{
	(void)x, (void)task, (void)p;
}
