#!/bin/bash
# SPDX-License-Identifier: MIT
# How the house is kept: formatting, licences, shell scripts, kernel style. One verdict line a rule.

cd "$(dirname "$0")/.." || exit 1
files() { git ls-files --cached --others --exclude-standard "$@"; }
[[ $(files) ]] || { echo "not ok lint: git lists no files in $PWD (a clone, and its owner, are expected)"; exit 1; }
failed=0
shopt -s lastpipe	# rule, at the end of a pipe, sets a variable of ours

# rule NAME: the offences come on standard input; none is a pass
rule() {
	local offences
	offences=$(cat)
	if [[ -z $offences ]]; then
		echo "ok lint-$1"
	else
		echo "$offences" | head -n 40 >&2
		echo "not ok lint-$1: $(echo "$offences" | wc -l) lines, see above"
		failed=1
	fi
}

# Kernel code aligns the names of fields, which clang-format cannot; checkpatch looks after it.
files '*.c' '*.h' ':!frontend/blk' ':!frontend/net' ':!frontend/compat.h' | xargs clang-format --dry-run 2>&1 | grep 'warning:' | rule format

files | while read -r f; do
	case $f in
	COPYING | .gitignore | dom0-config/deb/changelog | *README.md | *.conf.example | tests/xen/host/stubs/* | tests/fuzz/corpus/*) continue ;;
	frontend/*) want='GPL-2\.0-only' ;;
	ring/*) want='GPL-2\.0-only OR MIT' ;;
	*) want='MIT' ;;
	esac
	head -n 3 "$f" | grep -qE "SPDX-License-Identifier: $want( |$|\*)" || echo "$f: wants $want"
done | rule licence

files | while read -r f; do
	[[ $f = *.sh ]] || head -n1 "$f" | grep -qE '^#!.*\b(ba)?sh\b' || continue
	echo "$f"
done | xargs shellcheck -x -f gcc | rule shell

# checkpatch.pl comes with the kernel's source alone; taken out of its package once.
checkpatch() {
	local cache=${XPV_CACHE:-/var/cache/xpv}/checkpatch
	[[ -e $cache/checkpatch.pl || -w $(dirname "$cache") ]] || cache=$PWD/build/checkpatch
	if [[ ! -e $cache/checkpatch.pl ]]; then
		mkdir -p "$cache" && (
			cd "$cache" && apt-get -q download linux-source-6.1 >/dev/null 2>&1 &&
				dpkg-deb --fsys-tarfile linux-source-6.1_*.deb |
				tar -xO --wildcards './usr/src/linux-source-6.1.tar.xz' |
					tar -xJ --strip-components=2 --wildcards '*/scripts/checkpatch.pl' \
						'*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch'
			rm -f linux-source-6.1_*.deb
		) >&2
	fi
	[[ -e $cache/checkpatch.pl ]] && echo "$cache/checkpatch.pl"
}
# compat.h must compare versions and name types; the rest are matters of patches, not of files
ignored=LINUX_VERSION_CODE,CONSTANT_COMPARISON,NEW_TYPEDEFS,FILE_PATH_CHANGES,SPLIT_STRING
if checkpatch=$(checkpatch); then
	files 'frontend/blk/*.[ch]' 'frontend/net/*.[ch]' 'frontend/*.h' |
		xargs "$checkpatch" --no-tree --terse --no-summary --quiet -f --max-line-length=100 \
			--ignore "$ignored" 2>&1 | rule checkpatch
else
	echo "not ok lint-checkpatch: apt cannot download linux-source-6.1, which has checkpatch.pl"
	failed=1
fi

files '*.c' '*.h' | ctags -L - -x --_xformat='%F:%n %N %e' --kinds-C=f --fields=+ne |
	awk '{ split($1, at, ":"); if ($3 - at[2] > 90) print $1, $2, $3 - at[2] + 1, "lines" }' | rule function-length

# A scenario in no suite is never run.
for f in tests/xen/scenarios/*.sh; do
	name=$(basename "$f" .sh)
	cat tests/xen/suites/* | grep -qE "^$name(@|\$)" || echo "$f is in no suite"
done | rule suites

# What the table of hostile peers names is there, and each mutant is in it.
table=tests/hostile/README.md
{
	grep -oP '\x60\K[a-z_0-9]+(?=\x60)' $table | sort -u | while read -r test; do
		grep -qE "^START_TEST\\($test\\)" tests/unit/*.c || echo "$table: no test $test"
	done
	for f in tests/hostile/mutants/*.patch; do
		grep -qwE -- "$(basename "$f" .patch)" $table || echo "$f is not in $table"
	done
} | rule hostile

exit $failed
