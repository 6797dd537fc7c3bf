# Shared by the scripts: where the project is, what it is built with, and how they speak.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One feature list for everyday work and checks: the microphone, no GPU.
FEATURES=(--no-default-features --features auricle-runtime/microphone,firmware-sim/host)
TARGET=${CARGO_TARGET_DIR:-target}
BIN=$TARGET/debug

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Installs the Debian packages that are missing.
need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${missing[*]}"
    command -v apt-get >/dev/null || fail "please install ${missing[*]} (this script knows only apt-get)"
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get update -qq || true
    "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

need_rust() {
    command -v cargo >/dev/null || fail "no Rust found; install it from https://rustup.rs and run this again"
}

# ONNX's own tools for the tests that have them check files: AURICLE_CHECK_PYTHON, the Python of a virtual environment
# of pinned packages.
check_python() {
    source scripts/peers/environment.sh
    peers_python requirements-check.txt
    AURICLE_CHECK_PYTHON=$(realpath -s "$PYTHON")
    export AURICLE_CHECK_PYTHON
}
