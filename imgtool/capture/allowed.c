// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the running kernel let anybody hibernate?
 * Source: hibernation_available(), kernel/power/hibernate.c: "disk" is offered in /sys/power/state when it says so.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "capture/parts.h"
#include "util/cleanup.h"
#include "util/file.h"

/* Is one of @words in the file, as a word? */
static const char *has_word(const char *path, const char *const *words)
{
	_cleanup_free_ char *text = NULL;
	char *word, *save;
	size_t len;

	if (file_read_all(path, &text, &len))
		return NULL;
	for (word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
		for (size_t i = 0; words[i]; i++)
			if (!strcmp(word, words[i]))
				return words[i];
	return NULL;
}

int capture_allowed(struct ohib_err *err)
{
	static const char *const locked[] = { "[integrity]", "[confidentiality]", NULL };
	static const char *const off[] = { "nohibernate", "hibernate=no", "resume=no", NULL };
	static const char *const disk[] = { "disk", NULL };
	const char *found;

	if (has_word("/sys/power/state", disk))
		return access("/dev/snapshot", F_OK) ?
			       ohib_err_set(err, -ENODEV, "/dev/snapshot is not there: the kernel is built without "
					    "CONFIG_HIBERNATION_SNAPSHOT_DEV, take one that has it") : 0;
	found = has_word("/sys/kernel/security/lockdown", locked);
	if (found)
		return ohib_err_set(err, -EPERM, "the kernel is locked down (%.*s) and lets nobody read its memory: switch "
				    "Secure Boot off, or boot without lockdown= on the kernel command line",
				    (int)strlen(found) - 2, found + 1);
	found = has_word("/proc/cmdline", off);
	if (found)
		return ohib_err_set(err, -EPERM, "\"%s\" is on the kernel command line: boot without it", found);
	return ohib_err_set(err, -EPERM, "the kernel offers no hibernation (/sys/power/state has no \"disk\"): a program uses "
			    "memfd_secret, a CXL memory device is in use, or it is built without CONFIG_HIBERNATION");
}
