// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is refused for how it stood at that moment, which no program can be made to keep: a real machine's memory
 * (tests/fuzz/translate), changed in one place, must be refused for that place and nothing else.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "../tests/fuzz/translate/fixture.h"
#include "test.h"
#include "translate/translate.h"
#include "view/view_backend.h"

static const char *const fixtures[] = {
	"tests/fuzz/translate/fixtures/6.1.xz", "tests/fuzz/translate/fixtures/6.12.xz",
};

/* The one that is tested with, as it is and as it was taken. */
static struct fixture f;
static struct kernel_data *k;
static struct machine *was;

static int read_pfn(struct view *v, u64 pfn, void *page)
{
	s64 n = fixture_find(&f, pfn);

	(void)v;
	if (n < 0)
		return -ENODATA;
	if (f.pages[n])
		memcpy(page, f.pages[n], OHIB_PAGE_SIZE);
	else
		memset(page, 0, OHIB_PAGE_SIZE);
	return 0;
}

static bool has_pfn(struct view *v, u64 pfn)
{
	(void)v;
	return fixture_find(&f, pfn) >= 0;
}

static void close_view(struct view *v)
{
	free(v);
}

static const struct view_ops ops = { .read_pfn = read_pfn, .has_pfn = has_pfn, .close = close_view };

static struct machine *translated(void)
{
	struct view *v = calloc(1, sizeof(*v));
	struct kernel_data now = *k;
	struct machine *m = NULL;
	struct ohib_err err = { 0 };

	if (!v)
		return NULL;
	v->ops = &ops;
	now.view = v;
	if (view_init(v, now.syms, now.vmcoreinfo, now.fields.size[T_PAGE], &err) ||
	    machine_from_image(f.img, &now, true, &m, &err))
		printf("%s\n", err.msg);
	view_close(v);
	return m;
}

/* The bytes at @kva of the direct map. */
static u8 *memory(u64 kva)
{
	u64 at = kva - k->view->page_offset;
	s64 n = fixture_find(&f, at / OHIB_PAGE_SIZE);

	return n >= 0 && f.pages[n] ? (u8 *)f.pages[n] + at % OHIB_PAGE_SIZE : NULL;
}

static u8 *member(u64 kva, enum field field)
{
	return memory(kva + k->fields.loc[field].offset);
}

static u64 pointer(u64 kva, enum field field)
{
	u64 p = 0;

	if (member(kva, field))
		memcpy(&p, member(kva, field), sizeof(p));
	return p;
}

/* One of a thread's registers: struct pt_regs begins as user_regs_struct does. Its stack is not in the direct map. */
#define REG(t, member) reg(t, offsetof(struct user_regs_struct, member))
static u8 *reg(const struct m_thread *t, size_t offset)
{
	size_t len = offsetof(struct user_regs_struct, cs);

	for (u64 i = 0; i < f.nr; i++) {
		u8 *at = f.pages[i] ? memmem(f.pages[i], OHIB_PAGE_SIZE, &t->regs, len) : NULL;

		if (at)
			return at + offset;
	}
	return NULL;
}

static struct m_thread *inside(s64 nr)
{
	struct m_process *p;

	vec_foreach(p, &was->processes)
		for (size_t i = 0; i < p->threads.n; i++)
			if (p->threads.v[i]->entry == M_ENTRY_INSIDE && (s64)p->threads.v[i]->regs.orig_rax == nr)
				return p->threads.v[i];
	return NULL;
}

/* How many times the machine as it is now is refused for @reason beyond what it was, and for anything. */
static void check_refused(const char *reason, size_t times)
{
	struct machine *m = translated();
	size_t found = 0;

	REQUIRE(m);
	for (size_t i = 0; i < m->refusals.list.n; i++)
		found += strstr(m->refusals.list.v[i]->reason, reason) != NULL;
	CHECK_EQ(found, times);
	CHECK_EQ(m->refusals.list.n, was->refusals.list.n + times);
	if (found != times || m->refusals.list.n != was->refusals.list.n + times)
		for (size_t i = 0; i < m->refusals.list.n; i++)
			printf("\t%d %s: %s\n", m->refusals.list.v[i]->pid, m->refusals.list.v[i]->object,
			       m->refusals.list.v[i]->reason);
	machine_free(m);
}

static void refused_with(void *at, u64 value, size_t len, const char *reason)
{
	u64 saved = 0;

	REQUIRE(at);
	memcpy(&saved, at, len);
	memcpy(at, &value, len);
	check_refused(reason, 1);
	memcpy(at, &saved, len);
}

static void on_each(void (*fn)(void))
{
	for (size_t i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
		struct ohib_err err = { 0 };

		if (fixture_open(fixtures[i], &f, &err) || kernel_data_open_image(f.img, &k, &err))
			printf("%s: %s\n", fixtures[i], err.msg);
		was = k ? translated() : NULL;
		CHECK(was);
		if (was)
			fn();
		machine_free(was);
		kernel_data_close(k);
		fixture_close(&f);
		k = NULL;
	}
}

