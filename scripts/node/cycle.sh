# shellcheck shell=bash
# One cycle on a node: build, swap the binary, restart, smoke, and back again where the new one does not prove itself.
# To be sourced after scripts/node/lib.sh.

# How long archipelago may take to be healthy.
HEALTHY_WITHIN_S=15
# On the node, below the user's home: the tree, and in its `target` what was built of it.
NODE_TREE=archipelago-dev

# `remote`, `local`, `none` (the node keeps its own), or a file: a binary that was built before.
BUILD=remote
# What does not prove itself stays on the node.
KEEP_BAD=

# Whether an unproven binary may be on the node.
UNPROVEN=
# Whether the old one was brought back.
ROLLED_BACK=

# ---- Phases, each with its time ----

PHASES=()
# The one that is under way.
PHASE=

# phase NAME COMMAND…
phase() {
    local name=$1 began code=0
    PHASE=$name
    shift
    headline "$name"
    began=$(now_ms)
    "$@" || code=$?
    PHASES+=("$name $(seconds $(($(now_ms) - began))) s")
    PHASE=
    return "$code"
}

# ---- rsync and build ----

# to_node FROM TO: what is not there or differs. Times stay, so that cargo sees what has changed.
to_node() {
    local from=$1 to=$2
    shift 2
    run rsync --recursive --links --perms --times --delete --compress --stats --rsh="sh $SCRATCH/rsh" "$@" \
        "$from" "node:$to" >"$SCRATCH/rsync" || return
    say "  $(awk -F ': ' '/^Number of regular files transferred/ { print $2 " files" }' "$SCRATCH/rsync")"
}

copy_tree() {
    # Neither is built from.
    to_node ./ "$NODE_TREE/" --exclude=/target --exclude=/.git
}

copy_binary() {
    on_node mkdir -p "$NODE_TREE/target" </dev/null || return
    # What an earlier run has copied is there under that name.
    to_node "$1" "$NODE_TREE/target/archipelago-to-try" || return
    BUILT=$NODE_TREE/target/archipelago-to-try
}

# The end of its input, which is that of this script, ends the build. Prints where the binary is.
# shellcheck disable=SC2016 # They are the node's.
REMOTE_BUILD='
cd "$0" || exit
PATH="$HOME/.cargo/bin:$PATH"
if ! command -v cargo >/dev/null; then
    echo "there is no cargo on the node: install Rust there, or use --build local" >&2
    exit 1
