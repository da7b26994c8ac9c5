// SPDX-License-Identifier: GPL-2.0-only
/* Asking for a secret. It goes from the descriptor into locked memory, through no buffer of ours. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "seal/prompt.h"

/* What ends a program at a prompt must not leave the terminal without an echo. */
static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
static volatile sig_atomic_t caught;

static void note(int signal)
{
	caught = signal;
}

static void watch(struct sigaction *old, sigset_t *mask)
{
	struct sigaction sa = { .sa_handler = note }; /* without SA_RESTART: ppoll is to return */

	sigset_t held;

	caught = 0;
	sigemptyset(&held);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++) {
		sigaction(ending[i], &sa, &old[i]);
		sigaddset(&held, ending[i]);
	}
	sigprocmask(SIG_BLOCK, &held, mask);
}

static void unwatch(const struct sigaction *old, const sigset_t *mask)
{
	sigprocmask(SIG_SETMASK, mask, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		sigaction(ending[i], &old[i], NULL);
	if (caught)
		raise(caught);
}

/*
 * Up to @stop (a character, or -1: the end of the file). @mask: signals are held but while it waits, so that none comes
 * between a look and a wait; NULL: as they are. -ENODATA: there was nothing, not even @stop.
 */
static int read_until(int fd, int stop, struct secret *s, const sigset_t *mask)
{
	while (s->len < s->room) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n = ppoll(&p, 1, NULL, mask);

		if (n > 0)
			n = read(fd, s->data + s->len, 1);
		if (n < 0 && errno == EINTR && !(mask && caught))
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return s->len ? 0 : -ENODATA;
		if (s->data[s->len] == stop)
			return 0;
		s->len++;
	}
	return -EMSGSIZE;
}

static int take(struct secret *s, int r, struct secret **out, struct ohib_err *err)
{
	if (r == -ENODATA)
		ohib_err_set(err, r, "no passphrase was given");
	else if (r == -EMSGSIZE)
		ohib_err_set(err, r, "the passphrase is longer than %u bytes", PROMPT_BYTES_MAX);
	else if (r)
		ohib_err_set(err, r, "reading the passphrase: %s", strerror(-r));
	if (r)
		secret_free(s);
	else
		*out = s;
	return r;
}

int prompt_read(int fd, const char *prompt, struct secret **out, struct ohib_err *err)
{
	struct secret *s = secret_create(PROMPT_BYTES_MAX);
	struct sigaction actions[ARRAY_SIZE(ending)];
	sigset_t mask;
	struct termios old, quiet;
	bool tty;
	int r;

	if (!s)
		return ohib_err_set(err, -ENOMEM, "no memory that can be locked for the passphrase");
	tty = !tcgetattr(fd, &old);
	if (tty) {
		watch(actions, &mask);
		quiet = old;
		quiet.c_lflag = (quiet.c_lflag | ICANON | ECHONL) & ~(tcflag_t)ECHO;
		quiet.c_iflag |= ICRNL;
		/* No echo first: what is typed at the sight of the prompt is not to be thrown away. */
		if (tcsetattr(fd, TCSAFLUSH, &quiet) || write(fd, prompt, strlen(prompt)) < 0) {
			r = -errno;
			goto out;
		}
	}
	r = read_until(fd, '\n', s, tty ? &mask : NULL);
out:
	if (tty) {
		tcsetattr(fd, TCSADRAIN, &old);
		unwatch(actions, &mask);
	}
	return take(s, r, out, err);
}

int prompt_program(const char *program, const char *prompt, struct secret **out, struct ohib_err *err)
{
	struct secret *s = secret_create(PROMPT_BYTES_MAX);
	int end[2], status = 0, r;
	pid_t pid;

	if (!s)
		return ohib_err_set(err, -ENOMEM, "no memory that can be locked for the passphrase");
	if (pipe(end)) {
		r = -errno;
		return take(s, r, out, err);
	}
	pid = fork();
	if (!pid) {
		char command[300];
		const char *argv[] = { "sh", "-c", command, "sh", prompt, NULL };

		dup2(end[1], STDOUT_FILENO);
		close(end[0]);
		close(end[1]);
		strncpy(command, program, sizeof(command) - 8);
		command[sizeof(command) - 8] = '\0';
		strcat(command, " \"$1\"");
		execv("/bin/sh", (char **)argv);
		_exit(127);
	}
	r = pid < 0 ? -errno : 0;
	close(end[1]);
	if (!r)
		r = read_until(end[0], -1, s, NULL);
	close(end[0]);
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	if (s->len && s->data[s->len - 1] == '\n')
		s->len--;
	if (!r && (status || !s->len))
		r = -ENODATA;
	return take(s, r, out, err);
}
