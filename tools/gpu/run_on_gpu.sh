#!/usr/bin/env bash
# Everything that only a machine with an NVIDIA GPU can tell about sepia, in one run:
#     tools/gpu/run_on_gpu.sh [--bundle FOLDER_OR_TAR] [--out FOLDER] [--build FOLDER] [--only STEPS] [--dry-run]
# packages (from the bundle of tools/bundle_deps.sh where there is no network), build, the compiler's facts, `sepia doctor --verify`,
# the tests on the GPU, compute-sanitizer's four tools over them, every kernel timed against a copy, whole steps, and the same steps by
# PyTorch. Each step writes a log into --out (gpu-results); summary.md there says what came of each. --only takes names with commas.
# Needs an NVIDIA driver and nvcc. A step that fails does not stop the next. Exit code: 0 all well, 1 a step failed, 2 nothing was run.
# shellcheck disable=SC2317  # steps are called by their names
set -euo pipefail
cd "$(dirname "$0")/../.."

steps=(packages configure build compiler doctor tests memcheck racecheck initcheck synccheck kernels networks pytorch)
bundle=
out=gpu-results
build="build-gpu"
only=
dry=no

refuse() {
  echo "error: $1" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry=yes; shift; continue ;;
    --bundle | --out | --build | --only) [ $# -ge 2 ] || refuse "$1 needs a value" ;;
    *) refuse "run_on_gpu.sh has no option $1; see the head of tools/gpu/run_on_gpu.sh" ;;
  esac
  case $1 in
    --bundle) bundle=$2 ;;
    --out) out=$2 ;;
    --build) build=$2 ;;
    --only) only=$2 ;;
  esac
  shift 2
done
for name in ${only//,/ }; do
  [[ " ${steps[*]} " == *" $name "* ]] || refuse "there is no step $name; the steps are: ${steps[*]}"
done
[ -z "$bundle" ] || [ -e "$bundle" ] || refuse "there is no bundle $bundle"
if [ "$dry" = no ]; then
  nvidia-smi -L > /dev/null 2>&1 || refuse "this machine has no NVIDIA GPU that nvidia-smi finds; nothing was run"
  [ ! -e "$out" ] || [ -z "$(ls -A "$out")" ] || refuse "$out is in use; give a new --out"
fi
export PATH=$PATH:/usr/local/cuda/bin
[ "$dry" = yes ] || command -v nvcc > /dev/null || refuse "nvcc is not here (looked in PATH and /usr/local/cuda/bin); install NVIDIA's CUDA toolkit, 12.0 or newer"

# Where the kernels of this build are tested and measured on the GPU.
library=$build/libsepia_cuda.so
python=python3

# Runs a command, or with --dry-run says it.
run() {
  if [ "$dry" = yes ]; then
    echo "    $*"
  else
    "$@" < /dev/null
  fi
}

unpack_bundle() {
  if [ -f "$bundle" ]; then
    run tar --extract --file "$bundle" --directory "$out"
    bundle=$out/$(basename "$bundle" .tar)
  fi
}

step_packages() {
  if [ -z "$bundle" ]; then
    run tools/install_packages.sh
    return
  fi
  unpack_bundle
  local source lists root=()
  run mkdir -p "$out/apt/partial"
  source=$(realpath -m "$out/bundle.list") lists=$(realpath -m "$out/apt")
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  [ "$dry" = yes ] || echo "deb [trusted=yes] file:$(realpath "$bundle/debs") ./" > "$source"
  # Only the bundle is asked, so that no time is lost on servers that cannot be reached.
  local apt=("${root[@]}" apt-get -o "Dir::Etc::sourcelist=$source" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$lists" -o APT::Sandbox::User=root)
  run "${apt[@]}" --quiet update
  # shellcheck disable=SC2046
  run "${apt[@]}" --quiet --yes --no-install-recommends install $(tools/install_packages.sh --list)
  if [ -d "$bundle/wheels" ]; then
    run python3 -m venv "$out/python"
    run "$out/python/bin/pip" install --quiet --no-index --find-links "$bundle/wheels" torch timm
  fi
}
step_configure() { run cmake --preset release -B "$build" -DSEPIA_CUDA=ON; }
step_build() { run cmake --build "$build" --parallel "$(nproc)"; }
step_compiler() { run "$build/test_cuda_compile"; }
step_doctor() { run "$build/sepia" doctor --verify --device cuda; }
step_tests() { run ctest --test-dir "$build" --output-on-failure --no-tests=error --tests-regex '^CudaOnThisMachine$'; }

sanitize() {
  # Whole training runs are left out: they take hours under these tools and launch no kernel that the op cases do not.
  run env "SEPIA_CUDA_BACKEND=$library" compute-sanitizer --tool "$1" --error-exitcode 1 "${@:2}" "$build/test_cuda" "--gtest_filter=-*Training*:*Command*"
}
step_memcheck() { sanitize memcheck --leak-check full; }
step_racecheck() { sanitize racecheck; }
step_initcheck() { sanitize initcheck; }
step_synccheck() { sanitize synccheck; }

step_kernels() { run env "SEPIA_CUDA_BACKEND=$library" "$build/cuda_bench" --csv "$out/kernels.csv" --plot "$out/kernels"; }
step_networks() {
  local network precision
  for network in simplenet edgenet; do
    for precision in fp32 bf16; do
      run "$build/step_bench" "$network" --device cuda --precision "$precision" --reps 101
    done
  done
}
step_pytorch() {
  [ ! -x "$out/python/bin/python" ] || python=$out/python/bin/python
  if [ "$dry" = no ] && ! "$python" -c 'import torch; assert torch.cuda.is_available()' 2> /dev/null; then
    echo "skipped: $python has no PyTorch that finds the GPU"
    return 0
  fi
  run "$python" bench/peers/compare.py --device cuda --parts networks --networks simplenet,edgenet --rounds 7 --log "$out/pytorch.jsonl" \
    --sepia "$build/sepia" --step-bench "$build/step_bench"
}

if [ "$dry" = no ]; then
  mkdir -p "$out"
  {
    echo "# sepia on a GPU, $(date --utc +%F)"
    echo
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
    echo "$(nvcc --version | sed --quiet 's/.*release/nvcc/p'); commit $(git rev-parse --short HEAD 2> /dev/null || echo unknown)"
    echo
    echo "| step | result | seconds | log |"
    echo "|---|---|---|---|"
  } > "$out/summary.md"
fi

failed=0
for name in "${steps[@]}"; do
  [ -z "$only" ] || [[ ",$only," == *",$name,"* ]] || continue
  echo "=== $name"
  if [ "$dry" = yes ]; then
    "step_$name"
    continue
  fi
  begin=$SECONDS
  set +e  # a shell of its own, in which the first command that fails ends the step
  (set -e; "step_$name") > "$out/$name.log" 2>&1
  code=$?
  set -e
  if [ $code -eq 0 ]; then
    result=passed
    ! grep --quiet --ignore-case skipped "$out/$name.log" || result="passed, parts skipped"
  else
    result=FAILED
    failed=1
    tail --lines 15 "$out/$name.log"
  fi
  echo "| $name | $result | $((SECONDS - begin)) | $name.log |" >> "$out/summary.md"
done
if [ "$dry" = no ]; then
  {
    for log in kernels networks pytorch; do
      [ -s "$out/$log.log" ] && printf '\n## %s\n\n' "$log" && cat "$out/$log.log"
    done
  } >> "$out/summary.md" || true
  echo "=== $out/summary.md"
fi
exit $failed
