# For sourcing. `peers_python REQUIREMENTS…` sets PYTHON to the Python of a virtual environment
# with the packages of the given files of this folder: the one in AURICLE_PEERS_VENV, taken as
# it is, or one that is made in target/peers. The first file must be installable, the others
# need not be. Call it from the workspace's root.

PEERS_TARGET="${CARGO_TARGET_DIR:-target}"

peers_python() {
    if [[ -n "${AURICLE_PEERS_VENV:-}" ]]; then
        PYTHON="$AURICLE_PEERS_VENV/bin/python"
        [[ -x "$PYTHON" ]] || peers_fail "AURICLE_PEERS_VENV: $PYTHON: no such program"
        return
    fi
    local venv="$PEERS_TARGET/peers" file optional=""
    PYTHON="$venv/bin/python"
    command -v python3 >/dev/null || peers_fail "no python3: install Python 3.11 or later"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
        || peers_fail "$(python3 --version) is too old: install Python 3.11 or later"
    if [[ ! -x "$PYTHON" ]]; then
        python3 -m venv "$venv" || peers_fail "$venv: cannot make a virtual environment"
    fi
    for file in "$@"; do
        if ! cmp -s "scripts/peers/$file" "$venv/$file"; then
            echo "installing the packages of scripts/peers/$file into $venv" >&2
            if "$PYTHON" -m pip install --quiet --disable-pip-version-check \
                -r "scripts/peers/$file" >&2; then
                cp "scripts/peers/$file" "$venv/$file"
            elif [[ -z "$optional" ]]; then
                peers_fail "scripts/peers/$file: its packages cannot be installed (see above)"
            else
                echo "warning: scripts/peers/$file: not installed, going on without" >&2
            fi
        fi
        optional=yes
    done
}

# Sets BIN to the folder of the programs: AURICLE_BIN_DIR, or where they are built now.
peers_binaries() {
    BIN="${AURICLE_BIN_DIR:-}"
    if [[ -z "$BIN" ]]; then
        cargo build --workspace --no-default-features --features auricle-runtime/microphone,firmware-sim/host
        BIN="$PEERS_TARGET/debug"
    fi
}

peers_fail() {
    echo "error: $*" >&2
    exit 1
}
