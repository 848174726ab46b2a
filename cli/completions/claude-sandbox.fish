# fish completion for claude-sandbox(1). Commands and options come from the program itself, so that
# nothing here can be out of date; it is asked when fish loads this.

function __claude_sandbox_ask
    command claude-sandbox __complete $argv 2>/dev/null
end

# True while no command has been given, and the words are not the program's inside.
function __claude_sandbox_needs_command
    set -l words (commandline -opc)
    contains -- -- $words; and return 1
    set -l commands (__claude_sandbox_ask commands | string split -f 1 \t)
    for word in $words[2..-1]
        contains -- $word $commands; and return 1
    end
    return 0
end

function __claude_sandbox_takes_vms
    set -l words (commandline -opc)
    contains -- -- $words; and return 1
    for word in stop delete prune rebuild-tools-vm
        contains -- $word $words; and return 0
    end
    return 1
end

function __claude_sandbox_is_ours
    not contains -- -- (commandline -opc)
end

function __claude_sandbox_load
    for line in (__claude_sandbox_ask options)
        set -l parts (string split \t -- $line) # letter, name, value, help
        set -l spec -c claude-sandbox -n __claude_sandbox_is_ours -l (string sub -s 3 -- $parts[2]) -d $parts[4]
        if test $parts[1] != -
            set -a spec -s (string sub -s 2 -- $parts[1])
        end
        switch $parts[3]
            case -
                complete $spec
            case DIR
                complete $spec -x -a '(__fish_complete_directories (commandline -ct))'
            case FILE
                complete $spec -r -F
            case VM
                complete $spec -x -a '(__claude_sandbox_ask vms)'
            case NAME
                complete $spec -x -a 'lima qemu'
            case MODE
                complete $spec -x -a 'rw ro'
            case '*'
                complete $spec -x
        end
    end
end

complete -c claude-sandbox -n __claude_sandbox_is_ours -f
complete -c claude-sandbox -n __claude_sandbox_needs_command -f -a '(__claude_sandbox_ask commands)'
complete -c claude-sandbox -n __claude_sandbox_takes_vms -f -a '(__claude_sandbox_ask vms)'
__claude_sandbox_load
