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

ohib_dracut_mark()
{
	if [ -n "$ohib_discard" ]; then
		ohib_pass "$ohib_at" "discarded at the boot menu" --discard
	else
		ohib_pass "$ohib_at" "another boot entry was chosen"
	fi
}

ohib_dracut_pass()
{
	ohib_at=$(ohib_find_late "$(ohib_conf_device)") || return 0
	ohib_dracut_mark
	ohib_rc=$?
	ohib_tries=0
	# A merge that was cut short needs all disks of the machine.
	while [ "$ohib_rc" -eq 11 ] && [ "$ohib_tries" -lt 10 ]; do
		ohib_tries=$((ohib_tries + 1))
		[ "$ohib_tries" -gt 1 ] || ohib_volumes
		sleep 1
		ohib_dracut_mark
		ohib_rc=$?
	done
	case $ohib_rc in
	# Whichever entry was chosen: a trial that was not kept is over.
	10)	ohib_image=$ohib_at
		ohib_mode=exact
		ohib_dracut_resume ;;
	11)	ohib_dracut_stop ;;
	esac
}

ohib_dracut_resume()
{
	ohib_tries=0
	while ! ohib_at=$(ohib_find "$ohib_image" probe); do
		ohib_tries=$((ohib_tries + 1))
		if [ "$ohib_tries" -gt 30 ]; then
			ohib_say "no device $ohib_image: booting normally"
			ohib_pids_unpark
			return 0
		fi
		sleep 1
	done
	ohib_unlock "$ohib_at"
	case $? in
	0)	;;
	11)	ohib_dracut_stop ;;
	*)	ohib_pids_unpark
		return 0 ;;
	esac
	[ "$ohib_mode" = exact ] || ohib_volumes
	ohib_quiesce
	ohib_resume "$ohib_at" "$ohib_mode" || ohib_dracut_stop
	ohib_pids_unpark
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
	ohib_dracut_resume <>/dev/console >&0 2>&1
else
	ohib_dracut_pass <>/dev/console >&0 2>&1
fi
