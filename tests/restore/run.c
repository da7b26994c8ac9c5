// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restore, tried on live processes: run a command as PID 1 of a pid namespace, describe it, kill it,
 * build it again in a second namespace, describe that, and compare the two descriptions.
 * Without arguments: the cases of suite.c.
 * usage: restore_run [-v] [-w] [-r ROUNDS] [-f FAULT] [-s SECONDS] [-k SECONDS] DIR COMMAND...
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "restore/restore.h"
#include "scrape.h"
#include "suite.h"
#include "util/fault.h"

/* What a scrape has found lives as long as the process does. */
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static pid_t new_namespace(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
}

static void private_mounts(void)
{
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("devpts", "/dev/pts", "devpts", 0, "mode=620,ptmxmode=666,newinstance");
}

/*
 * Go on as PID 1 of a namespace, so that whatever is started ends with this program, however that
 * ends. Returns there only.
 */
static void contain(void)
{
	pid_t pid = new_namespace();
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!pid) {
		private_mounts();
		return;
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		_exit(126);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void quiet_fds(const char *dir, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	dup2(open("/dev/null", O_RDONLY), 0);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
	dup2(fd, 1);
	dup2(fd, 2);
	closefrom(3);
}

static s64 clock_ns(clockid_t c)
{
	struct timespec ts;

	clock_gettime(c, &ts);
	return ts.tv_sec * (s64)NSEC_PER_SEC + ts.tv_nsec;
}

/* The kernel has ended it for want of memory; 0: nobody. */
static pid_t victim;

static void progress(void *arg, const char *stage, u64 done, u64 total)
{
	(void)arg;
	if (victim && !strcmp(stage, "files"))
		kill(victim, SIGKILL);
	if (getenv("VERBOSE"))
		fprintf(stderr, "restore: %s %llu/%llu\n", stage, (unsigned long long)done,
			(unsigned long long)total);
}

static void to_file(const char *dir, const char *name, const struct machine *m)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	dump_machine(m, f);
	fclose(f);
}

/* The reloader's number; a former one's zombie may be part of the machine by now. */
static int last_pid = 20000;

/* In the second namespace: the part of the initramfs's shell. */
static int shell_part(struct machine *m, const char *fault, int report)
{
	pid_t controller;
	int status, fd;

	setsid();
	private_mounts();
	fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
	if (fd < 0 || dprintf(fd, "%d", last_pid) < 0)
		perror("ns_last_pid");
	close(fd);
	controller = fork();
	if (!controller) {
		struct restore_opts o = { .keep_mounts = true, .progress = progress };
		struct ohib_err e = { 0 };
		int ret;

		fault_set(fault);
		ret = restore_machine(m, &o, &e);
		if (ret)
			fprintf(stderr, "restore: %s (%d, pid %d, %s)\n", e.msg, ret, e.pid, strerror(-e.code));
		ret = write(report, &ret, sizeof(ret)) != sizeof(ret);
		_exit(ret);
	}
	waitpid(controller, &status, 0);
	/* Only an undone restore comes here. */
	status = -12345;
	return write(report, &status, sizeof(status)) != sizeof(status);
}

/*
 * Our own vDSO as if another kernel had it: one function goes by another name there, so that the
 * running kernel's cannot take its place and its functions are redirected.
 */
static void foreign_vdso(struct machine *m)
{
	const u8 *own = (const u8 *)getauxval(AT_SYSINFO_EHDR);
	u8 *copy = malloc(8192), *name;

	memcpy(copy, own, 8192);
	name = memmem(copy, 8192, "__vdso_getcpu", 13);
	if (name)
		name[12] = 'X';
	m->system.vdso = copy;
	m->system.vdso_len = 8192;
}

/* Until the program has said @what, @tenths of a second at most. */
static void wait_says(const char *dir, const char *what, u64 tenths)
{
	char path[256], buf[16384];

	snprintf(path, sizeof(path), "%s/log", dir);
	for (u64 i = 0; i < tenths; i++) {
		int fd = open(path, O_RDONLY);
		ssize_t n = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);

		if (fd >= 0)
			close(fd);
		buf[n > 0 ? n : 0] = '\0';
		if (strstr(buf, what))
			return;
		usleep(100000);
	}
}

