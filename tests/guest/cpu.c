// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processor state of threads: some compute for good in general registers, some hold x87 and SSE
 * state in user code, some sleep in a system call; and what the C library has told the kernel of each.
 * The threads that compute rest in between and are nice: the other programs of the machine are to have the
 * processor, and one of these threads is still nearly always found in user code.
 *
 * Usage: cpu FILE. Upon SIGUSR1 looks at everything and writes "ok" or what is wrong to FILE.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPINNERS 3

static int answer_fd;
static volatile int stop;
static volatile uint64_t turns[SPINNERS];
static volatile int wrong[SPINNERS];

/* Each turn adds to every register what belongs to it; a register that was not kept breaks the sum. */
static uint64_t spin(uint64_t seed, uint64_t *sum)
{
	uint64_t n = 0, total = 0;

	asm volatile("mov %[seed], %%r8\n\t"
		     "lea 1(%%r8), %%r9\n\t"
		     "lea 2(%%r8), %%r10\n\t"
		     "lea 3(%%r8), %%r11\n\t"
		     "lea 4(%%r8), %%r12\n\t"
		     "lea 5(%%r8), %%r13\n\t"
		     "lea 6(%%r8), %%r14\n\t"
		     "lea 7(%%r8), %%r15\n\t"
		     "std\n"
		     "1:\n\t"
		     "add %%r8, %[total]\n\t"
		     "add %%r9, %[total]\n\t"
		     "add %%r10, %[total]\n\t"
		     "add %%r11, %[total]\n\t"
		     "add %%r12, %[total]\n\t"
		     "add %%r13, %[total]\n\t"
		     "add %%r14, %[total]\n\t"
		     "add %%r15, %[total]\n\t"
		     "inc %[n]\n\t"
		     "test $0xffff, %[n]\n\t"
		     "jnz 1b\n\t"
		     "pause\n\t"
		     "test $0x1fffff, %[n]\n\t"
		     "jnz 1b\n\t"
		     "pushf\n\t"
		     "pop %%r8\n\t"
		     "test $0x400, %%r8\n\t"
		     "cld\n\t"
		     "jnz 2f\n\t"
		     "xor %[n], %[n]\n"
		     "2:\n\t"
		     : [n] "+&r"(n), [total] "+&r"(total)
		     : [seed] "r"(seed)
		     : "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
	*sum = total;
	return n;
}

static void *spinner(void *arg)
{
	int me = (int)(intptr_t)arg;
	uint64_t seed = 0x123456789abcdef1ull * (uint64_t)(me + 1), sum;

	setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
	while (!stop) {
		uint64_t n = spin(seed, &sum);

		if (!n || sum != n * (8 * seed + 28))
			wrong[me] = 1;
		turns[me] += n;
		usleep(150000);
	}
	return NULL;
}

static volatile int fp_wrong;
static volatile unsigned int fp_turns;

/* Rounding modes, exceptions and a pile of x87 numbers, held in user code only. */
static void *floats(void *unused)
{
	static const double numbers[4] = {1.25, -3e300, 0.1, 12345678.9};
	uint16_t control = 0x0a7f, control_is, usual = 0x037f;
	uint32_t mxcsr = 0x7fa0, mxcsr_is, mxcsr_usual = 0x1f80;
	double back[4];

	(void)unused;
	setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
	while (!stop) {
		uint64_t n = 100000;

		asm volatile("fninit\n\tfldcw %[control]\n\tldmxcsr %[mxcsr]\n\t"
			     "fldl %[i3]\n\tfldl %[i2]\n\tfldl %[i1]\n\tfldl %[i0]\n"
			     "1:\n\tpause\n\tdec %[n]\n\tjnz 1b\n\t"
			     "fnstcw %[control_is]\n\tstmxcsr %[mxcsr_is]\n\t"
			     "fstpl %[b0]\n\tfstpl %[b1]\n\tfstpl %[b2]\n\tfstpl %[b3]\n\t"
			     "fldcw %[usual]\n\tldmxcsr %[mxcsr_usual]\n\t"
			     : [n] "+r"(n), [control_is] "=m"(control_is), [mxcsr_is] "=m"(mxcsr_is),
			       [b0] "=m"(back[0]), [b1] "=m"(back[1]), [b2] "=m"(back[2]), [b3] "=m"(back[3])
			     : [control] "m"(control), [mxcsr] "m"(mxcsr), [i0] "m"(numbers[0]), [i1] "m"(numbers[1]),
			       [i2] "m"(numbers[2]), [i3] "m"(numbers[3]),
			       [usual] "m"(usual), [mxcsr_usual] "m"(mxcsr_usual)
			     : "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "cc");
		if (control_is != control || mxcsr_is != mxcsr || memcmp(back, numbers, sizeof(back)))
			fp_wrong = 1;
		fp_turns++;
		usleep(100000);
	}
	return NULL;
}

/* gs is no one's: the program may have it. */
static volatile int gs_wrong;

static void *bases(void *unused)
{
	static uint64_t there[4] = {0x1111, 0x2222, 0x3333, 0x4444};
	uint64_t seen, base;

	(void)unused;
	syscall(SYS_arch_prctl, ARCH_SET_GS, there);
	while (!stop) {
		usleep(10000);
		asm volatile("movq %%gs:16, %0" : "=r"(seen));
		if (syscall(SYS_arch_prctl, ARCH_GET_GS, &base) || base != (uint64_t)(uintptr_t)there || seen != 0x3333)
			gs_wrong = 1;
	}
	return NULL;
}

/* A thread that dies with a robust mutex in its hands. */
static pthread_mutex_t robust;
static volatile int die, holds;

static void *holder(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&robust);
	holds = 1;
	while (!die)
		usleep(10000);
	return NULL;
}

static int restartable(void)
{
	const struct rseq *r = (const struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	cpu_set_t one;

	if (!__rseq_size)
		return 1; /* the C library has registered nothing */
	for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			return 0;
		if ((int)*(volatile uint32_t *)&r->cpu_id != cpu)
			return 0;
	}
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++)
		CPU_SET(cpu, &one);
	return !sched_setaffinity(0, sizeof(one), &one);
}

