# bash completion for chaperone. The program itself says what can stand where
# the cursor is: its answer is a word a line, perhaps with a tab and what the
# word means, and a last line with a colon and a number.
_chaperone() {
	local current="${COMP_WORDS[COMP_CWORD]}" answer directive line
	local -a words=()
	COMPREPLY=()
	answer=$("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return 0
	directive=${answer##*:}
	while IFS= read -r line; do
		case $line in
		:* | _activeHelp_*) ;;
		*) words+=("${line%%$'\t'*}") ;;
		esac
	done <<<"$answer"
	if ((directive & 4)); then # no file can stand there
		compopt +o default 2>/dev/null
	fi
	mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$current")
}
complete -o default -F _chaperone chaperone
