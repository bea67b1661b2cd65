#!/bin/sh
# What the scripts for a node do with archipelago's binary there. It is put beside lock.sh into a folder of /run, by the run
# that has the lock, and run as root.
#
#   deploy.sh swap RUN FILE        FILE takes the place of the binary, at once or not at all; the old one is kept beside it
#   deploy.sh restart SECONDS      restarts the service and waits until it is healthy
#   deploy.sh accept               the new one has proved itself: the old one is archipelago.previous from now on
#   deploy.sh keep                 the new one stays, proved or not, until the next run
#   deploy.sh rollback SECONDS     brings the old one back, if one is kept, and waits until it is healthy; prints "rolled back"
#   deploy.sh abandon RUN SECONDS  the same for a run that ends early: what it had asked for and comes later is refused
#
# Exit codes: 0 done; 1 failed, and nothing is changed unless the text says so; 64 no such command; 75 the run has the node no more.
#
# There is no other record of an unproven binary than the old one beside it: whatever was cut off, and whenever, the next run
# sees it and rolls back. Where nobody comes, a unit of systemd does so when the run's lock expires.
# shellcheck disable=SC3013 # `-ef` is in POSIX since 2024, and in dash and bash before.
set -eu

BIN=/usr/local/bin/archipelago
# There while BIN is unproven.
OLD=$BIN.rollback
PREVIOUS=$BIN.previous
NEW=$BIN.new
SERVICE=archipelago.service
HERE=$(dirname "$0")
LOST=75

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# One command at a time.
alone() {
    exec 9>"$HERE/deploy.lock"
    flock -w 60 9 || fail 'another deploy.sh has been at work for 60 s'
}

has_the_node() {
    [ ! -e "$HERE/abandoned.$1" ] && sh "$HERE/lock.sh" show | grep -qF "\"run\":\"$1\""
}

sync_folder() {
    sync "$(dirname "$BIN")"
}

# ---- The binary ----

swap() {
    run=$1 file=$2
    alone
    if ! has_the_node "$run"; then
        echo "run $run has the node no more; nothing is changed" >&2
        exit "$LOST"
    fi
    [ -x "$BIN" ] || fail "there is no $BIN on this node: install archipelago first"
    trap 'rm -f "$NEW"' EXIT
    cp "$file" "$NEW" || fail 'the new archipelago does not fit onto the disk'
    chmod 755 "$NEW"
    chown 0:0 "$NEW"
    sync "$NEW"
    timeout 10 "$NEW" version >/dev/null || fail 'the new archipelago does not run on this node'
    if [ ! -e "$OLD" ]; then
        ln "$BIN" "$OLD"
        sync_folder
    fi
    systemd-run --quiet --collect --unit="archipelago-deploy-guard-$run-$$" \
        --description='Brings the old archipelago back when the run that replaced it is gone' \
        sh "$HERE/deploy.sh" guard "$run"
    mv "$NEW" "$BIN"
    sync_folder
}

accept() {
    alone
    dismiss_guards
    if [ -e "$OLD" ]; then
        mv "$OLD" "$PREVIOUS"
        sync_folder
    fi
}

keep() {
    alone
    dismiss_guards
}

rollback() {
    alone
    dismiss_guards
    back "$1"
}

abandon() {
    touch "$HERE/abandoned.$1"
    alone
    dismiss_guards
    give_up "$1" "$2"
}

# give_up RUN SECONDS: what the run has put there goes. That it did is said to whoever comes later, too: to a run whose answer
# was lost, or whose guard was first.
give_up() {
    said=$HERE/abandoned.$1
    if [ -e "$OLD" ]; then
        [ "$OLD" -ef "$BIN" ] || echo 'rolled back' >"$said"
        back "$2"
    elif [ -s "$said" ]; then
        cat "$said"
        until_healthy '' "$2"
    fi
}

back() {
    rm -f "$NEW"
    if [ ! -e "$OLD" ]; then
        return
    fi
    if [ "$OLD" -ef "$BIN" ]; then
        # Cut off before anything was replaced.
        rm "$OLD"
        return
    fi
    mv "$OLD" "$BIN"
    sync_folder
    echo 'rolled back'
    restart "$1"
}

dismiss_guards() {
    systemctl stop 'archipelago-deploy-guard-*.service'
}

# Waits until the binary is proved, or its run is gone. Not to be called by hand.
guard() {
    while [ -e "$OLD" ]; do
        if ! has_the_node "$1"; then
            alone
            give_up "$1" 15
            return
        fi
        sleep 1
    done
}

# ---- The service ----

main_pid() {
    systemctl show --property=MainPID --value "$SERVICE"
}

# is_healthy BEFORE: another process than that runs this very binary, and answers. Says in `seen` what it saw.
is_healthy() {
    pid=$(main_pid)
    if [ "$pid" = 0 ] || [ "$pid" = "$1" ]; then
        seen="$SERVICE is $(systemctl show --property=ActiveState,SubState --value "$SERVICE" | paste -sd ' '), without a new process"
        return 1
    fi
    if [ ! "/proc/$pid/exe" -ef "$BIN" ]; then
        seen="process $pid runs another program than $BIN"
        return 1
    fi
    code=0
    answer=$(timeout 5 "$BIN" rpc system.health 2>&1) || code=$?
    seen="process $pid runs; \`archipelago rpc system.health\`: exit code $code, $answer"
    case $code in
    0) printf '%s' "$answer" | grep -q '"podman_error": *null' ;;
    # An older one that answers and does not know the question, or has no such command.
    2 | 3) systemctl --quiet is-active "$SERVICE" ;;
    *) return 1 ;;
    esac
}

uptime_s() {
    read -r seconds _ </proc/uptime
    echo "${seconds%%.*}"
}

restart() {
    before=$(main_pid)
    systemctl restart --no-block "$SERVICE"
    until_healthy "$before" "$1"
}

# until_healthy BEFORE SECONDS
until_healthy() {
    limit=$2
    deadline=$(($(uptime_s) + limit))
    until is_healthy "$1"; do
        if [ "$(uptime_s)" -ge "$deadline" ]; then
            echo "archipelago is not healthy after $limit s: $seen" >&2
            echo 'the last lines of its journal:' >&2
            journalctl --unit="$SERVICE" --lines=20 --no-pager --output=short-iso >&2
            return 1
        fi
        sleep 0.2
    done
}

usage() {
    echo 'deploy.sh: swap RUN FILE, restart SECONDS, accept, keep, rollback SECONDS, or abandon RUN SECONDS' >&2
    exit 64
}

case ${1:-}/$# in
swap/3 | abandon/3) "$1" "$2" "$3" ;;
restart/2 | rollback/2 | guard/2) "$1" "$2" ;;
accept/1 | keep/1) "$1" ;;
*) usage ;;
esac
