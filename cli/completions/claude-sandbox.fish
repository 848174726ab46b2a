# fish completion for claude-sandbox(1). Commands and options come from the program itself, so that
# nothing here can be out of date; it is asked when fish loads this.

function __claude_sandbox_ask
    command claude-sandbox __complete $argv 2>/dev/null
end

# The command that was given, if there is one; nothing behind "--" is.
function __claude_sandbox_command
    set -l words (commandline -opc)
    set -l is_value 0
    contains -- -- $words; and return 1
    for word in $words[2..-1]
        # Of letters that share a dash the last one may have a value; behind another it is there already.
        while string match -qr -- '^-[^-].' $word
            contains -- (string sub -l 2 -- $word) $__claude_sandbox_valued; and break
            set word -(string sub -s 3 -- $word)
        end
        if test $is_value = 1
            set is_value 0
        else if contains -- $word $__claude_sandbox_valued
            set is_value 1
        else if not string match -q -- '-*' $word
            echo $word
            return 0
        end
    end
    return 0
end

function __claude_sandbox_needs_command
    set -l given (__claude_sandbox_command); or return 1
    test -z "$given"
end

function __claude_sandbox_takes_vms
    contains -- (__claude_sandbox_command) stop fork delete prune rebuild-tools-vm wait
end

function __claude_sandbox_is_ours
    not contains -- -- (commandline -opc)
end

# Whether the command takes an option that is for these; all may come while there is none.
function __claude_sandbox_takes
    set -l given (__claude_sandbox_command); or return 1
    test -z "$given"; or contains -- $given $argv
end

function __claude_sandbox_load
    set -g __claude_sandbox_valued
    for line in (__claude_sandbox_ask options)
        set -l parts (string split \t -- $line) # letter, name, value, help, commands
        set -l when __claude_sandbox_is_ours
        if test $parts[5] != -
            set when "__claude_sandbox_takes $parts[5]"
        end
        set -l spec -c claude-sandbox -n $when -l (string sub -s 3 -- $parts[2]) -d $parts[4]
        if test $parts[1] != -
            set -a spec -s (string sub -s 2 -- $parts[1])
        end
        if test $parts[3] != -
            set -ga __claude_sandbox_valued $parts[1..2]
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
            case WHAT
                complete $spec -x -a 'idle input exit'
            case '*'
                complete $spec -x
        end
    end
end

complete -c claude-sandbox -n __claude_sandbox_is_ours -f
complete -c claude-sandbox -n __claude_sandbox_needs_command -f -a '(__claude_sandbox_ask commands)'
complete -c claude-sandbox -n __claude_sandbox_takes_vms -f -a '(__claude_sandbox_ask vms)'
__claude_sandbox_load
