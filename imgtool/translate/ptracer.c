// SPDX-License-Identifier: GPL-2.0-only
/* Who may trace whom besides its parent: prctl(PR_SET_PTRACER). Source: security/yama/yama_lsm.c. */
#include <errno.h>

#include "translate/xlate.h"

static int one_relation(struct xlate *x, u64 node, void *arg)
{
	u64 rel = x_container(x, node, F_PTREL_NODE), tracer = x_u64(x, rel, F_PTREL_TRACER);
	u64 tracee = x_u64(x, rel, F_PTREL_TRACEE);
	struct m_process *p;

	(void)arg;
	if (x_u64(x, rel, F_PTREL_INVALID) || x_failed(x))
		return x->err.code;
	p = map_get(&x->processes, (u64)x_u64(x, tracee, F_TASK_TGID));
	if (p && !p->zombie)
		p->ptracer = tracer ? (pid_t)x_u64(x, tracer, F_TASK_TGID) : -1;
	return x->err.code;
}

void xlate_ptracers(struct xlate *x)
{
	u64 head = symbols_addr(x->syms, "ptracer_relations");

	if (!head)
		return; /* CONFIG_SECURITY_YAMA=n */
	if (!x_has(x, F_PTREL_NODE)) {
		ohib_err_set(&x->err, -ENOENT, "ptrace_relation.node: no such field in this kernel");
		return;
	}
	x_list(x, head, one_relation, NULL);
}
