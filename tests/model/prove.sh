#!/bin/bash
# SPDX-License-Identifier: MIT
# Proves with CBMC what proof.c claims. One verdict line a proof, and one for a mutant of each that has to fail.
#
# CBMC is not in Debian 12; the next release's is unpacked into the cache with the libraries it wants, and runs there.
# The machine's own package sources stay as they are.

cd "$(dirname "$0")" || exit 1
CACHE=${XPV_CACHE:-/var/cache/xpv}/cbmc
RELEASE=trixie
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
failed=0

fetch() {
	[[ -e $CACHE/done ]] && return
	rm -rf "$CACHE"
	mkdir -p "$CACHE"/{lists,archives}/partial "$CACHE/root"
	# from where this machine has its own release
	# shellcheck disable=SC2016 # apt fills these in
	apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
		awk -v own="$(. /etc/os-release && echo "$VERSION_CODENAME")" -v next_one="$RELEASE" \
			'$2 == own && $3 == "main" { print "deb", $1, next_one, "main"; exit }' >"$CACHE/sources.list"
	[[ -s $CACHE/sources.list ]] || { echo "apt knows no source of this release"; return 1; }
	local apt=(-q -o Dir::Etc::sourcelist="$CACHE/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$CACHE/lists"
		-o Dir::Cache="$CACHE" -o APT::Sandbox::User=root -o APT::Default-Release="$RELEASE")
	(cd "$CACHE" && apt-get "${apt[@]}" update && apt-get "${apt[@]}" download cbmc minisat libc6 libstdc++6 libgcc-s1 zlib1g) || return
	for deb in "$CACHE"/*.deb; do dpkg-deb -x "$deb" "$CACHE/root" || return; done
	rm -rf "$CACHE"/*.deb "$CACHE"/{lists,archives}
	touch "$CACHE/done"
}

cbmc() {
	local lib=$CACHE/root/usr/lib
	"$lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --library-path "$lib/x86_64-linux-gnu:$lib" "$CACHE/root/usr/bin/cbmc" "$@"
}

# proof FUNCTION [FILE]: 0 it holds, 10 it does not, else it was not decided
proof() {
	timeout 600 bash -c "$(declare -f cbmc); CACHE=$CACHE; cbmc \"\$@\"" cbmc --function "prove_$1" -Ikernel -I../../ring --unwind 28 \
		--unwinding-assertions --pointer-overflow-check --drop-unused-functions "${2:-proof.c}" >"$WORK/log" 2>&1
}

# prove NAME FILE SED: the claim holds, and no longer when SED has weakened FILE of ring/
prove() {
	local name=$1 file=$2 weaken=$3
	if proof "$name"; then
		echo "ok proof-$name ($(grep -oE '0 of [0-9]+ failed' "$WORK/log"))"
	else
		echo "not ok proof-$name: $(grep -E 'FAILURE|rror' "$WORK/log" | head -n 3 | tr '\n' ' ')"
		failed=1
	fi
	rm -rf "$WORK/tree"
	mkdir -p "$WORK/tree/tests" && cp -r ../../ring "$WORK/tree/" && cp -r . "$WORK/tree/tests/model"
	sed -i "$weaken" "$WORK/tree/ring/$file"
	cmp -s "../../ring/$file" "$WORK/tree/ring/$file" && { echo "not ok proof-$name-mutant: nothing was weakened"; failed=1; return; }
	(cd "$WORK/tree/tests/model" && proof "$name")
	if (($? == 10)); then
		echo "ok proof-$name-mutant is caught: $(grep -m1 FAILURE "$WORK/log" | sed 's/.*] //' | cut -c1-70)"
	else
		echo "not ok proof-$name-mutant: not caught"
		failed=1
	fi
}

fetch >"$WORK/fetch.log" 2>&1 || { tail -n 5 "$WORK/fetch.log"; echo "not ok proof: CBMC cannot be fetched"; exit 1; }
prove blkif blkif.c 's/req->sector > limits->sectors - req->nr_sectors/req->sector + req->nr_sectors > limits->sectors/'
prove blkif_indirect blkif.c 's/seg->last >= XPV_SECTORS_PER_PAGE || //'
prove netif netif.c 's/if (count < XPV_NETIF_MAX_SLOTS)/if (1)/'
prove ring_back ring.h 's/n > b->ring.entries - (b->req_cons - b->rsp_prod)/n > b->ring.entries/'
prove ring_front ring.h 's/n > f->req_pushed - f->rsp_cons/n > 2 * f->ring.entries/'
prove keys xenbus.c 's/ || \*value > desc->max//'
exit $failed
