#!/usr/bin/env bash
# From a fresh clone to a trained detector and its report: packages, build, demo. Words after the script's name go to
# `sepia demo` (see build/sepia demo --help).
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install_packages.sh
cmake --preset release
cmake --build --preset release --parallel "$(nproc)" --target sepia_command
[ $# -gt 0 ] || set -- --out sepia-demo --overwrite  # run once more, the demo replaces its own folder
build/sepia demo "$@" < /dev/null
