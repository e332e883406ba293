#!/usr/bin/env bash
# Puts all that a build of sepia needs besides a compiler for the GPU into one folder, for a machine that has no network:
#     tools/bundle_deps.sh FOLDER [--torch]
# FOLDER/debs becomes a Debian repository of the packages of tools/install_packages.sh with everything they depend on, for the release
# that this machine runs; --torch adds PyTorch and timm with their dependencies as wheels (about 3 GB) for the comparison with it.
# FOLDER.tar holds the folder. tools/gpu/run_on_gpu.sh installs from either.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  echo "usage: tools/bundle_deps.sh FOLDER [--torch]" >&2
  exit 2
}
folder=
torch=no
for word in "$@"; do
  case $word in
    --torch) torch=yes ;;
    -*) usage ;;
    *) [ -z "$folder" ] || usage; folder=$word ;;
  esac
done
[ -n "$folder" ] || usage
if ! command -v apt-get > /dev/null; then
  echo "error: apt-get is not here; the bundle is made of Debian or Ubuntu packages" >&2
  exit 2
fi
if [ -e "$folder" ] && [ -n "$(ls -A "$folder")" ]; then
  echo "error: $folder is in use; give a new or empty folder" >&2
  exit 2
fi
mkdir -p "$folder/debs"
folder=$(cd "$folder" && pwd)

# All that the packages depend on, down to what every installation has (priority "required").
mapfile -t wanted < <(tools/install_packages.sh --list)
mapfile -t closure < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
  "${wanted[@]}" | grep '^[a-z0-9]' | sed 's/:any$//' | sort --unique)
mapfile -t required < <(dpkg-query --show --showformat='${Priority} ${Package}\n' | sed --quiet 's/^required //p')
mapfile -t packages < <(comm -23 <(printf '%s\n' "${closure[@]}") <(printf '%s\n' "${required[@]}" | sort --unique))
# Names that are only provided by others have no file of their own.
mapfile -t packages < <(apt-cache policy "${packages[@]}" | awk '/^[a-z0-9]/ { name = $1; sub(/:$/, "", name) } /Candidate:/ && $2 != "(none)" { print name }')
echo "${#wanted[@]} packages and what they depend on: ${#packages[@]}"

fetch_debs() {
  cd "$folder/debs"
  # apt-get gives up its rights to the user _apt, who may not write here; without that user's sandbox it says nothing.
  apt-get download --quiet --quiet -o APT::Sandbox::User=root "${packages[@]}" < /dev/null
  # The index of a repository, from the packages themselves.
  for deb in *.deb; do
    dpkg-deb --field "$deb"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat --format=%s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
  done > Packages
}
(fetch_debs)

if [ $torch = yes ]; then
  python3 -m pip download --quiet --dest "$folder/wheels" torch timm
fi
# shellcheck disable=SC1091
(. /etc/os-release && echo "$PRETTY_NAME, $(dpkg --print-architecture)") > "$folder/made_on"
tar --create --file "$folder.tar" --directory "$(dirname "$folder")" "$(basename "$folder")"
echo "$folder: $(find "$folder/debs" -name '*.deb' | wc -l) packages, $(du --summarize --human-readable "$folder" | cut -f1), for $(cat "$folder/made_on")"
