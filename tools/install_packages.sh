#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that building and testing sepia needs. Calls apt only when one is missing, so that
# it may run before every build; needs root or sudo only then. With --list it only names them.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config
  libhwy-dev libdnnl-dev                                   # kernels: portable SIMD, matrix products
  libjpeg-dev libpng-dev libwebp-dev libstb-dev libexif-dev  # pictures in
  libcairo2-dev fonts-dejavu-core                          # plots out
  libboost-context-dev                                     # fibers of the CUDA emulator
  nlohmann-json3-dev libfmt-dev libcli11-dev libssl-dev    # files and the command line
  zlib1g-dev libhdf5-dev                                   # weights of PyTorch and Keras
  libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev  # tests and microbenchmarks
)

if [ "${1:-}" = --list ]; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
  echo "error: this is neither Debian nor Ubuntu; install what these packages hold by hand: ${packages[*]}" >&2
  exit 2
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2> /dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "all ${#packages[@]} packages are installed"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo > /dev/null; then
    echo "error: packages are missing and neither root nor sudo is at hand; as root: apt-get install ${missing[*]}" >&2
    exit 2
  fi
  as_root=(sudo)
fi
echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update --quiet < /dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "${missing[@]}" < /dev/null