static void vfork_one(void)
{
	struct m_thread *t = inside(SYS_rt_sigtimedwait);

	REQUIRE(t);
	refused_with(REG(t, orig_rax), SYS_vfork, 8, "starting a program");
	refused_with(REG(t, orig_rax), SYS_clone, 8, "starting a program");
}

TEST(vfork_is_not_done_twice)
{
	on_each(vfork_one);
}

static void half_received_one(void)
{
	struct m_thread *t = inside(SYS_recvfrom);
	struct m_process *p;
	u64 sk = 0;

	REQUIRE(t);
	refused_with(REG(t, r10), MSG_WAITALL, 8, "MSG_WAITALL");
	refused_with(REG(t, orig_rax), SYS_recvmmsg, 8, "recvmmsg");
	vec_foreach(p, &was->processes)
		for (size_t i = 0; p->threads.n && p->threads.v[0] == t && i < p->fdtable->fds.n; i++)
			if (p->fdtable->fds.v[i].fd == (s32)t->regs.rdi)
				sk = p->fdtable->fds.v[i].file->sock->kaddr;
	REQUIRE(sk);
	refused_with(member(sk, F_SK_RCVLOWAT), 2, 4, "SO_RCVLOWAT");
}

TEST(what_was_received_is_not_lost)
{
	on_each(half_received_one);
}

static struct m_process *process(bool stopped)
{
	struct m_process *p;

	vec_foreach(p, &was->processes)
		if (p->pid != 1 && !p->zombie && !p->is_tool && p->stopped == stopped)
			return p;
	return NULL;
}

static void in_between_one(void)
{
	struct m_process *p = process(false), *stopped = process(true);
	u64 shared, bit = 1ull << (SIGSTOP - 1);
	u8 *pending;

	REQUIRE(p && stopped);
	refused_with(member(pointer(p->kaddr, F_TASK_SIGNAL), F_SIG_FLAGS), 4, 4, "being ended");
	refused_with(member(stopped->kaddr, F_TASK_JOBCTL), 1 << 17, 8, "being ended");
	shared = pointer(p->kaddr, F_TASK_SIGNAL) + k->fields.loc[F_SIG_SHARED_PENDING].offset;
	refused_with(member(shared, F_SIGPENDING_SIGNAL), bit, 8, "being ended");
	refused_with(member(p->kaddr + k->fields.loc[F_TASK_PENDING].offset, F_SIGPENDING_SIGNAL),
		     1ull << (SIGKILL - 1), 8, "being ended");
	/* a second one, of a process that has stopped */
	shared = pointer(stopped->kaddr, F_TASK_SIGNAL) + k->fields.loc[F_SIG_SHARED_PENDING].offset;
	pending = member(shared, F_SIGPENDING_SIGNAL);
	REQUIRE(pending);
	memcpy(pending, &bit, sizeof(bit));
	check_refused("being ended", 0);
}

TEST(between_signal_and_end)
{
	on_each(in_between_one);
}

/* The events of an entry: struct epoll_event is packed. */
static u8 *entry(const struct m_epoll_item *it)
{
	u8 event[12];

	memcpy(event, &it->events, 4);
	memcpy(event + 4, &it->data, 8);
	for (u64 i = 0; i < f.nr; i++) {
		u8 *at = f.pages[i] ? memmem(f.pages[i], OHIB_PAGE_SIZE, event, sizeof(event)) : NULL;

		if (at)
			return at;
	}
	return NULL;
}

static void spent_entry_one(void)
{
	struct m_file *file;

	vec_foreach(file, &was->files)
		for (size_t i = 0; file->kind == M_FILE_EPOLL && i < file->epoll->items.n; i++) {
			const struct m_epoll_item *it = &file->epoll->items.v[i];

			if (it->target->kind != M_FILE_SOCKET)
				continue;
			refused_with(entry(it), EPOLLONESHOT | EPOLLET, 4, "one-shot");
			return;
		}
	CHECK(!"an epoll set that watches a socket");
}

TEST(spent_entry_may_hang_up)
{
	on_each(spent_entry_one);
}

static void listed_one(void)
{
	struct m_file *file;

	vec_foreach(file, &was->files)
		if (file->kind == M_FILE_DIR && file->path->mnt->sb->kind == M_FS_TMPFS) {
			refused_with(member(file->kaddr, F_FILE_POS), 3, 8, "listed in part");
			return;
		}
	CHECK(!"a directory in memory");
}

TEST(half_listed)
{
	on_each(listed_one);
}

int main(void)
{
	static const struct test_case tests[] = {
		TEST_CASE(vfork_is_not_done_twice),
		TEST_CASE(what_was_received_is_not_lost),
		TEST_CASE(between_signal_and_end),
		TEST_CASE(spent_entry_may_hang_up),
		TEST_CASE(half_listed),
	};

	return TEST_MAIN(tests);
}
