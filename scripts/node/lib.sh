# shellcheck shell=bash
# What the scripts for a node share: which node it is, one connection to it, its lock, and an orderly end.
# To be sourced after scripts/lib.sh. CONTRIBUTING.md, "The node stage", says what the variables mean.

NODE=${ARCHIPELAGO_NODE:-archipelago@192.168.1.228}
NODE_PORT=${ARCHIPELAGO_NODE_PORT:-22}
NODE_KEY=${ARCHIPELAGO_NODE_KEY:-$HOME/.ssh/archipelago-deploy}

# How long a run that is heard of no more keeps the node, and how often it is heard of.
LEASE_S=60
RENEW_EVERY_S=10

# On the node: these scripts, on a tmpfs.
NODE_SCRIPTS=/run/archipelago-node-test

# What lock.sh says.
LOCK_BUSY=75
# How long a node that somebody else has is waited for.
LOCK_WAIT_S=0

set_up_node() {
    needed_to_build
    needed_for_node
    install_missing_packages
    find_cargo
    install_nextest
}

# unable TEXT: it could not run. A script may do more about it.
unable() {
    printf '%serror:%s %s\n' "$RED" "$PLAIN" "$*" >&2
    exit 2
}

# Where this script keeps what it needs while it runs.
SCRATCH=

make_scratch() {
    SCRATCH=$(mktemp --directory)
    # Never written to, and never at its end for whoever has it open both ways.
    mkfifo "$SCRATCH/silence"
}

# ---- Which node ----

is_loopback() {
    [[ $1 == localhost || $1 == ::1 || $1 =~ ^127\.[0-9]+\.[0-9]+\.[0-9]+$ ]]
}

