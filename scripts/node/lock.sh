#!/bin/sh
# The lock on a node under test: at any time one run has the node. Given to `sudo -n sh -s --` over ssh, by the target
# `node` and by the scripts alike.
#
#   lock.sh take RUN HOLDER TTL_S [PID]   takes it for TTL_S seconds; RUN may have it already, and has it no shorter then
#   lock.sh renew RUN HOLDER TTL_S [PID]  the same, but never takes what is not held
#   lock.sh release RUN                   gives it back; what is not there is given back
#   lock.sh show                          prints who has it, or nothing
#
# Exit codes: 0 done; 75 somebody else has it, who is printed on standard output, as json; 76 it was to be renewed and
# nobody has it any more; 64 no such command; 1 anything else.
#
# It is on a tmpfs: a node that was started anew is nobody's. A lease that was not renewed has expired, and whoever comes next
# takes it. Time is the node's uptime, because clocks of small machines jump.
set -eu

LOCK=${ARCHIPELAGO_NODE_LOCK:-/run/lock/archipelago-node-test.lock}
BUSY=75
NOT_HELD=76
USAGE=64

complain() {
    printf 'lock.sh: %s\n' "$*" >&2
}

# field NAME: from the lock file, which is written below, one line, with no quote in any value.
field() {
    sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$LOCK" 2>/dev/null
}

uptime_s() {
    read -r seconds _ </proc/uptime
    printf '%s' "${seconds%%.*}"
}

# What is cut off or not ours has no end, and is nobody's.
is_held() {
    until=$(field until_uptime_s)
    case $until in
    '' | *[!0-9]*) return 1 ;;
    esac
    [ "$(uptime_s)" -lt "$until" ]
}

# utc SECONDS: from now
utc() {
    date -u -d "@$(($(date +%s) + $1))" +%Y-%m-%dT%H:%M:%SZ
}

# write SINCE
write() {
    # Whole or not at all, whenever this is cut off.
    printf '{"run":"%s","holder":"%s","pid":%s,"since":"%s","expires":"%s","until_uptime_s":%s}\n' \
        "$RUN" "$HOLDER" "$PID" "$1" "$(utc "$TTL_S")" "$(($(uptime_s) + TTL_S))" >"$LOCK.new"
    chmod 644 "$LOCK.new"
    mv "$LOCK.new" "$LOCK"
}

# What has the node for longer than TTL_S is around us.
lengthen() {
    if ! is_held || [ "$(field until_uptime_s)" -lt "$(($(uptime_s) + TTL_S))" ]; then
        write "$(field since)"
    fi
}

busy_if_anothers() {
    if is_held && [ "$(field run)" != "$RUN" ]; then
        cat "$LOCK"
        exit "$BUSY"
    fi
}

take() {
    busy_if_anothers
    if is_held; then
        lengthen
        return
    fi
    if [ -e "$LOCK" ] && [ "$(field run)" != "$RUN" ]; then
        complain "the lock of $(field holder), run $(field run), had expired at $(field expires)"
    fi
    write "$(utc 0)"
}

renew() {
    busy_if_anothers
    # Expired, and taken by nobody: still ours.
    if [ "$(field run)" != "$RUN" ]; then
        complain "the lock of run $RUN is gone: it expired, or the node was started anew"
        exit "$NOT_HELD"
    fi
    lengthen
}

release() {
    busy_if_anothers
    rm -f "$LOCK"
}

show() {
    if is_held; then
        cat "$LOCK"
    fi
}

# is_plain TEXT: fits into the file without quoting, and is there
is_plain() {
    case $1 in
    '' | *[!A-Za-z0-9@._:+-]*) return 1 ;;
    esac
}

is_number() {
    case $1 in
    '' | *[!0-9]* | ??????????*) return 1 ;;
    esac
}

usage() {
    complain "$1; usage: take|renew RUN HOLDER TTL_S [PID], release RUN, or show"
    exit "$USAGE"
}

COMMAND=${1:-}
case $COMMAND in
take | renew | release)
    RUN=${2:-}
    is_plain "$RUN" || usage "a run has a name of plain letters, digits and @._:+-, not \`$RUN\`"
    ;;
show) ;;
*) usage "no such command: \`$COMMAND\`" ;;
esac
case $COMMAND in
take | renew)
    HOLDER=${3:-} TTL_S=${4:-} PID=${5:-0}
    is_plain "$HOLDER" || usage "a holder is USER@HOST, not \`$HOLDER\`"
    is_number "$TTL_S" || usage "a time is so many seconds, not \`$TTL_S\`"
    is_number "$PID" || usage "a pid is a number, not \`$PID\`"
    ;;
esac

# On the folder and not on the file, which is replaced.
exec 9<"$(dirname "$LOCK")"
if ! flock -w 10 9; then
    complain "somebody has kept $(dirname "$LOCK") locked for 10 s"
    exit 1
fi
"$COMMAND"
