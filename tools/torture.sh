#!/usr/bin/env bash
# The long form of the campaigns that the tests run a few times: training killed and stopped at random moments, and resumed.
#   tools/torture.sh [N]      N kills and N signals, 200 unless given
# Builds in build-test/, as tools/test.sh does.
set -euo pipefail
cd "$(dirname "$0")/.."
times=${1:-200}

tools/install_packages.sh
cmake --preset release -B build-test
cmake --build build-test --parallel "$(nproc)" --target sepia_command test_cli
SEPIA_TORTURE="$times" build-test/test_cli --gtest_filter='Interruption.*' < /dev/null
