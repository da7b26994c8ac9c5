// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of preflight about memory: a copy of all that is in use must fit beside it into RAM. Caches are dropped,
 * the rest that is too much is paged out, to the machine's own swap or, when that is not enough, to the end of the
 * overlay device. What can be neither is the limit.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/memory.h"
#include "cmd/kernels.h"
#include "cmd/preflight.h"
#include "image/writer.h"
#include "util/cleanup.h"
#include "util/file.h"

#define PATIENCE_S 5

static unsigned long long mb(u64 bytes)
{
	return (bytes + (1u << 20) - 1) >> 20;
}

/* A compressed cache in memory in front of the area: what is in it is not on the disk. */
static bool zswap_is_on(void)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	return !file_read_all("/sys/module/zswap/parameters/enabled", &text, &len) && *text == 'Y';
}

/*
 * Room for @need bytes of swap behind an image of a size that one rarely exceeds, and a trial's room. Otherwise why
 * not, as a part of a sentence, into @why.
 */
static void plan_area(struct preflight *p, const struct memory_use *u, u64 need, char *why, size_t size)
{
	u64 image = p->estimate_bytes * 2 / 3, all = u->movable > u->swap_free ? u->movable - u->swap_free : 0, lack;

	*why = '\0';
	if (!p->device_bytes)
		return;
	if (!p->is_block) {
		snprintf(why, size, " (an image in a file has no room for one)");
		return;
	}
	if (p->trial)
		image += p->trial_bytes ? p->trial_bytes : OHIB_TRIAL_MIN;
	if (area_layout(p->device_bytes, image, need, all, &p->area, &lack))
		snprintf(why, size, ", take an overlay device that is %llu MB larger", mb(lack));
	else
		p->image_room = p->area.offset;
}

static void check_swap(struct preflight *p, const struct memory_use *u, u64 fixed, u64 need)
{
	char why[160];

	plan_area(p, u, need, why, sizeof(why));
	if (!p->area.bytes)
		refuse(&p->refusals, 0, "", "memory",
		       "%llu MB are in use, the copy beside them has room for %llu MB; %llu MB would have to be "
		       "paged out, and %llu MB of swap space are free: add a swap area of %llu MB%s, or end programs",
		       mb(u->in_use), mb(u->limit), mb(memory_excess(u) - fixed), mb(u->swap_free), mb(need), why);
	else if (p->wants_switch && zswap_is_on())
		refuse(&p->refusals, 0, "", "zswap", "is on, and memory will have to be paged out: turn it off "
		       "(echo N > /sys/module/zswap/parameters/enabled)");
}

/* How large the image becomes is known when it is written: memory packs to between a third and two thirds. */
static void check_room(struct preflight *p)
{
	if (!p->device_bytes)
		return;
	if (p->image_room < p->estimate_bytes / 4)
		refuse(&p->refusals, 0, "", p->path, "%llu MB are too few for %llu MB of memory",
		       (unsigned long long)p->image_room >> 20, (unsigned long long)p->estimate_bytes >> 20);
	else if (p->image_room < p->estimate_bytes * 2 / 3)
		refuse(&p->warnings, 0, "", p->path,
		       "%llu MB may be too few for %llu MB of memory; if so, hibernate fails and "
		       "the machine goes on",
		       (unsigned long long)p->image_room >> 20, (unsigned long long)p->estimate_bytes >> 20);
}

void preflight_memory(struct preflight *p)
{
	struct ohib_err err = {0};
	struct memory_use u;
	u64 fixed, swap;

	p->area = (struct area){ 0 };
	if (memory_survey(&u, &err)) {
		refuse(&p->refusals, 0, "", "memory", "%s", err.msg);
		return;
	}
	p->estimate_bytes = u.in_use < u.limit ? u.in_use : u.limit;
	fixed = memory_stuck(&u, &swap);
	if (fixed)
		refuse(&p->refusals, 0, "", "memory",
		       "%llu MB are in use, the copy beside them has room for %llu MB; caches and swap make up "
		       "for all but %llu MB, which are the kernel's own or locked: end a program that locks memory",
		       mb(u.in_use), mb(u.limit), mb(fixed));
	if (swap)
		check_swap(p, &u, fixed, swap);
	p->page_out_bytes = fixed || (swap && !p->area.bytes) ? 0 : memory_excess(&u);
	check_room(p);
}

void preflight_memory_of_switch(struct preflight *p)
{
	struct memory_use u;
	char initramfs[160];
	struct stat st;
	u64 lack;

	/* of what cannot be told another check speaks */
	if (memory_survey(&u, NULL) || kernel_initramfs(p->next_kernel, initramfs, sizeof(initramfs)) ||
	    stat(initramfs, &st))
		return;
	lack = memory_short_of_switch(&u, (u64)st.st_size);
	/* Programs that live for a moment (udev's, behind a hibernate that failed) do not count. */
	for (int i = 0; lack && i < PATIENCE_S; i++) {
		sleep(1);
		if (memory_survey(&u, NULL))
			return;
		lack = memory_short_of_switch(&u, (u64)st.st_size);
	}
	if (lack)
		refuse(&p->refusals, 0, "", "memory",
		       "%llu MB are in use and %llu MB in swap: while another kernel takes them over all has to be in "
		       "RAM at once, which is %llu MB too small for it: end programs (an exact resume is possible)",
		       mb(u.keep), mb(u.swapped), mb(lack));
}

void preflight_print_paging(const struct preflight *p)
{
	if (p->area.bytes)
		printf("%llu MB will be paged out before, as far as the machine's own swap has no room to the end of %s "
		       "(%llu MB).\n", mb(p->page_out_bytes), p->path, mb(p->area.bytes));
	else if (p->page_out_bytes)
		printf("%llu MB will be paged out before.\n", mb(p->page_out_bytes));
}
