#!/usr/bin/env bash
# Brings this checkout's archipelago onto a node, tests it there, and takes it back when it does not hold. See `usage`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR
source scripts/node/lib.sh
# shellcheck source-path=SCRIPTDIR
source scripts/node/cycle.sh

usage() {
    cat <<'TEXT'
Usage: scripts/dev-container-test.sh [--once | --watch] [--build remote|local | --binary FILE] [--keep-bad] [FILTER…]
       scripts/dev-container-test.sh --rollback

Copies the tree to the node, builds it there, swaps the binary, restarts the service, waits until it is healthy, and runs
the smoke stage; then shows containers and what the monitor said. Enter runs it again, Ctrl-C or the end of input stops.
The old binary comes back where the new one does not build, does not come up, or fails a test. A node that is away, busy or
lost on the way is told, and Enter tries it again.

  --once          one cycle, then the end
  --watch         runs again when a file has changed, too
  --build remote  on the node, with the cargo that is there; what was built before is used again. This is the default.
  --build local   on this machine; the binary is linked statically and runs on the node if it has the same processor
  --binary FILE   neither: FILE is the binary
  --keep-bad      what does not come up or fails a test stays on the node, to be looked at, until the next run
  --rollback      only brings the old binary back, if an unproven one is there
  FILTER…         instead of the smoke stage: for nextest, such as a part of a scenario's name; node:: is everything that may
                  be asked of a live node

Which node: ARCHIPELAGO_NODE and its like; see CONTRIBUTING.md, "The node stage".

Exit codes: 0 all passed; 1 something failed, and the node is as it was; 2 it could not run; 130 Ctrl-C; 143 SIGTERM. Whoever
stops it between two cycles gets that of the last one.
TEXT
}

MODE=enter
FILTER=()

read_arguments() {
    while [[ $# -gt 0 ]]; do
        case $1 in
            -h | --help)
                usage
                exit
                ;;
            --once) MODE=once ;;
            --watch) MODE=watch ;;
            --rollback) MODE=rollback ;;
            --keep-bad) KEEP_BAD=1 ;;
            --build)
                [[ ${2:-} == remote || ${2:-} == local ]] || unable '--build is remote or local'
                BUILD=$2
                shift
                ;;
            --binary)
                [[ -n ${2:-} && -x $(from_caller "$2") ]] || unable "--binary wants a program, not \`${2:-}\`"
                BUILD=$(from_caller "$2")
                shift
                ;;
            *) FILTER+=("$1") ;;
        esac
        shift
    done
    if [[ ${#FILTER[@]} -eq 0 ]]; then
        FILTER=(node::smoke::)
    fi
}

# ---- Again and again ----

# The folders too: a file that is gone makes its folder newer.
has_changed() {
    [[ -n $(find . \( -path ./target -o -path ./.git \) -prune -o -newer "$SCRATCH/seen" -print -quit) ]]
}

VERDICT=0

# A cycle is a process of its own: whatever it ends with, it has put the node right as far as that can be done, and the next one
# begins with a connection and a lock of its own.
cycle_apart() {
    local code=0 options=()
    case $BUILD in
        remote | local) options+=(--build "$BUILD") ;;
        *) options+=(--binary "$BUILD") ;;
    esac
    [[ -z $KEEP_BAD ]] || options+=(--keep-bad)
    touch "$SCRATCH/seen"
    run scripts/dev-container-test.sh --once "${options[@]}" "${FILTER[@]}" || code=$?
    VERDICT=$code
    if [[ $code -gt 1 ]]; then
        VERDICT=2
        # 2 has said why.
        [[ $code -eq 2 ]] || say "the cycle ended with exit code $code"
        headline "${RED}could not run${PLAIN}"
    fi
}

# Returns when there is something to do.
wait_for_more() {
    if [[ $MODE == watch ]]; then
        say 'a changed file or Enter runs it again, Ctrl-C stops'
    else
        say 'Enter runs it again, Ctrl-C stops'
    fi
    local code
    while true; do
        code=0
        read -r -t 1 || code=$?
        # 128 and more: nobody has pressed anything yet.
        if [[ $code -eq 0 ]]; then
            return
        elif [[ $code -le 128 ]]; then
            [[ $MODE == watch ]] || exit "$VERDICT"
            # Nobody is there, and changes are still seen.
            sleep 1
        fi
        if [[ $MODE == watch ]] && has_changed; then
            # Whoever saves many files at once is waited for.
            while touch "$SCRATCH/seen" && sleep 0.5 && has_changed; do :; done
            return
        fi
    done
}

again_and_again() {
    # A cycle that is ended ends its own programs first, and then puts the node right.
    END_WITHIN_S=$((END_WITHIN_S + 120))
    while true; do
        cycle_apart
        # Ctrl-C is the usual end from here on.
        trap 'exit "$VERDICT"' INT
        wait_for_more
        trap 'exit 130' INT
    done
}

# ---- One cycle, and its end ----

one_cycle() {
    local began=$SECONDS since
    since=$(date +%s)
    cycle "${FILTER[@]}" || VERDICT=1
    show_node "$since"
    give_node_back
    headline "$(verdict) after $((SECONDS - began)) s"
    printf '  %s\n' "${PHASES[@]}" >&2
}

verdict() {
    if [[ $VERDICT -eq 0 ]]; then
        echo "${GREEN}passed${PLAIN}"
    else
        echo "${RED}failed${PLAIN}${ROLLED_BACK:+; the old archipelago is back}"
    fi
}

only_roll_back() {
    local said
    connect
    take_node
    said=$(deploy rollback "$HEALTHY_WITHIN_S")
    say "${said:-there is nothing to roll back}"
}

end() {
    local code=$?
    leave_node
    disconnect
    rm -rf "$SCRATCH"
    exit "$code"
}

main() {
    read_arguments "$@"
    check_node
    set_up_node
    make_scratch
    trap end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    trap lose_lock USR1

    case $MODE in
        rollback) only_roll_back ;;
        once)
            one_cycle
            exit "$VERDICT"
            ;;
        *) again_and_again ;;
    esac
}

main "$@"