fi
exec 3<&0
setsid cargo build --locked --package archipelago --bin archipelago </dev/null >&2 &
build=$!
(cat <&3; kill -TERM -- "-$build") >/dev/null 2>&1 &
watch=$!
code=0
wait "$build" || code=$?
kill "$watch"
[ "$code" -eq 0 ] || exit "$code"
printf "%s/" "$0"
ls -t target/*/debug/archipelago | head -n 1
'

# The target `node`. It prints where the tests are that were built: they are run as they are then, whatever is edited meanwhile.
BUILD_TESTS=(cargo nextest list --locked --workspace --test scenarios --profile node --list-type binaries-only
    --message-format json)

# The tests are built here meanwhile.
build_there() {
    local there here
    INPUT=$SCRATCH/silence start "${SSH[@]}" "$NODE" "$(printf '%q ' sh -c "$REMOTE_BUILD" "$NODE_TREE")" >"$SCRATCH/built"
    there=${CHILDREN[-1]}
    start "${BUILD_TESTS[@]}" >"$SCRATCH/tests"
    here=${CHILDREN[-1]}
    if ! await "$there"; then
        end_children
        return 1
    fi
    await "$here" || return
    BUILT=$(<"$SCRATCH/built")
}

# $1 names where cargo put it.
build_here() {
    run cargo build --locked --workspace --bin archipelago || return
    build_tests
}

build_tests() {
    run "${BUILD_TESTS[@]}" >"$SCRATCH/tests"
}

# ---- Swap, restart, and back ----

deploy() {
    on_node sudo -n sh "$NODE_SCRIPTS/deploy.sh" "$@" </dev/null
}

swap_and_restart() {
    UNPROVEN=1
    run "${SSH[@]}" "$NODE" "$(printf '%q ' sudo -n sh "$NODE_SCRIPTS/deploy.sh" swap "$RUN" "$BUILT")" || return
    run "${SSH[@]}" "$NODE" "$(printf '%q ' sudo -n sh "$NODE_SCRIPTS/deploy.sh" restart "$HEALTHY_WITHIN_S")"
}

# What a run that was killed, or --keep-bad, left.
undo_what_was_left() {
    local said code=0
    said=$(deploy rollback "$HEALTHY_WITHIN_S") || code=$?
    [[ -z $said ]] || say "an earlier run had left an archipelago that had not proved itself: $said"
    return "$code"
}

# All has passed then: an answer that is lost is no reason to take it back.
accept() {
    insist deploy accept || return
    UNPROVEN=
}

# Brings the old one back, if it is not there. What cannot be reached does it by itself.
undo() {
    [[ -n $UNPROVEN ]] || return 0
    local said code=0
    said=$(deploy abandon "$RUN" "$HEALTHY_WITHIN_S") || code=$?
    # Without a word: it was started anew, and has forgotten us.
    if [[ $code -eq 255 || ($code -ne 0 && -z $said) ]] && take_node_again; then
        code=0
        said=$(deploy abandon "$RUN" "$HEALTHY_WITHIN_S") || code=$?
    fi
    if [[ $said == 'rolled back' ]]; then
        ROLLED_BACK=1
        UNPROVEN=
        if [[ $code -eq 0 ]]; then
            say "${BOLD}rolled back:${PLAIN} the archipelago that was there before runs again, and is healthy"
        else
            say "${RED}rolled back, but the archipelago that was there before is not healthy either${PLAIN}: look at the node"
        fi
    elif [[ $code -eq 0 ]]; then
        UNPROVEN=
    else
        say "the node cannot be asked: it brings the old archipelago back by itself, within $LEASE_S s, or the next run does"
    fi
}

# ---- Smoke ----

# Where nextest writes, to which two runs in one checkout would write both: what it writes is in a folder of this run.
NODE_JUNIT=nextest/node/junit.xml

# What is given narrows it.
smoke() {
    {
        cat .config/nextest.toml
        printf '\n[store]\ndir = "%s"\n' "$SCRATCH/${NODE_JUNIT%%/*}"
    } >"$SCRATCH/nextest.toml"
    run env ARCHIPELAGO_NODE_RUN="$RUN" ARCHIPELAGO_NODE_REPORT="$SCRATCH/times" \
        cargo nextest run --binaries-metadata "$SCRATCH/tests" --profile node --no-input-handler \
        --config-file "$SCRATCH/nextest.toml" "$@"
}

# ---- All of it ----

# Called when the node is ours. A script may do more then.
has_node() {
    :
}

# cycle [NEXTEST ARGUMENT…]: returns 0 where everything passed, 1 where something failed; the node is as it was then,
# unless KEEP_BAD. Ends the script where it cannot run.
cycle() {
    PHASES=()
    connect
    take_node
    undo_what_was_left || {
        complain_if_lost 'a look at what was left'
        say "${RED}the old archipelago is not healthy${PLAIN}; going on"
    }

    has_node

    local what=''
    case $BUILD in
        remote)
            phase rsync copy_tree || what=rsync
            [[ -n $what ]] || phase build build_there || what=build
            ;;
        local)
            phase build build_here || what=build
            [[ -n $what ]] || phase rsync copy_binary "$(built archipelago)" || what=rsync
            ;;
        none) phase build build_tests || what=build ;;
        *)
            phase build build_tests || what=build
            [[ -n $what ]] || phase rsync copy_binary "$BUILD" || what=rsync
            ;;
    esac
    [[ -n $what || $BUILD == none ]] || phase restart swap_and_restart || what=restart
    [[ -n $what ]] || phase smoke smoke "$@" || what=smoke

    if [[ -z $what ]]; then
        accept || what='the end'
    fi
    if [[ -z $what ]]; then
        return
    fi
    complain_if_lost "$what"
    say "${RED}failed: $what${PLAIN}"
    if [[ -n $KEEP_BAD && -n $UNPROVEN ]]; then
        insist deploy keep
        UNPROVEN=
        say 'the new archipelago stays on the node, as --keep-bad says. The next run, or --rollback, brings the old one back.'
    else
        undo
    fi
    return 1
}

# What one wants to see after a cycle.
show_node() {
    headline 'containers'
    on_node sudo -n podman ps --all --format 'table {{.Names}} {{.Status}} {{.Image}}' </dev/null >&2 || true
    headline 'what the monitor said'
    on_node sudo -n journalctl --unit=archipelago.service --since="@$1" --lines=20 --no-pager --output=short-iso \
        </dev/null >&2 || true
}

# To be the trap of USR1, by which the renewer tells it. A node that was started anew has forgotten the lock, and that is none of
# the lock's.
lose_lock() {
    complain_if_lost "${PHASE:-the run}"
    unable 'the lock of the node was lost'
}

# To be the trap of EXIT, in a script that does no more.
leave_node() {
    # A second Ctrl-C must not break off what puts the node right.
    trap '' INT TERM HUP USR1
    end_children
    undo
    give_node_back
}