static const char *look(pthread_t *threads, size_t count, pthread_t dying)
{
	uint64_t were[SPINNERS];
	unsigned int fp_was = fp_turns;
	int err;

	for (int i = 0; i < SPINNERS; i++)
		were[i] = turns[i];
	for (int waited = 0; waited < 600; waited++) {
		int on = fp_turns > fp_was + 1;

		for (int i = 0; i < SPINNERS; i++)
			on &= turns[i] > were[i];
		if (on)
			break;
		if (waited == 599)
			return "a thread stands still";
		usleep(100000);
	}
	for (int i = 0; i < SPINNERS; i++)
		if (wrong[i])
			return "general registers or the direction flag are wrong";
	if (fp_wrong)
		return "x87 or SSE state is wrong";
	if (gs_wrong)
		return "the base of gs is wrong";
	if (!restartable())
		return "the restartable sequence's CPU number is not kept up";
	if (pthread_mutex_trylock(&robust) != EBUSY)
		return "a mutex that is held could be taken";
	die = 1;
	if (pthread_join(dying, NULL))
		return "a thread cannot be waited for";
	err = pthread_mutex_lock(&robust);
	if (err != EOWNERDEAD)
		return "a robust mutex does not tell that its owner died";
	pthread_mutex_consistent(&robust);
	pthread_mutex_unlock(&robust);
	stop = 1;
	for (size_t i = 0; i < count; i++)
		if (pthread_join(threads[i], NULL))
			return "a thread cannot be waited for";
	return "ok";
}

int main(int argc, char **argv)
{
	pthread_t threads[SPINNERS + 2], dying;
	pthread_mutexattr_t attr;
	const char *verdict;
	sigset_t set;
	int sig;

	if (argc != 2)
		return 2;
	answer_fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attr);
	for (int i = 0; i < SPINNERS; i++)
		if (pthread_create(&threads[i], NULL, spinner, (void *)(intptr_t)i))
			return 3;
	if (pthread_create(&threads[SPINNERS], NULL, floats, NULL) ||
	    pthread_create(&threads[SPINNERS + 1], NULL, bases, NULL) || pthread_create(&dying, NULL, holder, NULL))
		return 3;
	while (!holds || !fp_turns)
		usleep(10000);
	dprintf(answer_fd, "up\n");
	sigwait(&set, &sig);
	verdict = look(threads, SPINNERS + 2, dying);
	dprintf(answer_fd, "%s\n", verdict);
	return 0;
}
