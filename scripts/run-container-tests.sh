#!/usr/bin/env bash
# The node stage for CI: one cycle on a node, told as JSON. See `usage`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR
source scripts/node/lib.sh
# shellcheck source-path=SCRIPTDIR
source scripts/node/cycle.sh

usage() {
    cat <<'TEXT'
Usage: scripts/run-container-tests.sh [--build local|remote|none | --binary FILE] [--timeout SECONDS] [--wait SECONDS]
                                      [--out FOLDER] [FILTER…]

Brings this checkout's archipelago onto the node, runs the scenarios of the target `node` there, and takes it back when it
does not hold. A report is on standard output, as JSON (docs/run-container-tests.schema.json), unless the arguments are
wrong or the program that writes it cannot be built; everything else is on standard error.

  --build local      builds here; the binary is linked statically and runs on the node if it has the same processor. This
                     is the default.
  --build remote     builds on the node, with the cargo that is there
  --build none       tests the archipelago that the node has
  --binary FILE      neither: FILE is the binary
  --timeout SECONDS  for all of it, set-up and build included; 300 where nobody says. What was begun is cleaned up after it.
  --wait SECONDS     how long a node that somebody else has is waited for; not at all where nobody says
  --out FOLDER       where report.json and junit.xml go; target/container-tests where nobody says
  FILTER…            for nextest, such as a part of a scenario's name

Which node: ARCHIPELAGO_NODE and its like; see CONTRIBUTING.md, "The node stage".

Exit codes: 0 all passed; 1 something failed; 2 it could not run; 3 it was cut short, by the time limit or by a signal; 4 it
left something on the node. The node has its old archipelago after any of them but 0.
TEXT
}

OUT=target/container-tests
TIMEOUT_S=300
FILTER=()

# What is told in the report.
STARTED=$(date +%s)
BEGAN=$(now_ms)
UNABLE=
CUT_SHORT=
FAILED=
BEFORE=
LEFTOVERS=()
PODMAN=
ARCHIPELAGO=

# In place of the others': the report says it too.
unable() {
    say "${RED}error:${PLAIN} $*"
    UNABLE=$*
    exit 2
}

die() {
    unable "$@"
}

read_arguments() {
    BUILD=local
    while [[ $# -gt 0 ]]; do
        case $1 in
            -h | --help)
                usage
                exit
                ;;
            --build)
                case ${2:-} in
                    local | remote | none) BUILD=$2 ;;
                    *) unable '--build is local, remote or none' ;;
                esac
                shift
                ;;
            --binary)
                [[ -n ${2:-} && -x $(from_caller "$2") ]] || unable "--binary wants a program, not \`${2:-}\`"
                BUILD=$(from_caller "$2")
                shift
                ;;
            --timeout)
                [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || unable '--timeout wants seconds'
                TIMEOUT_S=$2
                shift
                ;;
            --wait)
                [[ ${2:-} =~ ^[0-9]{1,6}$ ]] || unable '--wait wants seconds'
                LOCK_WAIT_S=$2
                shift
                ;;
            --out)
                [[ -n ${2:-} ]] || unable '--out wants a folder'
                OUT=$(from_caller "$2")
                shift
                ;;
            *) FILTER+=("$1") ;;
        esac
        shift
    done
}

# ---- The time limit ----

TIMER=

# The signals come to the main shell, which `wait` gives up for.
start_timer() {
    set -m
    (
        set +m
        trap - EXIT INT TERM HUP USR1 USR2
        sleep "$TIMEOUT_S"
        kill -USR2 $$
    ) </dev/null >/dev/null 2>&1 3>&- &
    TIMER=$!
    disown "$TIMER"
    set +m
}

stop_timer() {
    [[ -n $TIMER ]] || return 0
    kill -KILL -- "-$TIMER" 2>/dev/null || true
    TIMER=
}

cut_short() {
    CUT_SHORT=$1
    say "${RED}cut short:${PLAIN} $1"
    exit 3
}

# ---- What is on the node ----

# One line for each thing that a run could leave, sorted; as the tests see it.
inventory() {
    on_node sudo -n sh -s <tests/scenarios/node/inventory.sh | sort --unique
}

