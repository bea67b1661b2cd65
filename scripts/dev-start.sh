#!/usr/bin/env bash
# What one does daily, by number. See `usage`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'TEXT'
Usage: scripts/dev-start.sh [NUMBER [ARGUMENT…]]

Without a number it shows a menu and asks. With one it starts that at once and passes on the arguments:

  scripts/dev-start.sh 1 heal          unit tests with "heal" in their name
  scripts/dev-start.sh 9 --once        one cycle on the node

Exit code: that of what was started; 2 no such number.
TEXT
}

# The menu: number, what it is, and what `choose` does for it.
MENU=(
    'Unit tests, mock scenarios included (no engine)'
    'All tests on real podman, in labs'
    'One scenario, on the mock and in a lab'
    'A shell in a fresh lab'
    'Serve on a podman in memory, with the status page'
    "Serve on this machine's podman (root)"
    'Conformance: the mock against real podman'
    'Doctor: what this host lacks for labs'
    'Container orchestration dev (live on .228)'
)

show_menu() {
    local i
    headline 'archipelago'
    for i in "${!MENU[@]}"; do
        say "  $((i + 1))  ${MENU[$i]}"
    done
    say '  q  quit'
}

# ask QUESTION: prints the answer; the end of input is the end of all.
ask() {
    local answer
    printf '%s ' "$1" >&2
    read -r answer || exit 0
    echo "$answer"
}

one_scenario() {
    local name=${1:-}
    [[ -n $name ]] || name=$(ask 'A part of its name:')
    [[ -n $name ]] || die 'a scenario has a name, such as heal::exited'
    cargo nextest run --workspace --profile unit --no-tests=pass "mock::$name"
    exec scripts/lab "lab::$name"
}

lab_shell() {
    local lab=dev-start
    # shellcheck disable=SC2064 # It is fixed.
    trap "cargo lab down $lab" EXIT
    cargo lab up "$lab" "$@"
    cargo lab shell "$lab"
}

serve_on_podman() {
    if [[ $EUID -ne 0 ]]; then
        say 'archipelago needs root: this asks sudo'
    fi
    cargo build --locked --bin archipelago
    local program
    # shellcheck disable=SC2012 # Triples are plain names.
    program=$(ls -t "${CARGO_TARGET_DIR:-target}"/*/debug/archipelago | head -n 1)
    as_root "$program" serve "$@"
}

# choose NUMBER [ARGUMENT…]
choose() {
    local number=$1
    shift
    case $number in
        1) exec cargo nextest run --workspace --profile unit "$@" ;;
        2) exec scripts/lab "$@" ;;
        3) one_scenario "$@" ;;
        4) lab_shell "$@" ;;
        5) exec cargo run --locked -- serve --engine mock "$@" ;;
        6) serve_on_podman "$@" ;;
        7) exec cargo lab conformance "$@" ;;
        8) exec cargo lab doctor "$@" ;;
        9) exec scripts/dev-container-test.sh "$@" ;;
        *)
            say "error: no such number: \`$number\`; there are 1 to ${#MENU[@]}"
            exit 2
            ;;
    esac
}

main() {
    case ${1:-} in
        -h | --help)
            usage
            exit
            ;;
    esac
    local number=${1:-}
    if [[ -z $number ]]; then
        show_menu
        number=$(ask 'Number:')
    else
        shift
    fi
    case $number in
        q | quit | '') exit ;;
    esac
    find_cargo
    choose "$number" "$@"
}

main "$@"
