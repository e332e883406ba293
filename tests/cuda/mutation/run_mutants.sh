#!/usr/bin/env bash
# Do the tests of the CUDA kernels notice when a kernel is wrong? Breaks the kernels one place at a time and runs the tests of test_cuda
# that pass this place, the quickest first, until one fails. README.md says how.
#   tests/cuda/mutation/run_mutants.sh BUILD RESULTS.csv [FILE...]
#     BUILD    a build folder with test_cuda and libsepia_simt.so up to date; BUILD/mutation is made
#     FILE     kernels/cuda/*.cu, kernels/cuda/detail/*.cuh: whose mutants run (default: all)
#   KINDS=barrier,comparison,term   EVERY=n (each n-th mutant of those)   TESTS='CudaLinear*' (as --gtest_filter takes it)
#   BUDGET=s: seconds of tests that a mutant gets, 120 by default
# RESULTS.csv gets a line per mutant: file,line,kind,verdict,test,code. The verdict is
#   killed     `test` failed (or did not end)
#   survived   made a difference in some tests (`test`: how many ran), which passed all the same
#   unnoticed  makes no difference in any test
# Mutants that stand in it already are passed over, so that a campaign can be continued.
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD
[ $# -ge 2 ] || { sed -n '2,14p' "$0" | cut -c3- >&2; exit 2; }
build=$(realpath "$1") results=$(realpath -m "$2")
shift 2
kinds=,${KINDS:-barrier,comparison,term}, every=${EVERY:-1} budget=${BUDGET:-120} filter=${TESTS:-*}
work=$build/mutation library=$build/mutation/libsepia_simt.so
mkdir -p "$work"
[ -e "$results" ] || echo "file,line,kind,verdict,test,code" > "$results"

now() { date +%s%N; }
# run_test SECONDS TEST: 0 when it passes
run_test() { SEPIA_CUDA_BACKEND=$library timeout -k 5 "$1" "$build/test_cuda" --gtest_filter="$2" --gtest_brief=1 > "$work/log" 2>&1; }

# 1. All mutants of all files, behind switches, in one library. Column 1 of `mutants` is a mutant's number.
sources=(kernels/cuda/*.cu kernels/cuda/detail/*.cuh)
if [ ! -e "$library" ] || [ -n "$(find kernels/cuda kernels/*.h tests/cuda/mutation tests/simt -newer "$library" -name '*.[cha]*' -print -quit)" ]; then
  rm -rf "$work"/* && mkdir -p "$work/kernels/cuda/detail"
  next=1
  for file in "${sources[@]}"; do
    awk -v first=$next -v out="$work/$file" -f tests/cuda/mutation/list_mutants.awk "$file" | awk -v f="$file" '{ print f "\t" $0 }' >> "$work/listed"
    next=$(($(tail -1 "$work/listed" | cut -f2) + 1))
  done
  link=$(cd "$build" && ninja -t commands libsepia_simt.so | tail -1)
  for file in kernels/cuda/*.cu; do
    object=CMakeFiles/sepia_simt.dir/$file.o
    command=$(cd "$build" && ninja -t commands libsepia_simt.so | grep -F -- "-c $root/$file" | tail -1)
    command=${command//-o $object/-o $work/$(basename "$file").o}
    command=${command//-c $root\/$file/-c $work\/$file}
    command=$(sed "s|-MF [^ ]*|-MF $work/dependencies|; s| -I$root| -I$work -I$root|; s| -Werror| |; s| -c $work| -w -include $root/tests/cuda/mutation/mutants.h&|" <<< "$command")
    echo "cd $build && $command || { echo $file does not compile with its mutants >&2; exit 255; }" >> "$work/commands"
    link=${link//$object/$work/$(basename "$file").o}
  done
  xargs -P 2 -d '\n' -n 1 bash -c < "$work/commands"
  c++ -std=c++20 -O2 -fPIC -fvisibility=hidden -I"$root" -c tests/cuda/mutation/mutants.cpp -o "$work/mutants.o"
  (cd "$build" && eval "${link//-o libsepia_simt.so/-o $library $work/mutants.o}")
fi

# 2. Each test without mutants: how long it takes and which mutants would make a difference in it. `passes`: mutant, ms, test.
list_tests() { SEPIA_CUDA_BACKEND=$library "$build/test_cuda" --gtest_list_tests --gtest_filter="$filter" | awk '/^[^ ].*\./ { suite = $1 } /^  / { print suite $1 }'; }
mkdir -p "$work/notes"
for test in $(list_tests); do
  notes=$work/notes/${test//\//:}
  [ -e "$notes" ] && [ "$notes" -nt "$build/test_cuda" ] && [ "$notes" -nt "$library" ] && continue
  rm -f "$work/noted"
  touch "$work/noted"
  start=$(now)
  SEPIA_MUTANT=-1 SEPIA_MUTANT_NOTES=$work/noted run_test 1800 "$test" || { echo "$test fails without any mutant: $(tail -3 "$work/log")" >&2; exit 1; }
  { echo "took $((($(now) - start) / 1000000)) $test"; sort -u "$work/noted"; } > "$notes"
done
for test in $(list_tests); do cat "$work/notes/${test//\//:}"; done |
  awk '$1 == "took" { ms = $2; test = $3; next } $1 != "sum" { print $1, ms, test }' | sort -k1,1n -k2,2n > "$work/passes"
cat "$work"/notes/* | awk '$1 == "sum" { print $2 }' | sort -un > "$work/sums"
# Sums of other types than floating-point numbers are no mutants.
awk -F'\t' -v OFS='\t' 'FILENAME ~ /sums$/ { real[$1] = 1; next } $4 == "sum" { if (!($2 in real)) next; $4 = "term" } { print }' \
  "$work/sums" "$work/listed" > "$work/mutants"

# 3. One mutant after the other.
number=0
while IFS=$'\t' read -r file id line kind code; do
  [[ $kinds == *,$kind,* ]] || continue
  [ $# -eq 0 ] || [[ " $* " == *" $file "* ]] || continue
  number=$((number + 1))
  [ $((number % every)) -eq 0 ] || continue
  quoted=${code//\"/\"\"}
  if grep -F -- "$file,$line,$kind," "$results" | grep -qF -- ",\"$quoted\""; then continue; fi
  verdict=unnoticed by='' spent=0 ran=0
  while read -r _ ms test; do
    [ $ran -eq 0 ] || [ $((spent + ms / 1000)) -le "$budget" ] || break
    verdict=survived ran=$((ran + 1)) start=$(now)
    if ! SEPIA_MUTANT=$id run_test $((20 + 5 * ms / 1000)) "$test"; then verdict=killed by=$test; break; fi
    spent=$((spent + ($(now) - start) / 1000000000))
  done < <(awk -v id="$id" '$1 == id' "$work/passes")
  [ $verdict != survived ] || by="$ran tests"
  echo "$file,$line,$kind,$verdict,$by,\"$quoted\"" >> "$results"
  [ $verdict = killed ] || echo "$verdict: $file:$line $kind: $code"
done < "$work/mutants"
awk -F, 'NR > 1 { n[$3 " " $4]++ } END { for (v in n) print v, n[v] }' "$results" | sort
