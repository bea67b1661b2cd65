#!/bin/sh
# Run by sshd in the place of each command that somebody sends: notes the command down, and strikes at the one it is armed for.
# See gate.rs.
gate=/run/stand-in-gate
command=${SSH_ORIGINAL_COMMAND-}
unset SSH_ORIGINAL_COMMAND
[ -n "$command" ] || exec "$SHELL" -l

# The process that serves this connection, with all commands that share it.
session=$PPID
until grep -q '^sshd' "/proc/$session/comm"; do
    session=$(sed -n 's/^PPid:\t//p' "/proc/$session/status")
done

# What is another number or identity in each run is N; parameters of shells stay.
# shellcheck disable=SC2016 # They are the command's.
kind=$(printf '%s' "$command" | tr '\n\t' '  ' |
    sed -e "s/--after-cursor=[^' ]*/--after-cursor=N/g" -e 's/\([^$0-9a-f-]\|^\)[0-9a-f-]*[0-9][0-9a-f-]*/\1N/g')

exec 9>>"$gate/commands"
flock 9
printf '%s\t%s\n' "$session" "$kind" >&9
time=$(cut -f 2- "$gate/commands" | grep -cxF -e "$kind")
{
    read -r strike
    read -r armed_time
    IFS= read -r armed_kind
} <"$gate/armed"
if [ "$kind" = "$armed_kind" ] && [ "$time" -eq "$armed_time" ]; then
    : >"$gate/struck"
else
    strike=none
fi
exec 9>&-

case $strike in
lost-before)
    kill -KILL "$session"
    exit
    ;;
lost-after)
    case $command in
    # It comes to its end by what both sides say.
    'rsync --server'*) "$SHELL" -c "$command" ;;
    *) "$SHELL" -c "$command" >/dev/null 2>&1 ;;
    esac
    kill -KILL "$session"
    exit
    ;;
hold)
    : >"$gate/reached"
    until [ -e "$gate/go" ]; do
        sleep 0.02
    done
    ;;
esac
exec "$SHELL" -c "$command"
