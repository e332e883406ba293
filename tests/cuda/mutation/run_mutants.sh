#!/usr/bin/env bash
# Do the tests of the CUDA kernels notice when a kernel is wrong? Breaks them one place at a time (list_mutants.awk says how), builds
# the emulated library with the broken file and runs tests of test_cuda until one fails.
#   tests/cuda/mutation/run_mutants.sh BUILD RESULTS.csv FILTER FILE...
#     BUILD    a build folder with test_cuda and libsepia_simt.so up to date
#     FILTER   the tests that must notice, as --gtest_filter takes it ('CudaPooling*')
#     FILE     kernels/cuda/*.cu or kernels/cuda/detail/*.cuh, from the root of the tree
# RESULTS.csv gets a line per mutant: file,line,kind,verdict,code; verdict is killed, survived or does_not_compile. Mutants that stand
# in it already are passed over, so that a campaign can be continued. EVERY=n takes only every n-th mutant.
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD
[ $# -ge 4 ] || { sed -n '2,11p' "$0" | cut -c3- >&2; exit 2; }
build=$(realpath "$1") results=$(realpath -m "$2") filter=$3
shift 3
every=${EVERY:-1}
limit=${LIMIT:-300}  # seconds for the tests of one mutant: a kernel that never ends is noticed too

overlay=$(mktemp -d)
trap 'rm -rf "$overlay"' EXIT
[ -e "$results" ] || echo "file,line,kind,verdict,code" > "$results"

compile_command() { (cd "$build" && ninja -t commands libsepia_simt.so) | grep -F -- "-c $root/$1" | tail -1; }
link_command=$(cd "$build" && ninja -t commands libsepia_simt.so | tail -1)

# The .cu files that see a header: all of them; a .cu file: itself.
affected() { if [[ $1 == *.cu ]]; then echo "$1"; else grep -lF "$(basename "$1")" -r kernels/cuda --include='*.cu' || true; fi; }

# tests LIBRARY: 0 when all pass
tests() { SEPIA_CUDA_BACKEND=$1 timeout "$limit" "$build/test_cuda" --gtest_filter="$filter" --gtest_fail_fast --gtest_brief=1 > "$overlay/log" 2>&1; }

tests "$build/libsepia_simt.so" || { echo "the tests fail without any mutant: $(tail -3 "$overlay/log")" >&2; exit 1; }
for file in "$@"; do
  number=0
  while IFS=$'\t' read -r line kind code; do
    number=$((number + 1))
    [ $((number % every)) -eq 0 ] || continue
    quoted=${code//\"/\"\"}
    row="$file,$line,$kind"
    if grep -qF -- "\"${quoted}\"" <(grep -F "$row," "$results"); then continue; fi
    mkdir -p "$overlay/$(dirname "$file")"
    LINE=$line CODE=$code awk 'NR == ENVIRON["LINE"] { print ENVIRON["CODE"]; next } { print }' "$file" > "$overlay/$file"
    linked=$link_command verdict=killed
    for source in $(affected "$file"); do
      object="$overlay/$(basename "$source").o"
      original=CMakeFiles/sepia_simt.dir/$source.o
      command=$(compile_command "$source" | sed "s|-o $original -c $root/$source|-o $object -c $root/$source|; s| -I$root/tests| -I$overlay -I$root/tests|; s|-MF [^ ]*|-MF $overlay/deps|")
      [ "$source" = "$file" ] && command=${command//-c $root\/$source/-c $overlay/$source}
      if ! (cd "$build" && eval "$command") > "$overlay/log" 2>&1; then verdict=does_not_compile; break; fi
      linked=${linked//$original/$object}
    done
    if [ $verdict = killed ]; then
      (cd "$build" && eval "${linked//-o libsepia_simt.so/-o $overlay/libsepia_simt.so}")
      if tests "$overlay/libsepia_simt.so"; then verdict=survived; fi
    fi
    rm -rf "${overlay:?}/kernels" "$overlay"/*.o
    echo "$row,$verdict,\"$quoted\"" >> "$results"
    [ $verdict = survived ] && echo "survived: $file:$line $kind: $code"
  done < <(awk -f tests/cuda/mutation/list_mutants.awk "$file")
done
awk -F, 'NR > 1 { n[$4]++ } END { for (v in n) printf "%s %d  ", v, n[v]; print "" }' "$results"
