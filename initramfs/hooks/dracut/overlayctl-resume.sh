#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# dracut pre-mount hook, in every boot: resumes the suspended machine, or marks an image stale that this
# boot passes by. The root's device is there and not mounted yet.
# Sourced, possibly by PID 1: nothing here may exit.

# shellcheck source=initramfs/hooks/boot-functions
. /usr/lib/overlayctl/boot-functions

ohib_dracut_stop()
{
	die "overlayctl: the root must not be mounted"
}

ohib_dracut_pass()
{
	ohib_at=$(ohib_find_late "${ohib_keep:-$(ohib_conf_device)}")
	ohib_rc=$?
	[ "$ohib_rc" -ne 0 ] || ohib_pass_by "$ohib_at" || ohib_rc=$?
	case $ohib_rc in
	# Whichever entry was chosen: a trial that was not kept is over.
	10)	ohib_dracut_resume "$ohib_at" exact ;;
	11)	ohib_dracut_stop ;;
	esac
}

ohib_dracut_resume()
{
	ohib_take "$1" "$2"
	case $? in
	11)	ohib_dracut_stop ;;
	12)	;;
	*)	return 0 ;;
	esac
	if [ -d /run/systemd/system ]; then
		systemctl start systemd-journald.socket systemd-udevd-control.socket \
			systemd-udevd-kernel.socket systemd-udevd.service
	else
		# shellcheck disable=SC2154 # dracut's
		"${systemdutildir:-/lib/systemd}/systemd-udevd" --daemon --resolve-names=never
	fi
	udevadm trigger --type=subsystems --action=add
	udevadm trigger --type=devices --action=add
	udevadm settle
}

# Under systemd this is a service, which has no terminal.
ohib_cmdline
if [ -n "$ohib_image" ]; then
	ohib_dracut_resume "$ohib_image" "$ohib_mode" <>/dev/console >&0 2>&1
else
	ohib_dracut_pass <>/dev/console >&0 2>&1
fi
