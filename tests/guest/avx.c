// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adds up in ymm0 to ymm7 what ymm8 to ymm15 hold, for good; the sums are nowhere else.
 *
 * Usage: avx FILE. Upon SIGUSR1 writes to FILE: additions made so far, lanes that are wrong, and a
 * number that only this process knows. The process is to be found in user code and in a system
 * call, which both must leave the registers alone.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define LANES 32

static double sums[LANES], steps[LANES];
static volatile int asked = 1;

static void on_question(int sig)
{
	(void)sig;
	asked = 1;
}

#define ALL(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)
#define LOAD(n) "vmovupd " #n "*32(%[sums]), %%ymm" #n "\n\t"
#define STORE(n) "vmovupd %%ymm" #n ", " #n "*32(%[sums])\n\t"

/* Add until asked; returns the number of additions. All is in registers, the count as well. */
static unsigned long add(void)
{
	static const struct timespec pause = { 0, 10000000 };
	unsigned long n = 0;

	asm volatile(ALL(LOAD)
		     "vmovupd 0*32(%[steps]), %%ymm8\n\t"
		     "vmovupd 1*32(%[steps]), %%ymm9\n\t"
		     "vmovupd 2*32(%[steps]), %%ymm10\n\t"
		     "vmovupd 3*32(%[steps]), %%ymm11\n\t"
		     "vmovupd 4*32(%[steps]), %%ymm12\n\t"
		     "vmovupd 5*32(%[steps]), %%ymm13\n\t"
		     "vmovupd 6*32(%[steps]), %%ymm14\n\t"
		     "vmovupd 7*32(%[steps]), %%ymm15\n"
		     "1:\n\t"
		     "mov $500, %%edx\n"
		     "2:\n\t"
		     "vaddpd %%ymm8, %%ymm0, %%ymm0\n\t"
		     "vaddpd %%ymm9, %%ymm1, %%ymm1\n\t"
		     "vaddpd %%ymm10, %%ymm2, %%ymm2\n\t"
		     "vaddpd %%ymm11, %%ymm3, %%ymm3\n\t"
		     "vaddpd %%ymm12, %%ymm4, %%ymm4\n\t"
		     "vaddpd %%ymm13, %%ymm5, %%ymm5\n\t"
		     "vaddpd %%ymm14, %%ymm6, %%ymm6\n\t"
		     "vaddpd %%ymm15, %%ymm7, %%ymm7\n\t"
		     "inc %[n]\n\t"
		     "dec %%edx\n\t"
		     "jnz 2b\n\t"
		     /* nanosleep, so that the rest of the machine can do something */
		     "mov $35, %%eax\n\t"
		     "mov %[pause], %%rdi\n\t"
		     "xor %%esi, %%esi\n\t"
		     "syscall\n\t"
		     "cmpl $0, %[asked]\n\t"
		     "je 1b\n\t"
		     ALL(STORE)
		     /* the steps as the registers have them, too */
		     "vmovupd %%ymm8, 0*32(%[steps])\n\t"
		     "vmovupd %%ymm9, 1*32(%[steps])\n\t"
		     "vmovupd %%ymm10, 2*32(%[steps])\n\t"
		     "vmovupd %%ymm11, 3*32(%[steps])\n\t"
		     "vmovupd %%ymm12, 4*32(%[steps])\n\t"
		     "vmovupd %%ymm13, 5*32(%[steps])\n\t"
		     "vmovupd %%ymm14, 6*32(%[steps])\n\t"
		     "vmovupd %%ymm15, 7*32(%[steps])\n\t"
		     "vzeroupper"
		     : [n] "+r"(n)
		     : [sums] "r"(sums), [steps] "r"(steps), [pause] "r"(&pause), [asked] "m"(asked)
		     : "rax", "rdx", "rdi", "rsi", "rcx", "r11", "memory", "cc", "xmm0", "xmm1",
		       "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
		       "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	return n;
}

/* Sums of whole numbers are exact up to 2^53. */
static int wrong_lanes(unsigned long n, double secret)
{
	int lane, wrong = 0;

	for (lane = 0; lane < LANES; lane++) {
		wrong += steps[lane] != lane + 1;
		wrong += sums[lane] != secret * (lane + 1) + (double)n * (lane + 1);
	}
	return wrong;
}

int main(int argc, char **argv)
{
	unsigned long n = 0;
	unsigned int secret;
	char new[4096];
	int lane;

	if (argc != 2 || !__builtin_cpu_supports("avx")) {
		fprintf(stderr, argc != 2 ? "usage: avx FILE\n" : "the CPU has no AVX\n");
		return 1;
	}
	if (getrandom(&secret, sizeof(secret), 0) != sizeof(secret))
		return 1;
	for (lane = 0; lane < LANES; lane++) {
		steps[lane] = lane + 1;
		sums[lane] = (double)secret * (lane + 1);
	}
	signal(SIGUSR1, on_question);
	snprintf(new, sizeof(new), "%s.new", argv[1]);
	for (;;) {
		FILE *out;

		n += add();
		asked = 0;
		out = fopen(new, "w");
		if (!out)
			return 1;
		fprintf(out, "%lu %d %u\n", n, wrong_lanes(n, secret), secret);
		if (fclose(out) || rename(new, argv[1]))
			return 1;
	}
}
