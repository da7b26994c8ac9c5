#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# dracut module: puts the reloader and what it needs into the initramfs of kernel $kernel.
#
# Writes: /var/lib/overlayctl/initramfs-VERSION, as the initramfs-tools hook does.

# dracut sets these.
# shellcheck disable=SC2154
lib=/usr/lib/overlayctl

check()
{
	[[ -x $dracutsysrootdir$lib/overlay-reload ]]
}

depends()
{
	echo base udev-rules
}

# The image may be on another disk than the root.
installkernel()
{
	hostonly='' instmods virtio_pci virtio_mmio virtio_blk virtio_scsi ahci ata_piix ata_generic \
		sd_mod nvme xen_blkfront mmc_block usb_storage uas \
		dm_mod dm_snapshot dm_crypt loop overlay ext4 xfs btrfs vfat
}

install()
{
	local stamps=$dracutsysrootdir/var/lib/overlayctl sum key_file place

	# shellcheck disable=SC2034 # for the functions
	OHIB_CONF=$dracutsysrootdir/etc/overlayctl.conf OHIB_MACHINE_ID=$dracutsysrootdir/etc/machine-id
	# shellcheck source=initramfs/hooks/build-functions
	. "$dracutsysrootdir$lib/build-functions"
	key_file=$(ohib_key_file "$kernel" "$outfile")
	[[ -z $key_file ]] || inst_simple "$key_file"

	inst_multiple cat kill mkdir readlink sleep blkid
	inst_multiple -o dmsetup reboot
	inst "$lib/overlay-reload"
	inst_simple "$lib/boot-functions"
	inst_multiple -o /etc/overlayctl.conf
	place=$(ohib_place)
	ohib_conf_place "$initdir/etc/overlayctl.conf" "$place"
	# The first of the hooks: dracut starts udev after pre-udev, and journald before any.
	inst_hook cmdline 00 "$moddir/overlayctl-pids.sh"
	inst_hook pre-mount 00 "$moddir/overlayctl-resume.sh"

	ohib_md_gently "$initdir"

	sum=$(sha256sum "$dracutsysrootdir$lib/overlay-reload")
	{
		echo "version=$kernel"
		echo "generator=dracut"
		echo "reload_sha256=${sum%% *}"
		ohib_stamp_keys "$key_file"
		echo "device=$(ohib_device "$place")"
		# 90crypt, 90lvm and 90mdraid were before
		ohib_stamp_disks "$initdir"
		echo "initrd=$outfile"
	} >"$initdir$lib/stamp"
	mkdir -p "$stamps"
	(umask 077; cp "$initdir$lib/stamp" "$stamps/initramfs-$kernel")
}
