#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# dracut cmdline hook, in every boot: records the kernel's own sysctls and moves PIDs out of the way before
# udev starts anything.
# Sourced, possibly by PID 1: nothing here may exit.

# shellcheck source=initramfs/hooks/boot-functions
. /usr/lib/overlayctl/boot-functions

ohib_cmdline
ohib_baseline
if [ -n "$ohib_image" ]; then
	ohib_pids_park
else
	ohib_pids_floor
fi
