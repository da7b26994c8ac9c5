// SPDX-License-Identifier: GPL-2.0-only
/* Host and domain name; the translator read them. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "config/parts.h"

static int restore(struct config_run *run)
{
	const struct m_system *s = &run->m->system;

	if (sethostname(s->nodename, strnlen(s->nodename, sizeof(s->nodename) - 1)))
		config_left(run, "host name", "%s", strerror(errno));
	if (setdomainname(s->domainname, strnlen(s->domainname, sizeof(s->domainname) - 1)))
		config_left(run, "domain name", "%s", strerror(errno));
	return 0;
}

const struct config_noun config_hostname = {
	.key = "hostname",
	.stage = { [CONFIG_RESTORE] = restore },
};
