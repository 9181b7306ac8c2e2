#!/bin/bash
# SPDX-License-Identifier: MIT
# merge.sh [TARGET...]: of the inputs in the tree and in build/fuzz/corpus, keep in the tree the few small ones that
# reach all that any of them reaches. Regressions (regression-*) stay as they are.

cd "$(dirname "$0")/../.." || exit 1
targets=("$@")
((${#targets[@]})) || for f in tests/fuzz/*.c; do targets+=("$(basename "$f" .c)"); done
for target in "${targets[@]}"; do
	kept=tests/fuzz/corpus/$target merged=$(mktemp -d)
	mkdir -p "$kept" "build/fuzz/corpus/$target"
	"build/fuzz/fuzz-$target" -set_cover_merge=1 -use_counters=0 -max_len=1024 "$merged" "$kept" "build/fuzz/corpus/$target" \
		>"build/fuzz/$target-merge.log" 2>&1 || { tail "build/fuzz/$target-merge.log"; exit 1; }
	find "$kept" -type f ! -name 'regression-*' -delete
	cp "$merged"/* "$kept"
	rm -r "$merged"
	echo "$target: $(find "$kept" -type f | wc -l) inputs, $(du -sb "$kept" | cut -f1) bytes"
done
