// SPDX-License-Identifier: GPL-2.0-only
/* Pseudo-terminals that are made with unread data in them, in a devpts of our own. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "restore/tty.h"
#include "test.h"

struct made {
	struct machine m;
	struct ohib_err e;
	struct restore r;
	struct m_tty tty;
	struct tty_obj *o;
};

static bool own_devpts(void)
{
	static int done;

	if (!done)
		done = geteuid() || unshare(CLONE_NEWNS) ||
		       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		       mount("devpts", "/dev/pts", "devpts", 0, "mode=620,ptmxmode=666,newinstance") ? -1 : 1;
	return done > 0;
}

static void prepare(struct made *t)
{
	memset(t, 0, sizeof(*t));
	t->r = (struct restore){ .m = &t->m, .e = &t->e, .root_fd = open("/", O_PATH | O_DIRECTORY) };
	t->tty.kind = M_TTY_PTY;
	strcpy(t->tty.name, "pts/0");
	t->tty.master_open = t->tty.slave_open = true;
	t->tty.owner_mode = 0620;
	t->tty.c_cflag = B38400 | CS8 | CREAD;
	t->tty.c_ispeed = t->tty.c_ospeed = 38400;
	t->tty.c_lflag = ICANON | IEXTEN | ECHO | ISIG;
	t->tty.c_iflag = ICRNL | IXON;
	t->tty.c_oflag = OPOST | ONLCR;
	memcpy(t->tty.c_cc, "\003\034\177\025\004\0\1\0\021\023\032\0\022\017\027\026\0\0\0", 19);
}

static bool make(struct made *t)
{
	CHECK_EQ(vec_push(&t->m.ttys, &t->tty), 0);
	if (ttys_open(&t->r)) {
		fprintf(stderr, "%s\n", t->e.msg);
		return false;
	}
	t->o = t->tty.restore;
	return true;
}

static void done(struct made *t)
{
	ttys_close(&t->r);
	vec_free(&t->m.ttys);
	vec_free(&t->tty.to_slave_lines);
	close(t->r.root_fd);
}

static u8 pattern(u32 i)
{
	return (u8)(i % 251);
}

static u8 *some(u32 len)
{
	u8 *p = malloc(len);

	for (u32 i = 0; p && i < len; i++)
		p[i] = pattern(i);
	return p;
}

/* All that comes within a while; returns how many bytes of the pattern that is. */
static u32 drain(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	u8 buf[4096];
	u32 at = 0;

	while (poll(&p, 1, 100) > 0) {
		ssize_t n = read(fd, buf, sizeof(buf));

		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != pattern(at++))
				return 0;
		if (n <= 0)
			break;
	}
	return at;
}

static void check_amounts(u32 ring, u32 raw, u32 out)
{
	u8 *in, *to_slave, *to_master;
	struct made t;

	prepare(&t);
	t.tty.c_lflag = t.tty.c_iflag = t.tty.c_oflag = 0;
	t.tty.c_cc[VMIN] = 1;
	in = some(ring + raw);
	to_slave = malloc(ring + 1);
	to_master = some(out);
	memcpy(to_slave, in, ring);
	t.tty.to_slave = to_slave;
	t.tty.to_slave_len = ring;
	t.tty.to_slave_raw = in + ring;
	t.tty.to_slave_raw_len = raw;
	t.tty.to_master = to_master;
	t.tty.to_master_len = out;
	CHECK(make(&t));
	if (t.o) {
		CHECK_EQ(drain(t.o->fd), ring + raw);
		CHECK_EQ(drain(t.o->master), out);
	}
	done(&t);
	free(in);
	free(to_slave);
	free(to_master);
}

TEST(unread_bytes_up_to_the_limit)
{
	if (!own_devpts())
		return;
	check_amounts(0, 0, 1);
	check_amounts(4095, 1, 4096);
	check_amounts(4095, 16385, 20480);
	check_amounts(4095, 19968, 4095 + 19968);
	check_amounts(4095, 19968 + 16896, 4095 + 19968 + 16896);
	/* A line that was full before the terminal was switched to no lines. */
	check_amounts(4096, 100, 0);
}

/* Big writes and small ones, with buffers of 256 free: what a machine may hold at most. */
TEST(the_limit_is_the_kernels)
{
	static u8 buf[1792];
	int m, s;
	struct made t;
	u32 total = 0;

	if (!own_devpts())
		return;
	prepare(&t);
	t.tty.c_lflag = t.tty.c_iflag = t.tty.c_oflag = 0;
	REQUIRE(make(&t));
	m = t.o->master;
	s = t.o->fd;
	for (int round = 0; round < 3; round++) {
		for (int i = 0, bad = 0; bad < 20 && i < 1000; i++)
			if (write(m, buf, 200) <= 0) {
				bad++;
				usleep(1000);
			}
		while (read(s, buf, sizeof(buf)) > 0)
			;
	}
	for (u32 size = sizeof(buf); size; size /= 7)
		for (int bad = 0; bad < 20;) {
			ssize_t n = write(m, buf, size);

			if (n > 0)
				total += (u32)n;
			else
				bad++, usleep(1000);
		}
	CHECK(total > 20000);
	CHECK(total <= 4095 + 19968 + 16896);
	done(&t);
}

