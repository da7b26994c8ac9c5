# SPDX-License-Identifier: GPL-2.0-only
# bash completion for overlayctl
_overlayctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} words
	local common='--device= --help' keys='--passphrase --key-file= --keyring='

	case ${COMP_CWORD}:${COMP_WORDS[1]}:${COMP_WORDS[2]} in
	1:*)	words='check hibernate status cancel keep revert image' ;;
	2:image:*) words='info ps dump tables verify section create place' ;;
	*:image:info | *:image:ps) words="$common $keys --json" ;;
	*:image:tables) words="$common $keys --json --old=" ;;
	*:image:dump) words="$common $keys --output=" ;;
	*:image:create)
		if [[ $cur != -* ]]; then
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
		fi
		words='--size= --help' ;;
	*:image:place) words=$common ;;
	*:image:verify) words="$common $keys --json --threads= --random=" ;;
	*:image:section) words="$common $keys kallsyms btf vmcoreinfo config ghosts pfn-index snapshot-header swap-key" ;;
	*:check:*) words="$common --json --next-kernel --trial --trial-size= --trial-in-clear" ;;
	*:hibernate:*) words="$common $keys --next-kernel --trial --trial-size= --trial-in-clear --reboot --kexec --threads= --chunk-pages= --acceleration=" ;;
	*:status:*) words="$common --json" ;;
	*:cancel:* | *:keep:* | *:revert:*) words=$common ;;
	*)	return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	[[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace
}
complete -F _overlayctl overlayctl
