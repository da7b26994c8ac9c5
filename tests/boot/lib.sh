# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What the boot tests share: verdicts, a scratch folder, an overlay device made by hand.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2034 # for the tests
top=$(cd "$here/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
passed=0
failed=0

pass()
{
	passed=$((passed + 1))
	echo "ok: $1"
}

# fail WHAT [FILE]: and show the evidence.
fail()
{
	failed=$((failed + 1))
	echo "FAILED: $1"
	[ -z "${2-}" ] || sed 's/^/    /' "$2"
}

# expect WHAT GOT WANTED
expect()
{
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1: got '$2', wanted '$3'"
	fi
}

# has WHAT PATTERN FILE (an extended regular expression)
has()
{
	if grep -Eq -e "$2" "$3"; then
		pass "$1"
	else
		fail "$1: no match of '$2'" "$3"
	fi
}

# says WHAT TEXT FILE (a plain text)
says()
{
	if grep -Fq -e "$2" "$3"; then
		pass "$1"
	else
		fail "$1: no '$2'" "$3"
	fi
}

has_not()
{
	if grep -Eq -e "$2" "$3"; then
		fail "$1: '$2' is there" "$3"
	else
		pass "$1"
	fi
}

verdict()
{
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}

# image_head FILE NAME=VALUE...: the first 6 KiB of an image device, as GRUB sees them: a ustar
# archive whose second member is the environment block, at byte 4096.
image_head()
{
	head_dir=$(mktemp -d "$scratch/head.XXXXXX")
	head -c 3072 /dev/zero >"$head_dir/overlayctl.hdr"
	head_file=$1
	shift
	grub-editenv "$head_dir/overlayctl.env" create
	grub-editenv "$head_dir/overlayctl.env" set "$@"
	tar --format=ustar -C "$head_dir" -cf - overlayctl.hdr overlayctl.env | head -c 6144 >"$head_file"
}

# env_get FILE OFFSET NAME: a variable of the environment block of the image at OFFSET in FILE.
env_get()
{
	dd if="$1" bs=512 skip=$(($2 / 512 + 8)) count=2 status=none | sed -n "s/^$3=//p"
}
