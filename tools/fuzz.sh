#!/usr/bin/env bash
# The fuzzers of tests/fuzz, each for so many seconds (600 unless given), as many at a time as there are processors. Each one prints
# how many inputs it has read; ends with 1 when one has found something, which then lies in build-fuzz/found/.
#   tools/fuzz.sh [SECONDS] [TARGET...]
# Needs clang++ with libFuzzer (Debian: clang-14). Builds in build-fuzz/.
set -euo pipefail
cd "$(dirname "$0")/.."
export seconds=${1:-600}
shift $(($# > 0 ? 1 : 0))
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(safetensors pickle zip torch_file hdf5_pipe)

cmake --preset release -B build-fuzz -DSEPIA_FUZZ=ON -DSEPIA_CUDA=OFF
cmake --build build-fuzz --target fuzzers

fuzz_one() {  # fuzz_one TARGET: new inputs go to build-fuzz/corpus/TARGET
  local name=$1 log=build-fuzz/$1.log
  mkdir -p "build-fuzz/corpus/$name" build-fuzz/found
  if SEPIA_FUZZ_TARGET=$name build-fuzz/fuzz -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=400 -print_final_stats=1 \
    -artifact_prefix="build-fuzz/found/$name-" "build-fuzz/corpus/$name" "tests/fuzz/corpus/$name" > "$log" 2>&1; then
    echo "$name: $(grep -oP 'number_of_executed_units:\s*\K\d+' "$log") inputs in $seconds s, nothing found, at most $(grep -oP 'peak_rss_mb:\s*\K\d+' "$log") MB"
  else
    echo "$name: found something, see $log and build-fuzz/found/" >&2
    return 1
  fi
}
export -f fuzz_one
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz_one {}'
