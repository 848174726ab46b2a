# bash completion for claude-sandbox(1)                                    -*- shell-script -*-
# shellcheck shell=bash
# Commands and options come from the program itself, so that nothing here can be out of date.

# What an option takes of the word behind it, as in the help: DIR, FILE, VM, ...; nothing for a flag.
# Of letters that share a dash the last one may; what is behind one that takes a value is that value.
_claude_sandbox_value() {
    local letter name value

    while [[ $1 == -[!-]?* ]]; do
        [[ -z $(_claude_sandbox_value "${1:0:2}" "$2") ]] || return 0
        set -- "-${1:2}" "$2"
    done
    while IFS=$'\t' read -r letter name value _; do
        if [[ $1 == "$letter" || $1 == "$name" ]]; then
            [[ $value == - ]] || printf '%s\n' "$value"
            return
        fi
    done <<< "$2"
}

# The names of those that a command takes; of all where none was given yet.
_claude_sandbox_names() {
    local letter name value commands

    while IFS=$'\t' read -r letter name value _ commands; do
        [[ -n $1 && $commands != - && $commands != *" $1 "* ]] || printf '%s\n' "$name"
    done <<< "$2"
}

# COMPREPLY from lines of words. Not mapfile: macOS has bash 3.2.
_claude_sandbox_reply() {
    local IFS=$'\n'

    # shellcheck disable=SC2207
    COMPREPLY=($(compgen "$@"))
}

_claude_sandbox_complete_value() {
    case $2 in
        DIR) compopt -o filenames 2> /dev/null; _claude_sandbox_reply -d -- "$3" ;;
        FILE) compopt -o filenames 2> /dev/null; _claude_sandbox_reply -f -- "$3" ;;
        VM) _claude_sandbox_reply -W "$("$1" __complete vms 2> /dev/null)" -- "$3" ;;
        NAME) _claude_sandbox_reply -W $'lima\nqemu' -- "$3" ;;
        MODE) _claude_sandbox_reply -W $'rw\nro' -- "$3" ;;
        WHAT) _claude_sandbox_reply -W $'idle\ninput\nexit' -- "$3" ;;
    esac
}

_claude_sandbox() {
    local program=$1 cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local options value word command='' i

    COMPREPLY=()
    options=$("$program" __complete options 2> /dev/null)
    # "--dir=x" comes as three words.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == -- ]]; then
            # What is behind it is not ours.
            compopt -o filenames 2> /dev/null
            _claude_sandbox_reply -f -- "$cur"
            return
        elif [[ $word == -* ]]; then
            if [[ -n $(_claude_sandbox_value "$word" "$options") ]]; then
                [[ ${COMP_WORDS[i + 1]} != = ]] || ((i++))
                ((i++))
            fi
        elif [[ -z $command ]]; then
            command=$word
        fi
    done
    value=$(_claude_sandbox_value "$prev" "$options")
    if [[ $prev == -* && -n $value ]]; then
        _claude_sandbox_complete_value "$program" "$value" "$cur"
    elif [[ $cur == -* ]]; then
        _claude_sandbox_reply -W "$(_claude_sandbox_names "$command" "$options")" -- "$cur"
    elif [[ -z $command ]]; then
        _claude_sandbox_reply -W "$("$program" __complete commands 2> /dev/null | cut -f 1)" -- "$cur"
    else
        case $command in
            stop | fork | delete | prune | rebuild-tools-vm | wait) _claude_sandbox_complete_value "$program" VM "$cur" ;;
        esac
    fi
}

complete -F _claude_sandbox claude-sandbox
