#!/usr/bin/env bash
# One command: the peers into a virtual environment, sepia's programs built if they are missing, everything timed in turn, the tables printed.
#     bench/peers/run.sh [--quick] [--networks edgenet,simplenet] [--repeat 3] [--append bench/RESULTS.md]
# Options are compare.py's (--help lists them). PEERS_VENV: the environment to make or to use (build/peers; 6 GB). PEERS_TORCH_INDEX: where pip
# finds PyTorch (its CPU packages; set it empty for pip's own index). PEERS_BUILD: the folder with sepia's programs (build).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${PEERS_BUILD:-$root/build}
venv=${PEERS_VENV:-$root/build/peers}
index=${PEERS_TORCH_INDEX-https://download.pytorch.org/whl/cpu}
needed=(torch timm onnx onnxruntime openvino pytorch_grad_cam captum PIL safetensors)

if [ ! -x "$venv/bin/python" ]; then
  echo "making $venv" >&2
  python3 -m venv "$venv"
fi
importable() { "$venv/bin/python" -c "import importlib.util, sys; sys.exit(not all(importlib.util.find_spec(name) for name in sys.argv[1:]))" "$@"; }
if ! importable "${needed[@]}"; then
  echo "installing the peers into $venv" >&2
  if ! importable torch torchvision; then
    if [ -z "$index" ] || ! "$venv/bin/pip" install --quiet torch torchvision --index-url "$index" >&2; then
      "$venv/bin/pip" install --quiet torch torchvision >&2
    fi
  fi
  "$venv/bin/pip" install --quiet --requirement "$here/requirements.txt" >&2
fi

programs=(sepia step_bench explain_bench)
for program in "${programs[@]}"; do
  [ ! -x "$build/$program" ] || continue
  echo "building ${programs[*]} in $build" >&2
  [ -f "$build/CMakeCache.txt" ] || cmake -S "$root" --preset release -B "$build" >&2
  cmake --build "$build" --parallel "$(nproc)" --target "${programs[@]}" >&2
  break
done

PEERS_BUILD=$build exec "$venv/bin/python" "$here/compare.py" "$@"
