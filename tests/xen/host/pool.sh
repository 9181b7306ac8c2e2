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

# arch KERNEL-VERSION: whose packages it takes
arch() { [[ $1 = *686* ]] && echo i386 || echo amd64; }

# use_apt ARCH: from here on apt answers for it. A 32-bit guest's packages need lists of their own, as fresh as this
# machine's, and nothing of dpkg's.
use_apt() {
	local dir=$CACHE/apt-$1
	APT_LISTS=/var/lib/apt/lists
	[[ $1 != amd64 ]] || return 0
	export APT_CONFIG=$dir/apt.conf
	APT_LISTS=$dir/lists
	[[ $dir/fresh -nt /var/lib/apt/lists ]] && return
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	: >"$dir/status"
	cat >"$APT_CONFIG" <<-END
		APT::Architecture "$1"; APT::Architectures { "$1"; };
		APT::Sandbox::User "root";
		Dir::State "$dir"; Dir::State::status "$dir/status"; Dir::Cache "$dir";
		Acquire::Languages "none";
	END
	say "fetching apt's lists for $1"
	apt-get -q update >"$dir/log" 2>&1 || say "apt-get update for $1: $(grep '^E' "$dir/log" | head -n1)"
	touch "$dir/fresh"
}

# Asking apt takes seconds, so its answer is kept until its lists change.
resolve() {
	local names state answer
	names=$(sort -u)
	state=$({ echo "$names"; ls -ln --time-style=full-iso "$APT_LISTS" 2>/dev/null; } | digest)
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
	touch "$root"	# used now, see prune
	echo "$root"
}

# pool_root [ARCH]: the root of all userspace packages; in a subshell, as apt's configuration is an environment
pool_root() (
	use_apt "${1:-amd64}"
	case ${1:-amd64} in
	amd64) list "$LAB"/dom0/packages "$LAB"/guest/packages | resolve | unpack root ;;
	*) list "$LAB/guest/packages.$1" | resolve | unpack "root-$1" ;;
	esac
)
