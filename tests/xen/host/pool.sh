# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The pool: Debian packages fetched and unpacked, never installed.

# the lines of a list that are not comments
list() { sed '/^#/d;/^$/d' "$@"; }

# NAMES on stdin -> the same and every library package that they depend on
with_libraries() {
	local roots
	roots=$(sort -u)
	# shellcheck disable=SC2086
	apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
		--no-enhances $roots |
		awk -v roots="$roots" '
			/^[a-z0-9]/ { of = $1 }
			/Depends: (lib|zlib)/ && !/:i386/ { deps[of] = deps[of] " " $NF }
			function visit(p,  a, i, n) {
				if (p in seen) return
				seen[p] = 1
				print p
				n = split(deps[p], a, " ")
				for (i = 1; i <= n; i++) visit(a[i])
			}
			END { n = split(roots, r, /[ \n]+/); for (k = 1; k <= n; k++) visit(r[k]) }'
}

# NAMES on stdin -> "file hash url" of each package at the version that apt would install
locate() {
	xargs apt-get download --print-uris 2>/dev/null |
		awk '{ gsub(/\047/, "", $1); print $2, $4, $1 }' | sort
}

# Asking apt takes seconds, so its answer is kept until its lists change.
resolve() {
	local names state answer
	names=$(sort -u)
	state=$({ echo "$names"; ls -ln --time-style=full-iso /var/lib/apt/lists 2>/dev/null; } | digest)
	answer=$CACHE/resolved/$state
	if [[ ! -s $answer ]]; then
		mkdir -p "$CACHE/resolved"
		echo "$names" | with_libraries | locate >"$answer.new"
		[[ -s $answer.new ]] || die "apt knows none of: ${names//$'\n'/ }"
		mv "$answer.new" "$answer"
	fi
	cat "$answer"
}

# unpack KIND: "file hash url" lines on stdin -> the path of a root that holds these packages
unpack() {
	local lines root deb
	lines=$(cat)
	root=$CACHE/$1-$(cut -d' ' -f1,2 <<<"$lines" | digest)
	if [[ ! -d $root ]]; then
		say "fetching $(wc -l <<<"$lines") packages ($1)"
		rm -rf "$root.new"
		mkdir -p "$root.new" "$CACHE/deb"
		(cd "$CACHE/deb" && cut -d' ' -f1 <<<"$lines" | sed 's/_.*//' |
			xargs apt-get -qq -o APT::Sandbox::User=root download >&2)
		while read -r deb _; do
			dpkg -x "$CACHE/deb/$deb" "$root.new"
		done <<<"$lines"
		mv "$root.new" "$root"
	fi
	echo "$root"
}

# the root of all userspace packages
pool_root() {
	list "$LAB"/dom0/packages "$LAB"/guest/packages | resolve | unpack root
}