# Before any contact. Whatever was mistyped does not become an option or a command.
check_node() {
    local host=${NODE#*@}
    [[ $NODE =~ ^[A-Za-z_][A-Za-z0-9_.-]*@[A-Za-z0-9:][A-Za-z0-9:.-]*$ ]] ||
        unable "ARCHIPELAGO_NODE is USER@HOST, not \`$NODE\`"
    [[ $NODE_PORT =~ ^[0-9]{1,5}$ ]] || unable "ARCHIPELAGO_NODE_PORT is a number, not \`$NODE_PORT\`"
    if [[ -n ${ARCHIPELAGO_NODE_LOOPBACK_ONLY:-} ]] && ! is_loopback "$host"; then
        unable "\`$host\` is not this machine, and ARCHIPELAGO_NODE_LOOPBACK_ONLY allows nothing else"
    fi
    [[ -r $NODE_KEY ]] || unable "there is no key \`$NODE_KEY\`: ARCHIPELAGO_NODE_KEY names the private key for $NODE"
}

# ---- Commands that end with this script ----

CHILDREN=()
# What commands read: nothing, unless somebody says otherwise for one.
INPUT=/dev/null

# start COMMAND…: a program that takes its time, in the background; its process is the last one of CHILDREN. It has a
# process group of its own: Ctrl-C reaches this script alone, which then ends it in order. It ends too when this script is
# killed.
start() {
    set -m
    # 3 is where a script keeps its standard output.
    setpriv --pdeathsig TERM -- "$@" <>"$INPUT" 3>&- &
    CHILDREN+=($!)
    set +m
}

# await PROCESS: one of CHILDREN; its exit code. A number of a process that has ended may be another one's later.
await() {
    local code=0 child others=()
    wait "$1" || code=$?
    for child in "${CHILDREN[@]}"; do
        [[ $child -eq $1 ]] || others+=("$child")
    done
    CHILDREN=("${others[@]}")
    return "$code"
}

# run COMMAND…: starts it and waits for it.
run() {
    start "$@"
    await "${CHILDREN[-1]}"
}

# How long programs may take to end in order: tests clean up on the node, see the profile `node` in .config/nextest.toml.
END_WITHIN_S=75

# What a trap calls uses no `wait`: bash 5.2 may stay in it for a process that has just ended, until another one ends.
end_children() {
    local child deadline=$((SECONDS + END_WITHIN_S))
    for child in "${CHILDREN[@]}"; do
        kill -TERM -- "-$child" 2>/dev/null || true
    done
    for child in "${CHILDREN[@]}"; do
        while kill -0 -- "-$child" 2>/dev/null && [[ $SECONDS -lt $deadline ]]; do
            sleep 0.1
        done
        kill -KILL -- "-$child" 2>/dev/null || true
    done
    CHILDREN=()
}

# ---- One connection ----

SSH=()

connect() {
    local host=${NODE#*@}
    if [[ ${#SSH[@]} -gt 0 ]] && "${SSH[@]}" -O check "$NODE" 2>/dev/null; then
        return
    fi
    SSH=(
        # Nothing of somebody's own configuration, which could lead elsewhere.
        ssh -F none -p "$NODE_PORT" -i "$NODE_KEY" -S "$SCRATCH/ssh"
        -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10
        # A node that is new is believed once; one that has changed never.
        -o StrictHostKeyChecking=accept-new
        # A lost connection is seen after so much silence.
        -o ServerAliveInterval=5 -o ServerAliveCountMax=3
        -o LogLevel=ERROR
    )
    if [[ -n ${ARCHIPELAGO_NODE_KNOWN_HOSTS:-} ]]; then
        SSH+=(-o "UserKnownHostsFile=$ARCHIPELAGO_NODE_KNOWN_HOSTS")
    fi
    # rsync wants a program, and gives it a host first.
    printf '#!/bin/sh\nshift\nexec%s "$@"\n' "$(printf ' %q' "${SSH[@]}" "$NODE")" >"$SCRATCH/rsh"

    local said
    # It stays for a while when it is not used: a run that was killed leaves it for no longer. It keeps its streams as long.
    if ! "${SSH[@]}" -o ControlMaster=yes -o ControlPersist="$LEASE_S" "$NODE" true </dev/null >"$SCRATCH/said" 2>&1 3>&-; then
        said=$(<"$SCRATCH/said")
        say "$said"
        case $said in
            *'IDENTIFICATION HAS CHANGED'* | *'Host key verification failed'*)
                unable "the host key of $NODE is not the one that is known. If the node was set up anew, forget the old one:
  ssh-keygen -R '[$host]:$NODE_PORT' -f ${ARCHIPELAGO_NODE_KNOWN_HOSTS:-~/.ssh/known_hosts}"
                ;;
            *'Permission denied'* | *'Too many authentication failures'*)
                unable "$NODE does not accept the key \`$NODE_KEY\`: its public half belongs into ~/.ssh/authorized_keys there"
                ;;
            *) unable "$NODE cannot be reached on port $NODE_PORT: is it on, and in this network?" ;;
        esac
    fi
}

disconnect() {
    if [[ ${#SSH[@]} -gt 0 ]]; then
        "${SSH[@]}" -O exit "$NODE" 2>/dev/null || true
    fi
}

# Out of reach of Ctrl-C: it waits until the node has answered. Otherwise what was asked for could come to the node after what
# undoes it.
UNBROKEN=(setsid --wait)

# on_node COMMAND…: as the user there. For what takes a moment; the rest is for `run`.
on_node() {
    "${UNBROKEN[@]}" "${SSH[@]}" "$NODE" "$(printf '%q ' "$@")"
}

# insist COMMAND…: again where its answer was lost with the connection, over another one. For what may be done twice.
insist() {
    local code=0
    "$@" || code=$?
    if [[ $code -eq 255 ]]; then
        code=0
        "$@" || code=$?
    fi
    return "$code"
}

# complain_if_lost DURING: a failure of the connection is none of the node or the tests. A node that was started anew lets us in
# again: it is this connection that must be there.
complain_if_lost() {
    if ! "${SSH[@]}" -O check "$NODE" 2>/dev/null || ! (on_node true) </dev/null 2>/dev/null; then
        unable "the connection to $NODE was lost during: $1"
    fi
}

# ---- Its lock ----

RUN=
RENEWER=
# Whether the lock is ours to give back.
HAS_LOCK=

holder() {
    printf '%s@%s' "$(id --user --name)" "$(uname -n)" | tr -c 'A-Za-z0-9@._:+-' _
}

lock() {
    on_node sudo -n sh -s -- "$@" <scripts/node/lock.sh
}

# has_ended WHO: a run of this user on this machine that could not give the node back, and does not renew its lease any more.
has_ended() {
    local pid
    pid=$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' <<<"$1")
    [[ $1 == *"\"holder\":\"$(holder)\""* && -n $pid && ! -e /proc/$pid ]]
}

new_run() {
    printf '%(%Y%m%d-%H%M%S)T-%s' -1 "$(od -An -N3 -tx1 /dev/urandom | tr -d ' ')"
}

# Takes the node. Whoever has ARCHIPELAGO_NODE_RUN set is within a run that has it.
take_node() {
    local said
    said=$(on_node sudo -n true 2>&1 </dev/null) || {
        complain_if_lost 'the first look'
        say "$said"
        unable "the user of $NODE may not use sudo without a password; as root there:
  echo '${NODE%%@*} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/${NODE%%@*}"
    }
    if [[ -n ${ARCHIPELAGO_NODE_RUN:-} ]]; then
        RUN=$ARCHIPELAGO_NODE_RUN
    else
        RUN=$(new_run)
        local code who wait_s began=$SECONDS
        # From here on: what was taken and not heard of is given back too.
        HAS_LOCK=1
        while true; do
            code=0
            who=$(lock take "$RUN" "$(holder)" "$LEASE_S" $$) || code=$?
            [[ $code -eq $LOCK_BUSY ]] || break
            wait_s=$LOCK_WAIT_S
            if has_ended "$who" && [[ $wait_s -lt $LEASE_S ]]; then
                wait_s=$((LEASE_S + 5))
            fi
            [[ $((SECONDS - began)) -lt $wait_s ]] || break
            say "somebody else has the node, which is waited for: $who"
            sleep 5
        done
        case $code in
            0) ;;
            "$LOCK_BUSY")
                HAS_LOCK=
                unable "somebody else has the node: $who"
                ;;
            *)
                complain_if_lost 'taking the lock'
                unable "the node's lock could not be taken (exit code $code)"
                ;;
        esac
        set -m
        renew_node </dev/null >/dev/null 2>&1 3>&- &
        RENEWER=$!
        # Its end is ours to bring about, and bash has no need to tell it.
        disown "$RENEWER"
        set +m
    fi
    copy_scripts || {
        complain_if_lost 'copying the scripts'
        unable "the scripts could not be copied to $NODE_SCRIPTS on the node"
    }
}

copy_scripts() {
    # shellcheck disable=SC2016 # They are the node's.
    tar --create --directory=scripts/node --no-recursion lock.sh deploy.sh |
        on_node sudo -n sh -c 'mkdir -p "$1" && tar --extract --directory="$1" --no-same-owner' sh "$NODE_SCRIPTS"
}

# A node that was started anew has forgotten us.
take_node_again() {
    [[ -n $HAS_LOCK ]] && lock take "$RUN" "$(holder)" "$LEASE_S" $$ >/dev/null && copy_scripts
}

# In the background: the lease goes on as long as this script does. Where it is lost, the script is told.
renew_node() {
    set +m
    trap - EXIT INT TERM HUP USR1
    # It goes with this process's group.
    UNBROKEN=()
    local heard=$SECONDS code
    while sleep "$RENEW_EVERY_S" && kill -0 $$ 2>/dev/null; do
        code=0
        lock renew "$RUN" "$(holder)" "$LEASE_S" $$ >/dev/null 2>&1 || code=$?
        if [[ $code -eq 0 ]]; then
            heard=$SECONDS
        elif [[ $code -ne 255 || $((SECONDS - heard)) -ge $LEASE_S ]]; then
            kill -USR1 $$
            return
        fi
    done
}

stop_renewing() {
    [[ -n $RENEWER ]] || return 0
    # Its `sleep` and `ssh` too; there is nothing for it to put right.
    kill -KILL -- "-$RENEWER" 2>/dev/null || true
    RENEWER=
}

give_node_back() {
    stop_renewing
    # What brings an unproven binary back needs the scripts there, and begins when the lease is over.
    if [[ -n $HAS_LOCK && -z ${UNPROVEN:-} ]]; then
        insist on_node sudo -n rm -rf "$NODE_SCRIPTS" </dev/null || true
        insist lock release "$RUN" >/dev/null || say "the node's lock is not given back; it expires in $LEASE_S s"
        HAS_LOCK=
    fi
}
