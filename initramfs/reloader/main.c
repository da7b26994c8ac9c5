// SPDX-License-Identifier: GPL-2.0-only
/*
 * overlay-reload: what the next kernel's initramfs calls to resume a suspended machine, or to say
 * that a suspended one cannot be resumed any more. See initramfs/README.md for the exit codes.
 */
#include <stdio.h>
#include <string.h>

#include "reloader.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} subcommands[] = {
	{ "resume", reload_resume },
	{ "mark-stale", reload_mark_stale },
};

void reload_say(const char *text)
{
	fprintf(stderr, "overlayctl: %s\n", text);
	fflush(stderr);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(subcommands); i++)
		if (!strcmp(argv[1], subcommands[i].name))
			return subcommands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "usage: overlay-reload resume --image NODE --mode switch|exact\n"
			"       overlay-reload mark-stale --image NODE --reason TEXT\n");
	return 64;
}
