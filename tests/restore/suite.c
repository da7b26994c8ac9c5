// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs of cases/, each switched from one pid namespace to another and asked what it sees.
 * Without root, or without namespaces, there is nothing that could be tried: nothing passes then.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

static const struct {
	const char *name, *program;
	const char *argv[6];
} cases[] = {
	{ "processes", "processes.py", { "-k", "4" } },
	{ "families", "families.py", { "-k", "2" } },
	{ "files", "files.py", { "-k", "9" } },
	{ "sockets", "sockets.py", { "-k", "4" } },
	{ "sleeps", "sleeps.py", { "-k", "7" } },
	{ "clocks", "clocks.py", { "-k", "3" } },
	{ "clocks, another kernel's vDSO", "clocks.py", { "-k", "3", "-v" } },
	/* every fault point that such a restore comes by before its commit */
	{ "undone before PID 1 is taken", "processes.py", { "-f", "TAKE_INIT" } },
	{ "undone before anything is prepared", "processes.py", { "-f", "PREPARE" } },
	{ "undone before files are compared", "processes.py", { "-f", "FILES_CHECK" } },
	{ "undone before terminals are opened", "processes.py", { "-f", "TTYS" } },
	{ "undone at the first process", "processes.py", { "-f", "PROCESS" } },
	{ "undone in the middle", "processes.py", { "-f", "PROCESS:5" } },
	{ "undone before groups are made", "processes.py", { "-f", "GROUPS" } },
	{ "undone before files are opened", "files.py", { "-f", "FILES" } },
	{ "undone before the commit", "files.py", { "-f", "COMMIT" } },
	{ "undone when one was killed", "processes.py", { "-d" } },
};

static int count(const char *text, const char *what)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
		n += p == text || p[-1] == '\n';
	return n;
}

static int run_one(const char *self, size_t i, const char *dir, char *out, size_t size)
{
	char log[128], program[128];
	const char *argv[20] = { self };
	int n = 1, status, fd;
	ssize_t got;
	pid_t pid;

	snprintf(log, sizeof(log), "%s/log", dir);
	snprintf(program, sizeof(program), "tests/restore/cases/%s", cases[i].program);
	unlink(log);
	for (int k = 0; k < 6 && cases[i].argv[k]; k++)
		argv[n++] = cases[i].argv[k];
	argv[n++] = "-w";
	argv[n++] = "-s0";
	argv[n++] = dir;
	/* The program is not PID 1, which sees the reloader end as a child of its own. */
	argv[n++] = "sh";
	argv[n++] = "-c";
	argv[n++] = "python3 $0; sleep 1000";
	argv[n++] = program;
	pid = fork();
	if (!pid) {
		execv("/proc/self/exe", (char **)argv);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	fd = open(log, O_RDONLY);
	got = fd < 0 ? 0 : read(fd, out, size - 1);
	out[got > 0 ? got : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int suite(const char *self)
{
	char dir[] = "/tmp/restore-test.XXXXXX", out[16384];
	int passed = 0, failed = 0;

	if (geteuid() || !mkdtemp(dir)) {
		printf("restore: needs root\n0 passed, 0 failed\n");
		return 0;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = run_one(self, i, dir, out, sizeof(out));
		bool undo = !strcmp(cases[i].argv[0], "-f") || !strcmp(cases[i].argv[0], "-d");
		int good = count(out, "ok: "), bad = count(out, "not ok: ");

		if (undo)
			good = 1, bad = rc != 0;
		else if (rc || !count(out, "done"))
			bad++;
		if (bad)
			printf("%s\n%s: exit %d\n", out, cases[i].name, rc);
		passed += bad && undo ? 0 : good;
		failed += bad;
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