static void lines(struct made *t, const char *data, u32 len, const u32 *ends)
{
	t->tty.to_slave = (u8 *)data;
	t->tty.to_slave_len = len;
	for (; *ends; ends++)
		CHECK_EQ(vec_push(&t->tty.to_slave_lines, *ends), 0);
}

static bool reads(int fd, const char *want, ssize_t len)
{
	char buf[5000];
	ssize_t n = read(fd, buf, sizeof(buf));

	return n == len && !memcmp(buf, want, (size_t)len);
}

TEST(lines_end_as_they_did)
{
	struct made t;

	if (!own_devpts())
		return;
	prepare(&t);
	/* Special characters within, an end of file, one alone, and lines that were pushed. */
	lines(&t, "a\x04\x16\x03\x13\nend\0\0push\x16more\x04rest\x04", 26,
	      (const u32[]){ 6, 10, 11, 16, 21, 0 });
	t.tty.to_slave_lnext = true;
	REQUIRE(make(&t));
	CHECK(reads(t.o->fd, "a\x04\x16\x03\x13\n", 6));
	CHECK(reads(t.o->fd, "end", 3));
	CHECK(reads(t.o->fd, "", 0));
	CHECK(reads(t.o->fd, "push\x16", 5));
	CHECK(reads(t.o->fd, "more\x04", 5));
	/* Nothing was echoed so far; the next character is literal, and erases nothing. */
	CHECK(read(t.o->master, (char[9]){ 0 }, 9) == -1 && errno == EAGAIN);
	CHECK_EQ(write(t.o->master, "\177\n", 2), 2);
	usleep(20000);
	CHECK(reads(t.o->fd, "rest\x04\x7f\n", 7));
	done(&t);
}

TEST(a_stop_character_is_undone_by_start)
{
	struct made t;

	if (!own_devpts())
		return;
	prepare(&t);
	lines(&t, "x\x13\n", 3, (const u32[]){ 3, 0 });
	t.tty.stopped = t.tty.stopped_by_char = true;
	t.tty.to_master = (u8 *)"out";
	t.tty.to_master_len = 3;
	REQUIRE(make(&t));
	CHECK(reads(t.o->fd, "x\x13\n", 3));
	CHECK(reads(t.o->master, "out", 3));
	CHECK(write(t.o->fd, "y", 1) == -1 && errno == EAGAIN);
	CHECK_EQ(write(t.o->master, "\x11", 1), 1);
	usleep(20000);
	CHECK_EQ(write(t.o->fd, "y", 1), 1);
	done(&t);
}

static u8 status_of(struct made *t)
{
	u8 s = 0xff;

	return read(t->o->master, &s, 1) == 1 ? s : 0;
}

TEST(packet_mode_tells_what_it_had_not)
{
	static const struct {
		u8 status;
		bool stopped, ixon;
	} is[] = {
		{ 0, false, true }, { 0, true, true }, { TIOCPKT_STOP, true, false },
		{ TIOCPKT_START, false, true }, { TIOCPKT_DOSTOP, false, true },
		{ TIOCPKT_NOSTOP | TIOCPKT_STOP, true, false },
		{ TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE | TIOCPKT_START, false, true },
	};

	if (!own_devpts())
		return;
	for (size_t i = 0; i < ARRAY_SIZE(is); i++) {
		struct made t;

		prepare(&t);
		t.tty.packet = true;
		t.tty.packet_status = is[i].status;
		t.tty.stopped = is[i].stopped;
		t.tty.c_iflag = is[i].ixon ? IXON : 0;
		CHECK(make(&t));
		CHECK_EQ(status_of(&t), is[i].status);
		CHECK_EQ(status_of(&t), 0);
		CHECK((write(t.o->fd, "y", 1) == 1) == !is[i].stopped);
		done(&t);
	}
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(unread_bytes_up_to_the_limit),
		TEST_CASE(the_limit_is_the_kernels),
		TEST_CASE(lines_end_as_they_did),
		TEST_CASE(a_stop_character_is_undone_by_start),
		TEST_CASE(packet_mode_tells_what_it_had_not),
	};

	return TEST_MAIN(t);
}
