// SPDX-License-Identifier: GPL-2.0-only
/* overlayctl image: the table of what can be asked about an image, and of what makes room for one. */
#include "cmd/cmd.h"

static const struct command image_subcommands[] = {
	{"info", "what kind of image it is and what it holds", cmd_image_info},
	{"ps", "list the processes in it", cmd_image_ps},
	{"dump", "write one of its processes as an ELF core", cmd_image_dump},
	{"tables", "print the kernel fields that the translator reads, old and new",
	 cmd_image_tables},
	{"verify", "read all of it and compare every checksum", cmd_image_verify},
	{"section", "write one of its parts to stdout", cmd_image_section},
	{"create", "make a file for it", cmd_image_create},
	{"place", "print how a boot is told where it is", cmd_image_place},
};

int cmd_image(int argc, char **argv)
{
	return command_dispatch(
		image_subcommands, ARRAY_SIZE(image_subcommands), "overlayctl image",
		"Look into an overlay image, or make a file for one.", argc, argv);
}
