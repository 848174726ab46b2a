#!/bin/sh
# A hook for Claude Code: hands the event on stdin to claude-sandbox on the host, and prints what is
# answered there, if anything. It never fails, says nothing of its own, and takes
# CLAUDE_HOOKS_TIMEOUT seconds (5) at most: without a host Claude goes on as if there were no hook.
#
# With the argument PermissionRequest it waits for a person on the host, where there is one in front of
# Claude, too: that one sees Claude's own question meanwhile, and whoever is first decides.
#
# In VMs of claude-sandbox it is installed and registered already. To do so elsewhere, as for each
# event that you want:
#     "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "/path/to/hook.sh"}]}]}

# Nobody there: read it all the same, for Claude is writing.
leave() {
    exec cat >/dev/null
}

# The place where anybody may have put something: one look says that it is no link and whose it is.
if [ -z "$CLAUDE_HOOKS_SOCKET" ]; then
    uid=$(id -u)
    dir=/dev/shm/claude-sandbox-$uid
    [ -n "$(find "$dir" -prune -type d -user "$uid" 2>/dev/null)" ] || leave
    CLAUDE_HOOKS_SOCKET=$dir/hooks.sock
fi
[ -S "$CLAUDE_HOOKS_SOCKET" ] || leave
command -v curl >/dev/null || leave

limit=5
file=
if [ "$1" = PermissionRequest ] && [ "$CLAUDE_CODE_SESSION_ATTENDED" = 1 ]; then
    limit=595
    file=$(mktemp 2>/dev/null) || limit=5
fi

# -q: no ~/.curlrc. Without "Expect:" curl waits a second before it sends more than 1 MB.
ask() {
    exec curl -q -s -f --noproxy '*' --max-time "${CLAUDE_HOOKS_TIMEOUT:-$limit}" \
        --unix-socket "$CLAUDE_HOOKS_SOCKET" -H 'Content-Type: application/json' -H 'Expect:' \
        --data-binary @- http://localhost/hook 2>/dev/null
}

give_up() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
    rm -f "$file"
    exit 0
}

if [ -n "$file" ]; then
    # Claude ends this when its user has decided. Then nobody is to be asked on the host, either.
    pid=
    trap give_up HUP INT TERM
    exec 3<&0
    ask <&3 >"$file" &
    pid=$!
    wait "$pid" || give_up
    answer=$(cat "$file")
    rm -f "$file"
else
    answer=$(ask) || exit 0
fi

# Plain text would become part of what the model is told.
case $answer in
'{}') ;;
'{'*'}') printf '%s\n' "$answer" ;;
esac
exit 0
