#!/usr/bin/env bash
# The long form of the campaigns that the tests run a few times: training killed and stopped at random moments, and resumed;
# then stopped and killed after each of 55 steps.
#   tools/torture.sh [N]      N kills and N signals, 200 unless given
# Builds in build-test/, as tools/test.sh does.
set -euo pipefail
cd "$(dirname "$0")/.."
times=${1:-200}

tools/install_packages.sh
cmake --preset release -B build-test
cmake --build build-test --parallel "$(nproc)" --target sepia_command test_cli test_train
SEPIA_TORTURE="$times" build-test/test_cli --gtest_filter='Interruption.*' < /dev/null
SEPIA_TORTURE="$times" build-test/test_train --gtest_filter='Resume.*' < /dev/null
