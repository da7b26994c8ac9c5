// SPDX-License-Identifier: GPL-2.0-only
/* Which sysctls are configuration, and when each may be written. */
#include <fnmatch.h>
#include <string.h>

#include "config/parts.h"

/* Read-only ones (mode 0444) need no row: they are never written. '*' matches one part. */
static const struct {
	const char *name;
	enum sysctl_class class;
} table[] = {
	/* Counters and identities of this boot. */
	{ "kernel/ns_last_pid", SYSCTL_STATE },
	{ "kernel/pid_max", SYSCTL_STATE },		/* struct m_system has it */
	{ "kernel/random/*", SYSCTL_STATE },
	{ "kernel/cad_pid", SYSCTL_STATE },
	{ "kernel/tainted", SYSCTL_STATE },		/* a write adds to it */
	{ "kernel/hostname", SYSCTL_STATE },		/* struct m_system has both */
	{ "kernel/domainname", SYSCTL_STATE },
	/* One-shot ids for the next IPC object: -1 again after use. */
	{ "kernel/msg_next_id", SYSCTL_STATE },
	{ "kernel/sem_next_id", SYSCTL_STATE },
	{ "kernel/shm_next_id", SYSCTL_STATE },
	/* What they read as is what was last asked for, and a write does it. */
	{ "vm/drop_caches", SYSCTL_STATE },
	{ "vm/compact_memory", SYSCTL_STATE },
	{ "vm/stat_refresh", SYSCTL_STATE },
	{ "net/ipv4/route/flush", SYSCTL_STATE },
	{ "net/ipv6/route/flush", SYSCTL_STATE },
	/* The same as …_ms; the kernel complains when they are read. */
	{ "net/*/neigh/*/base_reachable_time", SYSCTL_STATE },
	{ "net/*/neigh/*/retrans_time", SYSCTL_STATE },
	/* The kernel's own place of the panic and of the boot. */
	{ "kernel/real-root-dev", SYSCTL_STATE },
	{ "fs/file-nr", SYSCTL_STATE },
	{ "fs/inode-nr", SYSCTL_STATE },
	{ "fs/inode-state", SYSCTL_STATE },
	{ "fs/dentry-state", SYSCTL_STATE },

	/* No way back, or no way to restore processes once they are set. */
	{ "kernel/modules_disabled", SYSCTL_LATE },
	{ "kernel/kexec_load_disabled", SYSCTL_LATE },
	{ "kernel/unprivileged_bpf_disabled", SYSCTL_LATE },
	{ "kernel/yama/ptrace_scope", SYSCTL_LATE },
	{ "kernel/io_uring_disabled", SYSCTL_LATE },
	{ "kernel/kptr_restrict", SYSCTL_LATE },
	{ "kernel/hung_task_panic", SYSCTL_LATE },
	{ "kernel/softlockup_panic", SYSCTL_LATE },
	{ "kernel/hardlockup_panic", SYSCTL_LATE },
	{ "kernel/panic_on_rcu_stall", SYSCTL_LATE },
	{ "kernel/panic_on_warn", SYSCTL_LATE },
	{ "dev/tty/legacy_tiocsti", SYSCTL_LATE },
	{ "vm/overcommit_memory", SYSCTL_LATE },
	{ "vm/overcommit_ratio", SYSCTL_LATE },
	{ "vm/overcommit_kbytes", SYSCTL_LATE },
	{ "vm/panic_on_oom", SYSCTL_LATE },
	{ "vm/memfd_noexec", SYSCTL_LATE },

	{ "net/ipv4/conf/all/*", SYSCTL_PLAIN },
	{ "net/ipv6/conf/all/*", SYSCTL_PLAIN },
	{ "net/*/conf/default/*", SYSCTL_PLAIN },
	{ "net/*/neigh/default/*", SYSCTL_PLAIN },
	{ "net/*/conf/*/*", SYSCTL_INTERFACE },
	{ "net/*/neigh/*/*", SYSCTL_INTERFACE },
};

enum sysctl_class sysctl_class(const char *name)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!fnmatch(table[i].name, name, FNM_PATHNAME))
			return table[i].class;
	return SYSCTL_PLAIN;
}

int sysctl_rank(const char *name)
{
	/* devinet_sysctl_forward(), addrconf_sysctl_disable() …: a write to these reaches every interface. */
	if (!strcmp(name, "net/ipv4/ip_forward"))
		return 0;
	if (!fnmatch("net/*/conf/all/*", name, FNM_PATHNAME))
		return 1;
	if (!fnmatch("net/*/conf/default/*", name, FNM_PATHNAME) ||
	    !fnmatch("net/*/neigh/default/*", name, FNM_PATHNAME))
		return 2;
	if (sysctl_class(name) == SYSCTL_INTERFACE)
		return 3;
	/* A limit comes before what it limits, where the names do not put them in that order already. */
	if (!strncmp(name, "net/core/", 9))
		return 0;
	/* Irreversible, and the modules of the others may still be needed. */
	if (!strcmp(name, "kernel/modules_disabled"))
		return 5;
	return 4;
}
