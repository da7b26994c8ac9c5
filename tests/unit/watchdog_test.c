// SPDX-License-Identifier: GPL-2.0-only
/* The watchdog of a restore: quiet while something is done, then it tells, then it gives up. */
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "restore/remote.h"
#include "restore/watchdog.h"
#include "test.h"

static int said[2];

static void tell(const struct watchdog_seen *s)
{
	dprintf(said[1], "%s %d %d;", s->stage, s->tid, s->nr);
}

static void give_up(int what)
{
	dprintf(said[1], "up %d", what);
}

static const struct watchdog_opts opts = {
	.tell_ms = 500, .give_up_ms = 1300, .tell = tell, .give_up = give_up,
};

/* Patient enough for a machine that has other things to do. */
static const struct watchdog_opts slow = {
	.tell_ms = 3000, .give_up_ms = 9000, .tell = tell, .give_up = give_up,
};

static const char *heard(void)
{
	static char text[256];
	ssize_t n;

	usleep(100000);
	n = read(said[0], text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

TEST(quiet_before_it_is_armed)
{
	REQUIRE(!watchdog_start(&opts));
	usleep(1800000);
	watchdog_stop();
	CHECK_STR(heard(), "");
}

TEST(quiet_while_something_is_done)
{
	REQUIRE(!watchdog_start(&slow));
	watchdog_arm(1);
	for (int i = 0; i < 40; i++) {
		watchdog_beat();
		usleep(100000);
	}
	watchdog_stop();
	CHECK_STR(heard(), "");
}

TEST(quiet_while_it_works)
{
	clock_t begun = clock();

	REQUIRE(!watchdog_start(&opts));
	watchdog_work(true);
	watchdog_stage("verify");
	watchdog_arm(1);
	for (int i = 0; i < 40; i++) {
		while (clock() - begun < CLOCKS_PER_SEC / 25)
			;
		begun = clock();
		usleep(60000);
	}
	CHECK_STR(heard(), "");
	usleep(2500000);
	CHECK(strstr(heard(), "verify 0 0;"));
	watchdog_stop();
}

TEST(tells_and_gives_up)
{
	const char *text;

	REQUIRE(!watchdog_start(&opts));
	watchdog_stage("descriptors");
	watchdog_arm(1);
	watchdog_arm(2);
	remote_pulse->tid = 77;
	remote_pulse->nr = 9;
	usleep(2500000);
	text = heard();
	watchdog_stop();
	CHECK(!strncmp(text, "descriptors 77 9;", 17));
	CHECK(strlen(text) > 4 && !strcmp(text + strlen(text) - 4, "up 2"));
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(quiet_before_it_is_armed),
		TEST_CASE(quiet_while_something_is_done),
		TEST_CASE(quiet_while_it_works),
		TEST_CASE(tells_and_gives_up),
	};

	if (pipe2(said, O_NONBLOCK))
		return 1;
	return TEST_MAIN(t);
}
