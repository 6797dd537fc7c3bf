# Sourced after common.sh: the standard library of computers that are not this one.
# shellcheck shell=bash

# Makes `cargo build --target TRIPLE` work: with rustup, or where rustup cannot download, from the source of the same
# release in Debian.
need_target() {
    local triple=$1
    has_target "$triple" && return
    say "installing the standard library of $triple"
    if command -v rustup >/dev/null && rustup target add "$triple" >/dev/null 2>&1 && has_target "$triple"; then
        return
    fi
    echo "rustup cannot install it; building it from Debian's rust-src"
    build_target "$triple"
    has_target "$triple" || fail "the standard library of $triple was built, but rustc does not find it"
}

has_target() {
    local folder
    folder=$(rustc --print target-libdir --target "$1" 2>/dev/null) || fail "rustc knows no target $1"
    compgen -G "$folder/libcore-*.rlib" >/dev/null
}

# The build that cargo calls `build-std`, once, into rustc's own folder: afterwards every build finds it.
build_target() {
    local triple=$1 work=$TARGET/rust-src folder log
    folder=$(rustc --print target-libdir --target "$triple")
    mkdir -p "$work/empty/src" "$folder" || fail "cannot write to $work and $folder"
    work=$(realpath "$work")
    log=$work/$triple.log
    rust_source "$work"
    printf '[package]\nname = "empty"\nedition = "2024"\n[workspace]\n' >"$work/empty/Cargo.toml"
    local parts=core,alloc
    case $triple in
        *-linux-*) parts=std,panic_unwind,panic_abort,proc_macro,test && : >"$work/empty/src/lib.rs" ;;
        *) echo '#![no_std]' >"$work/empty/src/lib.rs" ;;
    esac
    # Bitcode, because link-time optimisation needs it.
    env -u RUSTC_WORKSPACE_WRAPPER -u RUSTC_WRAPPER RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes \
        __CARGO_TESTS_ONLY_SRC_ROOT="$RUST_SOURCE" CARGO_TARGET_DIR="$work/target" \
        cargo build -Zbuild-std=$parts --release --target "$triple" --manifest-path "$work/empty/Cargo.toml" \
        >"$log" 2>&1 || fail "the standard library of $triple does not build; see $log"
    find "$work/target/$triple/release/deps" -name '*.rlib' ! -name 'libempty-*' -exec cp -t "$folder" {} + ||
        fail "cannot write to $folder"
}

# Sets RUST_SOURCE to the library folder of Debian's rust-src of exactly rustc's release, below the folder given.
# The lists of packages are private: the system's own stay as they are.
rust_source() {
    local work=$1 release mirror version list=$1/apt
    release=$(rustc --version | awk '{ print $2 }')
    RUST_SOURCE=$work/files/usr/src/rustc-$release/library
    [ -d "$RUST_SOURCE" ] && return
    command -v apt-get >/dev/null || fail "rustup cannot install the target, and the other way needs Debian"
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || fail "rustup cannot install the target, and no file of apt's names a mirror of Debian"
    mkdir -p "$list/lists/partial" "$list/cache/archives/partial"
    : >"$list/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie-backports main" >"$list/sources"
    local options=(
        -o "Dir::Etc::SourceList=$list/sources" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State=$list" -o "Dir::State::lists=$list/lists" -o "Dir::State::status=$list/status"
        -o "Dir::Cache=$list/cache" -o "APT::Sandbox::User=$(id -un)"
    )
    apt-get "${options[@]}" update -qq || fail "apt cannot read the packages of trixie-backports at $mirror"
    version=$(apt-cache "${options[@]}" madison rust-src | awk -v r="$release" 'index($3, r "+") == 1 { print $3; exit }')
    [ -n "$version" ] || fail "Debian has no rust-src $release at $mirror; rustup can install the target where it can download"
    (cd "$list" && apt-get "${options[@]}" download -qq "rust-src=$version") || fail "cannot download rust-src $version"
    dpkg -x "$list"/rust-src_*.deb "$work/files" || fail "cannot unpack rust-src $version"
    rm "$list"/rust-src_*.deb
    [ -d "$RUST_SOURCE" ] || fail "rust-src $version holds no source of Rust $release"
}

# The first mirror of Debian's main archive in apt's own files.
debian_mirror() {
    awk '/^URIs:/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources 2>/dev/null ||
        awk '/^deb / { for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) { print $i; exit } }' /etc/apt/sources.list 2>/dev/null ||
        true
}
