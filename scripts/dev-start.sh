#!/usr/bin/env bash
# What one does daily, by number. See `usage`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'TEXT'
Usage: scripts/dev-start.sh [NUMBER [ARGUMENT…]]

Without a number it shows a menu and asks. With one it starts that at once. What follows the number, here or there, is passed on:

  scripts/dev-start.sh 1 heal          unit tests with "heal" in their name
  scripts/dev-start.sh 3 heal::oom     one scenario, on the mock and in a lab
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

# ask QUESTION: reads a line into REPLY, and asks on a terminal only; the end of input is the end of all.
ask() {
    read -r -p "$1 " || exit 0
}

is_number() {
    [[ $1 =~ ^[1-9]$ && $1 -le ${#MENU[@]} ]]
}

no_such_number() {
    say "${RED}error:${PLAIN} no such number: \`$1\`; there are 1 to ${#MENU[@]}"
}

# Whoever mistypes on a terminal is asked again.
choose_from_menu() {
    local words
    show_menu
    while true; do
        ask 'Number:'
        read -r -a words <<<"$REPLY"
        case ${words[0]:-} in
            q | quit | '') exit ;;
        esac
        if is_number "${words[0]}" || [[ ! -t 0 ]]; then
            start "${words[@]}"
            return
        fi
        no_such_number "${words[0]}"
    done
}

one_scenario() {
    local name=${1:-}
    if [[ -z $name ]]; then
        ask 'A part of its name:'
        name=$REPLY
    fi
    [[ -n $name ]] || die 'a scenario has a name, such as heal::exited'
    install_nextest
    cargo nextest run --workspace --profile unit --no-tests=pass "mock::$name"
    exec scripts/lab "lab::$name"
}

lab_shell() {
    # Of this menu alone: another one may have its own.
    local lab=dev-start-$$
    cargo lab up "$lab" "$@"
    # shellcheck disable=SC2064 # It is fixed.
    trap "cargo lab down $lab" EXIT
    cargo lab shell "$lab"
}

# Built as for the tests, so that neither builds anew after the other.
build_program() {
    cargo build --locked --workspace --bin archipelago
    PROGRAM=$(built archipelago)
}

serve_on_mock() {
    build_program
    exec "$PROGRAM" serve --engine mock "$@"
}

serve_on_podman() {
    build_program
    if [[ $EUID -eq 0 ]]; then
        exec "$PROGRAM" serve "$@"
    fi
    have sudo || die "archipelago needs root here, and there is no sudo; run as root: $PROGRAM serve $*"
    say 'archipelago needs root: this asks sudo'
    exec sudo "$PROGRAM" serve "$@"
}

# start NUMBER [ARGUMENT…]
start() {
    local number=$1
    shift
    if ! is_number "$number"; then
        no_such_number "$number"
        exit 2
    fi
    find_cargo
    case $number in
        1)
            install_nextest
            exec cargo nextest run --workspace --profile unit "$@"
            ;;
        2) exec scripts/lab "$@" ;;
        3) one_scenario "$@" ;;
        4) lab_shell "$@" ;;
        5) serve_on_mock "$@" ;;
        6) serve_on_podman "$@" ;;
        7) exec cargo lab conformance "$@" ;;
        8) exec cargo lab doctor "$@" ;;
        9) exec scripts/dev-container-test.sh "$@" ;;
    esac
}

main() {
    case ${1:-} in
        -h | --help) usage ;;
        '') choose_from_menu ;;
        q | quit) ;;
        *) start "$@" ;;
    esac
}

main "$@"
