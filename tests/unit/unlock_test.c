// SPDX-License-Identifier: GPL-2.0-only
/* Where keys come from: words of the configuration, files, key rings, terminals, programs that ask. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>

#include "test.h"
#include "image_make.h"
#include "seal/keyring.h"
#include "seal/prompt.h"
#include "unlock/keys.h"

#define SIZE (4u << 20)

static const struct kdf_cost cheap = { .passes = 1, .kib = 64, .lanes = 2 };

static struct secret *word(const char *text)
{
	struct secret *s = secret_create(strlen(text) + 1);

	if (!s)
		abort();
	strcpy((char *)s->data, text);
	s->len = strlen(text);
	return s;
}

static struct ohib_locks locks;

/* Sealed with passphrase "sesame" and with the bytes "file's\n". */
static void make(struct made_image *m)
{
	static const char *const secrets[] = { "sesame", "file's\n" };
	static const u32 types[] = { OHIB_SLOT_PASSPHRASE, OHIB_SLOT_KEY_FILE };

	locks.nr = 0;
	for (int i = 0; i < 2; i++) {
		struct secret *s = word(secrets[i]);

		if (ohib_lock_make(types[i], s, &cheap, &locks.v[locks.nr++], NULL))
			abort();
		secret_free(s);
	}
	made_file(m, SIZE);
	made_list(m, 100);
	m->locks = &locks;
	if (made_write(m, 32, NULL))
		abort();
}

