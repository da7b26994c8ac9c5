// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of the initramfs, taken over: it is to become the machine's PID 1, and until the commit it
 * can be given back as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"

static const u8 stub_code[] = {
	0x0f, 0x05, /* syscall */
	0x0f, 0x0b, /* ud2: never reached, the tracer stops it after each call */
};

/* Address of a syscall instruction in the thread's memory; 0: none. */
static u64 find_insn(struct rtask *t)
{
	char path[40], line[512], perm[8];
	static u8 buf[64 << 10];
	unsigned long start, end;
	u64 found = 0;
	u8 two[2];
	FILE *f;

	if ((s64)t->regs.orig_rax >= 0 && !remote_read(t, t->regs.rip - 2, two, 2) &&
	    two[0] == 0x0f && two[1] == 0x05)
		return t->regs.rip - 2;
	snprintf(path, sizeof(path), "/proc/%d/maps", t->tid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (!found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perm) != 3 || perm[2] != 'x' ||
		    (s64)start < 0)
			continue;
		for (u64 va = start; !found && va < end; va += sizeof(buf)) {
			size_t n = end - va < sizeof(buf) ? end - va : sizeof(buf);

			if (remote_read(t, va, buf, n))
				break;
			for (size_t i = 0; i + 1 < n && !found; i++)
				if (buf[i] == 0x0f && buf[i + 1] == 0x05)
					found = va + i;
		}
	}
	fclose(f);
	return found;
}

/* The pages that remote calls work from, at the address that every process will have them. */
static int map_stub(struct restore *r, struct rtask *t)
{
	s64 va;
	int ret;

	va = remote_syscall(t, SYS_mmap, r->stub, REMOTE_STUB_LEN, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (va != (s64)r->stub)
		return r_fail_pid(r, t->tid, va < 0 ? (int)va : -EEXIST,
				  "no room for the stub at %#llx", (unsigned long long)r->stub);
	ret = remote_write(t, r->stub, stub_code, sizeof(stub_code));
	if (!ret)
		ret = (int)remote_syscall(t, SYS_mprotect, r->stub, OHIB_PAGE_SIZE,
					  PROT_READ | PROT_EXEC);
	if (ret)
		return r_fail_pid(r, t->tid, ret, "cannot write the stub");
	t->insn = r->stub;
	t->scratch = r->stub + OHIB_PAGE_SIZE;
	return 0;
}

int seize_init(struct restore *r)
{
	struct rtask *t = r_leader(r->init);
	u64 all = ~0ull;
	int ret;

	ret = remote_seize(t, r->e);
	if (ret)
		return ret;
	r->init_seized = true;
	r->init_regs = t->regs;
	if (ptrace(PTRACE_GETSIGMASK, t->tid, sizeof(u64), &r->init_sigmask) ||
	    ptrace(PTRACE_SETSIGMASK, t->tid, sizeof(all), &all))
		return r_fail_pid(r, t->tid, -errno, "cannot block its signals");
	t->insn = r->init_insn = find_insn(t);
	if (!t->insn)
		return r_fail_pid(r, t->tid, -ENOEXEC, "no syscall instruction in PID 1");
	return map_stub(r, t);
}

int seize_undo(struct restore *r)
{
	struct rtask *t = r_leader(r->init);
	int ret = 0;

	if (!r->init_seized)
		return 0;
	if (t->insn && t->insn != r->init_insn) {
		t->insn = r->init_insn;
		remote_syscall(t, SYS_munmap, r->stub, REMOTE_STUB_LEN);
		/* Parked, so that the kernel restarts the call it was in. */
		ret = remote_park(t);
	}
	if (ptrace(PTRACE_SETREGS, t->tid, NULL, &r->init_regs) ||
	    ptrace(PTRACE_SETSIGMASK, t->tid, sizeof(u64), &r->init_sigmask))
		ret = -errno;
	remote_detach(t);
	r->init_seized = false;
	return ret;
}

static pid_t parent_of(pid_t pid)
{
	char path[40], buf[256], *p;
	pid_t ppid = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	p = strrchr(buf, ')');
	if (!p || sscanf(p + 1, " %*c %d", &ppid) != 1)
		return 0;
	return ppid;
}

int seize_chain(struct restore *r)
{
	pid_t chain[64];
	int n = 0;

	for (pid_t pid = getppid(); pid > 1 && n < 64; pid = parent_of(pid))
		chain[n++] = pid;
	/* From the top, so that none of them sees its child die and acts on it. */
	while (n-- > 0) {
		if (kill(chain[n], SIGKILL) && errno != ESRCH)
			return r_fail_pid(r, chain[n], -errno, "cannot end a parent of the reloader");
		tree_reap(r, r->init, chain[n]);
	}
	return 0;
}
