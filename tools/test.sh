#!/usr/bin/env bash
# All that has to hold before a change lands: packages, a build with warnings as errors, every test, then the readers of
# untrusted files and the data code once more under AddressSanitizer and UBSan. Builds in build-test/ and build-asan/.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)
begin=$SECONDS

stage() {  # stage NAME COMMAND...: runs it and says how long it took
  local name=$1 start=$SECONDS
  shift
  echo "=== $name"
  "$@" < /dev/null
  echo "=== $name: $((SECONDS - start)) s"
}

run_tests() {  # run_tests BUILD_FOLDER [ctest options]
  local folder=$1
  shift
  ctest --test-dir "$folder" --output-on-failure --no-tests=error --parallel "$jobs" "$@"
}

sanitized='^(base|io|fuzz|data|convert)$'

stage "packages" tools/install_packages.sh
stage "configure" cmake --preset release -B build-test -DSEPIA_WERROR=ON
stage "build" cmake --build build-test --parallel "$jobs"
stage "tests" run_tests build-test
stage "configure with sanitizers" cmake --preset asan -B build-asan -DSEPIA_WERROR=ON
stage "build with sanitizers" cmake --build build-asan --parallel "$jobs" --target test_base test_io test_fuzz test_data test_convert
stage "tests with sanitizers" run_tests build-asan --label-regex "$sanitized"
echo "=== all passed in $((SECONDS - begin)) s"