static void file_with(char path[32], const char *text)
{
	int fd;

	strcpy(path, "/tmp/ohib-key-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

TEST(words)
{
	static const struct { const char *text; int result; } t[] = {
		{ "passphrase", 0 }, { "file:/x", 0 }, { "keyring:a b", 0 }, { "passphrases", -EINVAL },
		{ "file:", -EINVAL }, { "keyring:", -EINVAL }, { "", -EINVAL }, { "File:/x", -EINVAL },
		{ "/x", -EINVAL }, { "none", -EINVAL },
	};
	struct key_policy p = { 0 };
	struct ohib_err err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		CHECK_EQ(key_policy_add(&p, t[i].text, NULL), t[i].result);
	CHECK_EQ(p.nr, 3);
	CHECK_STR(p.v[1].arg, "/x");
	CHECK_EQ(p.v[2].kind, KEY_RING);
	p = (struct key_policy){ 0 };
	CHECK_EQ(key_policy_add(&p, "none", NULL), 0);
	CHECK_EQ(p.nr, 0);
	CHECK_EQ(key_policy_add(&p, "passphrase", &err), -EINVAL);
	CHECK(strstr(err.msg, "none"));
}

TEST(key_file)
{
	const struct key_asking nobody = { .tty = -1, .tries = 1 };
	struct key_policy right = { 0 }, wrong = { 0 };
	struct ohib_err err = { 0 };
	struct secret *keys = NULL;
	char path[32], other[32], w[64];
	struct made_image m;

	make(&m);
	file_with(path, "file's\n");
	file_with(other, "file's");
	snprintf(w, sizeof(w), "file:%s", path);
	key_policy_add(&right, w, NULL);
	snprintf(w, sizeof(w), "file:%s", other);
	key_policy_add(&wrong, w, NULL);
	CHECK_EQ(key_find(m.path, &right, &nobody, &keys, &err), 0);
	CHECK(keys != NULL);
	secret_free(keys);
	CHECK_EQ(key_find(m.path, &wrong, &nobody, &keys, &err), -ENOKEY);
	unlink(path);
	ohib_err_clear(&err);
	CHECK_EQ(key_find(m.path, &right, &nobody, &keys, &err), -ENOKEY);
	CHECK(!keys);
	unlink(other);
	made_free(&m);
}

/* Whoever cannot make a sealed image brings one that is not. */
TEST(not_sealed)
{
	const struct key_asking nobody = { .tty = -1, .tries = 1 };
	struct key_policy lax = { 0 }, strict = { .demands = true };
	struct ohib_err err = { 0 };
	struct secret *keys;
	struct made_image m;

	made_file(&m, SIZE);
	made_list(&m, 100);
	REQUIRE(!made_write(&m, 32, NULL));
	CHECK_EQ(key_find(m.path, &lax, &nobody, &keys, &err), 0);
	CHECK(!keys);
	CHECK_EQ(key_find(m.path, &strict, &nobody, &keys, &err), -EKEYREJECTED);
	CHECK(strstr(err.msg, "not sealed"));
	made_free(&m);
}

/* A terminal with somebody who answers each question in turn. */
struct typist {
	int master;
	const char *const *answers;
	char seen[2000];
	bool echoed;
};

static void *typist_main(void *arg)
{
	struct typist *t = arg;
	size_t n = 0;

	while (n < sizeof(t->seen) - 1) {
		ssize_t got = read(t->master, t->seen + n, sizeof(t->seen) - 1 - n);
		char *end = t->seen + n;

		if (got <= 0)
			break;
		n += (size_t)got;
		t->seen[n] = '\0';
		if (!strstr(end, ": ") || !*t->answers)
			continue;
		if (write(t->master, *t->answers, strlen(*t->answers)) < 0)
			break;
		t->answers++;
	}
	return NULL;
}

static int asked(const char *path, const char *const *answers, const struct key_asking *how, char *seen,
		 struct ohib_err *err)
{
	struct typist t = { .master = posix_openpt(O_RDWR | O_NOCTTY), .answers = answers };
	struct key_asking ask = *how;
	struct key_policy none = { 0 };
	struct secret *keys = NULL;
	struct termios after;
	pthread_t thread;
	int r;

	if (t.master < 0 || grantpt(t.master) || unlockpt(t.master))
		abort();
	ask.tty = open(ptsname(t.master), O_RDWR | O_NOCTTY);
	pthread_create(&thread, NULL, typist_main, &t);
	r = key_find(path, &none, &ask, &keys, err);
	CHECK(!tcgetattr(ask.tty, &after) && after.c_lflag & ECHO);
	close(ask.tty);
	pthread_join(thread, NULL);
	close(t.master);
	CHECK_EQ(!r, keys != NULL);
	secret_free(keys);
	strcpy(seen, t.seen);
	return r;
}

TEST(terminal)
{
	static const char *const right[] = { "sesame\n", NULL };
	static const char *const third[] = { "sesam\n", "\n", "sesame\n", NULL };
	static const char *const never[] = { "a\n", "b\n", "c\n", "sesame\n", NULL };
	static const char *const enough[] = { "a\n", "discard\n", "sesame\n", NULL };
	const struct key_asking three = { .tries = 3 }, no_end = { .give_up = "discard" };
	struct ohib_err err = { 0 };
	struct made_image m;
	char seen[2000];

	make(&m);
	CHECK_EQ(asked(m.path, right, &three, seen, &err), 0);
	CHECK(strstr(seen, "Passphrase of the machine"));
	CHECK(!strstr(seen, "sesame"));
	CHECK_EQ(asked(m.path, third, &three, seen, &err), 0);
	CHECK(strstr(seen, "No key with this passphrase"));
	CHECK_EQ(asked(m.path, never, &three, seen, &err), -EKEYREJECTED);
	ohib_err_clear(&err);
	CHECK_EQ(asked(m.path, enough, &no_end, seen, &err), -ECANCELED);
	CHECK(strstr(seen, "(or \"discard\")"));
	made_free(&m);
}

/* ^C at the prompt: the program ends as ever, and the terminal echoes again. */
TEST(terminal_of_who_is_interrupted)
{
	struct termios t;
	char seen[100];
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave, status;
	pid_t pid;

	REQUIRE(master >= 0 && !grantpt(master) && !unlockpt(master));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	pid = fork();
	if (!pid) {
		struct secret *s;

		prompt_read(slave, "Passphrase: ", &s, NULL);
		_exit(0);
	}
	CHECK(read(master, seen, sizeof(seen)) > 0);
	CHECK(!tcgetattr(slave, &t) && !(t.c_lflag & ECHO));
	kill(pid, SIGTERM);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	CHECK(!tcgetattr(slave, &t) && t.c_lflag & ECHO);
	close(slave);
	close(master);
}

TEST(programs_that_ask)
{
	static const char *const right[] = { "sesame\n", NULL };
	struct key_asking ask = { .program = "printf '%s' sesame; : ", .tty = -1, .tries = 5 };
	struct key_policy none = { 0 };
	struct ohib_err err = { 0 };
	struct secret *s, *keys = NULL;
	struct made_image m;
	char seen[2000];

	make(&m);
	/* the prompt is one argument, whatever is in it */
	REQUIRE(!prompt_program("printf '%s|%s' x", "a \"b\" $c: ", &s, &err));
	CHECK_EQ(s->len, strlen("x|a \"b\" $c: "));
	CHECK(!memcmp(s->data, "x|a \"b\" $c: ", s->len));
	secret_free(s);
	CHECK_EQ(key_find(m.path, &none, &ask, &keys, &err), 0);
	secret_free(keys);
	ask.program = "printf 'sesame\\n'; : ";
	CHECK_EQ(key_find(m.path, &none, &ask, &keys, &err), 0);
	secret_free(keys);
	ask.program = "printf 'sesamf'; : ";
	CHECK_EQ(key_find(m.path, &none, &ask, &keys, &err), -EKEYREJECTED);
	/* one that cannot ask gives way to the terminal, and without one it is the end */
	ohib_err_clear(&err);
	ask.program = "false";
	CHECK_EQ(key_find(m.path, &none, &ask, &keys, &err), -ENOKEY);
	ohib_err_clear(&err);
	CHECK_EQ(asked(m.path, right, &ask, seen, &err), 0);
	made_free(&m);
}

TEST(key_rings)
{
	const struct key_asking nobody = { .tty = -1, .tries = 1 };
	struct key_policy p = { 0 };
	struct ohib_image_info info;
	struct ohib_err err = { 0 };
	struct secret *keys = NULL, *again;
	char name[40], w[60];
	struct made_image m;

	snprintf(name, sizeof(name), "overlayctl test %d", (int)getpid());
	if (keyring_put(name, "sesame", 6, 60)) {
		printf("this kernel or container has no key rings: not tested\n");
		return;
	}
	make(&m);
	snprintf(w, sizeof(w), "keyring:%s", name);
	key_policy_add(&p, w, NULL);
	REQUIRE(!key_find(m.path, &p, &nobody, &keys, &err));
	/* and what one program of a boot found, the next one has */
	REQUIRE(!ohib_image_peek(m.path, &info, &err));
	CHECK_EQ(key_cache_put(&info, keys), 0);
	keyring_drop(name);
	CHECK_EQ(keyring_read(name, &again), -ENOKEY);
	REQUIRE(!key_find(m.path, &p, &nobody, &again, &err));
	CHECK(again->len == keys->len && !memcmp(again->data, keys->data, keys->len));
	secret_free(again);
	secret_free(keys);
	key_cache_drop(&info);
	CHECK(key_find(m.path, &p, &nobody, &keys, &err) < 0);
	/* something else by the name that a program of a boot would have left */
	again = word("no keys");
	CHECK_EQ(key_cache_put(&info, again), 0);
	secret_free(again);
	CHECK(key_find(m.path, &p, &nobody, &keys, &err) < 0);
	CHECK(!keys);
	key_cache_drop(&info);
	made_free(&m);
}

/* What systemd leaves when it has unlocked several disks. */
TEST(several_in_one_key)
{
	static const char both[] = "of another disk\0sesame";
	const struct key_asking nobody = { .tty = -1, .tries = 1 };
	struct key_policy p = { 0 };
	struct ohib_err err = { 0 };
	struct secret *keys = NULL, *got;
	struct made_image m;

	if (keyring_read("cryptsetup", &got) != -ENOKEY || keyring_put("cryptsetup", both, sizeof(both) - 1, 60)) {
		printf("no key rings here, or one that is in use: not tested\n");
		return;
	}
	make(&m);
	key_policy_add(&p, "keyring:cryptsetup", NULL);
	CHECK_EQ(key_find(m.path, &p, &nobody, &keys, &err), 0);
	secret_free(keys);
	REQUIRE(!keyring_passphrase("cryptsetup", 0, &got));
	CHECK(got->len == 15 && !memcmp(got->data, "of another disk", 15));
	secret_free(got);
	CHECK_EQ(keyring_passphrase("cryptsetup", 2, &got), -ENOKEY);
	keyring_drop("cryptsetup");
	made_free(&m);
}

/* Made by a child; the parent gets what closes, and no image is opened by that. */
TEST(locks_for_a_new_image)
{
	const struct key_asking nobody = { .tty = -1, .tries = 1 };
	struct key_policy p = { 0 };
	struct ohib_err err = { 0 };
	struct secret *keys = NULL;
	struct ohib_locks l;
	struct made_image m;
	char path[32], w[64];
	int end[2], saved = dup(STDIN_FILENO);

	file_with(path, "other bytes");
	snprintf(w, sizeof(w), "file:%s", path);
	key_policy_add(&p, "passphrase", NULL);
	key_policy_add(&p, w, NULL);
	REQUIRE(!pipe(end));
	CHECK(write(end[1], "from a pipe\n", 12) == 12);
	close(end[1]);
	dup2(end[0], STDIN_FILENO);
	close(end[0]);
	CHECK_EQ(key_locks_make(&p, false, &l, &err), 0);
	dup2(saved, STDIN_FILENO);
	close(saved);
	CHECK_STR(err.msg, "");
	CHECK_EQ(l.nr, 2);
	CHECK_EQ(l.v[0].type, OHIB_SLOT_PASSPHRASE);
	CHECK_EQ(l.v[1].type, OHIB_SLOT_KEY_FILE);
	CHECK_EQ(l.v[0].cost.kib, 65536);
	CHECK(memcmp(l.v[0].salt, l.v[1].salt, 32));
	CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
	made_file(&m, SIZE);
	made_list(&m, 10);
	m.locks = &l;
	REQUIRE(!made_write(&m, 32, &err));
	CHECK_EQ(key_find(m.path, &p, &nobody, &keys, &err), 0);
	secret_free(keys);
	unlink(path);
	CHECK_EQ(key_locks_make(&p, false, &l, &err), -ENODATA); /* standard input is at its end, or not typed at */
	made_free(&m);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(words), TEST_CASE(key_file), TEST_CASE(not_sealed), TEST_CASE(terminal),
		TEST_CASE(terminal_of_who_is_interrupted), TEST_CASE(programs_that_ask),
		TEST_CASE(key_rings), TEST_CASE(several_in_one_key), TEST_CASE(locks_for_a_new_image),
	};
	int fd = open("/dev/null", O_RDONLY);

	/* nobody is to be asked for anything by accident */
	dup2(fd, STDIN_FILENO);
	return TEST_MAIN(t);
}