# As soon as the node is ours.
has_node() {
    PODMAN=$(on_node sudo -n podman version --format '{{.Client.Version}}' </dev/null) || {
        complain_if_lost 'a look at podman'
        unable 'podman does not answer on the node'
    }
    BEFORE=$(inventory) || {
        complain_if_lost 'a look at what is there'
        unable 'podman does not list what is on the node'
    }
}

look_again() {
    ARCHIPELAGO=$(insist on_node /usr/local/bin/archipelago version </dev/null) || true
    ARCHIPELAGO=${ARCHIPELAGO#archipelago }
    local now
    if ! now=$(insist inventory); then
        say 'what is left on the node cannot be seen'
        return
    fi
    mapfile -t LEFTOVERS < <(comm -13 <(printf '%s\n' "$BEFORE") <(printf '%s\n' "$now"))
}

# ---- The report ----

revision() {
    local revision
    revision=$(git rev-parse HEAD 2>/dev/null) || return 0
    [[ -z $(git status --porcelain 2>/dev/null) ]] || revision+=-dirty
    echo "$revision"
}

# option NAME [VALUE]: `NAME VALUE`, or nothing where there is no value.
option() {
    [[ -z ${2:-} ]] || OPTIONS+=("$1" "$2")
}

# Prints it and returns its exit code.
report() {
    local written=$SCRATCH/$NODE_JUNIT leftover code=0
    mkdir -p "$OUT"
    rm -f "$OUT/junit.xml"
    [[ ! -e $written ]] || mv "$written" "$OUT/junit.xml"
    OPTIONS=(--junit "$OUT/junit.xml" --lines "$SCRATCH/times" --run "${RUN:-none}" --node "$NODE:$NODE_PORT"
        --started "$STARTED" --ms $(($(now_ms) - BEGAN)))
    option --revision "$(revision)"
    [[ $BUILD == none ]] || option --deployed "$BUILD"
    option --archipelago "$ARCHIPELAGO"
    option --podman "$PODMAN"
    option --unable "$UNABLE"
    option --cut-short "$CUT_SHORT"
    [[ -z $FAILED ]] || OPTIONS+=(--failed)
    [[ -z $ROLLED_BACK ]] || OPTIONS+=(--rolled-back)
    for leftover in "${LEFTOVERS[@]}"; do
        OPTIONS+=("--leftover=$leftover")
    done
    "$REPORT" make "${OPTIONS[@]}" >"$OUT/report.json" || code=$?
    cat "$OUT/report.json" >&3
    return "$code"
}

# Built first of all: it tells too of what could not be built.
build_report() {
    find_cargo
    cargo build --quiet --locked --workspace --bin report || unable 'the program for the report does not build'
    REPORT=$(built report)
}

# ---- All of it ----

end() {
    local code=$?
    trap '' INT TERM HUP USR1 USR2
    stop_timer
    # Whatever ended it without a word is no verdict.
    if [[ $code -ne 0 && $code -ne 1 && -z $UNABLE$CUT_SHORT ]]; then
        UNABLE="it ended with exit code $code"
    fi
    end_children
    undo
    if [[ -n $BEFORE ]]; then
        look_again
    fi
    leave_node
    disconnect
    local reported=0
    if [[ -n $REPORT ]]; then
        report || reported=$?
        [[ $reported -le 4 ]] || reported=2
    elif [[ -n $CUT_SHORT ]]; then
        reported=3
    else
        reported=2
    fi
    rm -rf "$SCRATCH"
    exit "$reported"
}

REPORT=

main() {
    read_arguments "$@"
    # The report alone goes to standard output, whenever this ends; it is 3 from here on.
    exec 3>&1 1>&2
    make_scratch
    trap end EXIT
    trap 'cut_short "SIGINT"' INT
    trap 'cut_short "SIGTERM"' TERM
    trap 'cut_short "SIGHUP"' HUP
    trap lose_lock USR1
    trap 'cut_short "the time limit of $TIMEOUT_S s"' USR2
    start_timer
    set_up_node
    build_report
    check_node
    cycle "${FILTER[@]}" || FAILED=1
}

main "$@"
