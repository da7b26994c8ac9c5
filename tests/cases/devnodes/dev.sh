# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
# What is compared: nodes with mode and owner, links with their targets but for those named after numbers.
set -eu
# shellcheck disable=SC2034 # for those who source this
state=${CASE_STATE:-/var/tmp/case-state}
nodes()
{
	find /dev/by-hand /dev/port /dev/tty[0-9] /dev/ttyS0 -printf '%p %y %m %U %G\n' | sort
}
links()
{
	find /dev -xdev -type l ! -path '/dev/char/*' ! -path '/dev/block/*' -printf '%p %l\n' | sort
}