/* PID 1 of a namespace, and all that is in it. */
static void end(pid_t init)
{
	kill(init, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
}

static pid_t pick_victim(const struct machine *m)
{
	const struct m_process *p;
	pid_t pid = 0;

	vec_foreach(p, &m->processes)
		if (p->pid != 1 && !p->zombie)
			pid = p->pid;
	return pid;
}

/* Build @m in a namespace of its own; *@init is its PID 1, 0 when that was undone as asked for. */
static int again(struct machine *m, const char *fault, pid_t *init)
{
	int pipefd[2], result = 0, second = 0;
	pid_t b;

	if (pipe2(pipefd, O_CLOEXEC))
		return 1;
	last_pid += 1000;
	b = new_namespace();
	if (!b)
		_exit(shell_part(m, fault, pipefd[1]));
	close(pipefd[1]);
	*init = b;
	if (read(pipefd[0], &result, sizeof(result)) != sizeof(result))
		result = -1;
	if (result) {
		*init = 0;
		if (read(pipefd[0], &second, sizeof(second)) == sizeof(second))
			fprintf(stderr, "PID 1 goes on after the undo\n");
		waitpid(b, NULL, 0);
		return (fault || victim) && second == -12345 ? 0 : 1;
	}
	/* until the reloader is no part of it any more */
	while (read(pipefd[0], &second, sizeof(second)) > 0)
		;
	close(pipefd[0]);
	return 0;
}

int main(int argc, char **argv)
{
	u64 settle = 1, keep = 1, rounds = 1;
	const char *fault = NULL;
	bool vdso = false, ready = false, die = false;
	struct ohib_err e = { 0 };
	struct machine m2;
	int opt, ret;
	const char *dir;
	pid_t a;

	while ((opt = getopt(argc, argv, "+df:s:k:r:vw")) != -1) {
		if (opt == 'f')
			fault = optarg;
		else if (opt == 's')
			settle = strtoull(optarg, NULL, 10);
		else if (opt == 'r')
			rounds = strtoull(optarg, NULL, 10);
		else if (opt == 'w')
			ready = true;
		else if (opt == 'v')
			vdso = true;
		else if (opt == 'd')
			die = true;
		else if (opt == 'k')
			keep = strtoull(optarg, NULL, 10);
	}
	if (argc == 1)
		return suite(argv[0]);
	if (argc - optind < 2)
		return 2;
	dir = argv[optind];
	contain();
	a = new_namespace();
	if (!a) {
		private_mounts();
		setsid();
		quiet_fds(dir, "log");
		execvp(argv[optind + 1], argv + optind + 1);
		_exit(127);
	}
	if (ready)
		wait_says(dir, "ready\n", 1200);
	sleep((unsigned int)settle);
	for (u64 round = 0; round < rounds; round++) {
		struct machine m;

		ret = scrape(a, &m, &e);
		if (ret) {
			fprintf(stderr, "scrape: %s (%d)\n", e.msg, ret);
			kill(a, SIGKILL);
			return 1;
		}
		m.system.realtime_ns = (u64)clock_ns(CLOCK_REALTIME);
		m.system.monotonic_ns = (u64)clock_ns(CLOCK_MONOTONIC) + 1000 * (round + 1) * NSEC_PER_SEC;
		m.system.boottime_ns = (u64)clock_ns(CLOCK_BOOTTIME) + 1000 * (round + 1) * NSEC_PER_SEC;
		if (vdso)
			foreign_vdso(&m);
		if (die)
			victim = pick_victim(&m);
		to_file(dir, "before", &m);
		end(a);
		ret = again(&m, fault, &a);
		if (ret || !a)
			return ret;
		/* it has other work than this one */
		if (ready)
			wait_says(dir, "\ndone\n", keep * 200);
		else
			sleep((unsigned int)keep);
	}
	ret = scrape(a, &m2, &e);
	if (ret)
		fprintf(stderr, "scrape: %s (%d)\n", e.msg, ret);
	else
		to_file(dir, "after", &m2);
	end(a);
	return ret != 0;
}
