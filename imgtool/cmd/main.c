// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl: the table of commands. A command is a row here and a file of its name. */
#include <string.h>

#include "cmd/cmd.h"

static const struct command subcommands[] = {
	{"check", "tell whether this machine could be suspended, and what stands against it",
	 cmd_check},
	{"hibernate", "suspend this machine into the overlay image and switch it off",
	 cmd_hibernate},
	{"status", "tell whether a suspended machine is waiting, and how its last resume went",
	 cmd_status},
	{"cancel", "discard the suspended machine", cmd_cancel},
	{"keep", "end a trial: what was written since stays, the old machine goes", cmd_keep},
	{"revert", "end a trial: the old machine comes back as it was before the switch", cmd_revert},
	{"image", "look into an overlay image: info, ps, dump, verify …", cmd_image},
};

int main(int argc, char **argv)
{
	argp_err_exit_status = EXIT_USAGE;
	return command_dispatch(subcommands, ARRAY_SIZE(subcommands), "overlayctl",
				"Suspend a running machine and bring it up again, under the same "
				"kernel or another one.",
				argc, argv);
}
