/* SPDX-License-Identifier: MIT */
#include "guest/script.h"

#include <signal.h>
#include <string.h>

void csb__shell_quote(struct csb__strbuf *out, const char *text) {
    csb__strbuf_puts(out, "'");
    for (const char *end; *text; text = end) {
        end = text + strcspn(text, "'");
        csb__strbuf_add(out, text, (size_t)(end - text));
        if (*end == '\'') {
            csb__strbuf_puts(out, "'\\''");
            end++;
        }
    }
    csb__strbuf_puts(out, "'");
}

static size_t name_length(const char *entry) {
    return strspn(entry, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
}

bool csb__env_entry_valid(const char *entry) {
    size_t n = name_length(entry);

    return n > 0 && entry[n] == '=' && !(entry[0] >= '0' && entry[0] <= '9');
}

static void export_all(struct csb__strbuf *out, const char *const *env, const char *end) {
    for (; env && *env; env++) {
        size_t n = name_length(*env);

        csb__strbuf_puts(out, "export ");
        csb__strbuf_add(out, *env, n + 1);
        csb__shell_quote(out, *env + n + 1);
        csb__strbuf_puts(out, end);
    }
}

void csb__stash_text(struct csb__strbuf *out, const char *const *env) {
    export_all(out, env, "\n");
}

/*
 * T is the token's file, made by who comes first: by the program, with its group in it, or by the
 * keeper, with "end", and then the program does not begin. The program leaves "0" in it when it has
 * ended, and the keeper removes it; what is left of one that had no time to, the next one does. None
 * of the program's part starts a process, which takes 30 ms where guests are emulated.
 *
 * No "--" for kill: dash takes it for a number.
 */
static const char keeper[] =
    "group() {\n"
    "    n=0\n"
    "    until read -r p <\"$f\" && [ \"$p\" ]; do\n"
    "        [ $n -lt 100 ] || return 1\n"
    "        n=$((n + 1)); sleep 0.1\n"
    "    done\n"
    "    [ \"$p\" != 0 ]\n"
    "}\n"
    "finish() {\n"
    "    for s; do\n"
    "        kill -\"$s\" \"-$p\" || break\n"
    "        kill -CONT \"-$p\"\n"
    "        for i in .02 .03 .05 .1 .1 .1 .1 .1 .1 .1 .1 .1 .1 .1 .1 .1 .1 .1 .1 .1 .1 .1; do\n"
    "            kill -0 \"-$p\" || break 2\n"
    "            sleep $i\n"
    "        done\n"
    "    done\n"
    "}\n"
    "quit() {\n"
    "    set -C\n"
    "    if echo end >\"$f\"; then rm -f \"$e\"; exit 0; fi\n"
    "    set +C\n"
    "    if group; then finish \"$@\"; fi\n"
    "    rm -f \"$f\" \"$e\"\n"
    "    exit 0\n"
    "}\n"
    "exec 2>/dev/null\n"
    "for x in " CSB__TOKEN_FILE "????????????????; do\n"
    "    [ \"$x\" != \"$f\" ] && read -r p <\"$x\" && [ \"$p\" = 0 ] && rm -f \"$x\"\n"
    "done\n"
    "while read -r s; do\n"
    "    case $s in\n"
    "    end) quit TERM KILL ;;\n"
    "    *) group && kill -\"$s\" \"-$p\" ;;\n"
    "    esac\n"
    "done\n"
    "quit HUP TERM KILL";

void csb__keeper_script(struct csb__strbuf *out, const char *token, size_t stash_len) {
    CSB__AUTOSTRBUF inner = CSB__STRBUF_INIT;

    /* Who is to hear the token may be gone already: that is what a keeper is for. */
    csb__strbuf_printf(&inner,
                       "trap '' PIPE; umask 077; f=" CSB__TOKEN_FILE "%s; e=" CSB__STASH "%s\n",
                       token, token);
    if (stash_len > 0) {
        csb__strbuf_printf(&inner, "head -c %zu >\"$e\" || { rm -f \"$e\"; exit 1; }\n", stash_len);
    }
    csb__strbuf_printf(&inner, "echo %s\n", token);
    csb__strbuf_puts(&inner, keeper);
    csb__strbuf_puts(out, "exec /bin/sh -c ");
    csb__shell_quote(out, csb__strbuf_text(&inner));
    out->failed |= inner.failed;
}

static void quote_all(struct csb__strbuf *out, const char *const *argv) {
    for (; *argv; argv++) {
        csb__shell_quote(out, *argv);
        csb__strbuf_puts(out, " ");
    }
}

static void go_to(struct csb__strbuf *out, const char *cwd) {
    csb__strbuf_puts(out, "cd -- ");
    csb__shell_quote(out, cwd);
    csb__strbuf_puts(out, " || exit 126; ");
}

/* The part that does the work, run by sh or by a login shell. */
static void inner_script(struct csb__strbuf *out, const struct csb__command *c) {
    export_all(out, c->env, "; ");
    if (c->stashed) {
        csb__strbuf_printf(out,
                           "[ -r " CSB__STASH "%s ] || exit 126; . " CSB__STASH
                           "%s; rm -f " CSB__STASH "%s; ",
                           c->token, c->token, c->token);
    }
    if (c->cwd) {
        go_to(out, c->cwd);
    }
    if (!c->argv) {
        csb__strbuf_puts(out, "exec \"${SHELL:-/bin/sh}\" -l");
        return;
    }
    /* Signals are the program's, be they from a terminal or from its keeper: the shell stays, to
     * tell how that ended. */
    csb__strbuf_puts(out, "trap : HUP INT QUIT ABRT USR1 USR2 PIPE ALRM TERM; ");
    quote_all(out, c->argv);
    /* Not exec: sshd reports a program that a signal ended in a way ssh turns into 255, a shell
     * as 128 + signal. */
    csb__strbuf_puts(out, "; csb_status=$?; ");
    if (c->token) {
        csb__strbuf_printf(out, "echo 0 >" CSB__TOKEN_FILE "%s; ", c->token);
    }
    csb__strbuf_puts(out, "exit $csb_status");
}

/* In front of it all, so that whatever a profile does has a keeper too. */
static void begin_script(struct csb__strbuf *out, const char *token) {
    csb__strbuf_printf(out,
                       "set -C; { echo $$ >" CSB__TOKEN_FILE "%s; } 2>/dev/null || "
                       "{ rm -f " CSB__TOKEN_FILE "%s; exit 126; }; set +C; ",
                       token, token);
}

/*
 * Runs what was set as the arguments of a login shell. Signals are the program's, so the shell has to
 * go or to stay out of their way. Where it is bash, which can tell without a process whether a name is
 * a program, it goes; else, and for a function or a builtin, it stays. Some programs are builtins, too,
 * and so cost no process.
 */
static const char run_arguments[] =
    "; case $1 in true|false|echo|printf|test|pwd) ;; *) "
    "if [ \"${BASH_VERSION:-}\" ] && ! declare -F -- \"$1\" >/dev/null && "
    "type -P -- \"$1\" >/dev/null; then exec -- \"$@\"; fi ;; esac; "
    "trap : HUP INT QUIT ABRT USR1 USR2 PIPE ALRM TERM; \"$@\"";

/* With the keeper in the session itself. It says how a signal ended the program, so no shell has to. */
static void kept_script(struct csb__strbuf *out, const struct csb__command *c) {
    CSB__AUTOSTRBUF inner = CSB__STRBUF_INIT;

    csb__strbuf_puts(out, "exec ");
    csb__shell_quote(out, c->keeper);
    csb__strbuf_puts(out, c->tty ? " keeper terminal " : " keeper host ");
    if (!c->login) {
        csb__shell_quote(out, c->cwd ? c->cwd : "");
        csb__strbuf_puts(out, " ");
        quote_all(out, c->argv);
        return;
    }
    export_all(&inner, c->env, "; ");
    if (c->cwd) {
        go_to(&inner, c->cwd);
    }
    csb__strbuf_puts(&inner, "set -- ");
    quote_all(&inner, c->argv);
    csb__strbuf_puts(&inner, run_arguments);
    csb__strbuf_puts(out, "'' \"${SHELL:-/bin/sh}\" -lc ");
    csb__shell_quote(out, csb__strbuf_text(&inner));
    out->failed |= inner.failed;
}

void csb__command_script(struct csb__strbuf *out, const struct csb__command *c) {
    CSB__AUTOSTRBUF inner = CSB__STRBUF_INIT;
    bool login = c->login && c->argv;

    if (c->keeper) {
        kept_script(out, c);
        return;
    }
    if (c->token) {
        begin_script(login ? out : &inner, c->token);
    }
    inner_script(&inner, c);
    csb__strbuf_puts(out, login ? "exec \"${SHELL:-/bin/sh}\" -lc " : "exec /bin/sh -c ");
    csb__shell_quote(out, csb__strbuf_text(&inner));
    out->failed |= inner.failed;
}

const char *csb__signal_name(int signo) {
    static const struct {
        int signo;
        const char *name;
    } signals[] = {
        {SIGHUP, "HUP"},   {SIGINT, "INT"},   {SIGQUIT, "QUIT"}, {SIGABRT, "ABRT"},
        {SIGKILL, "KILL"}, {SIGUSR1, "USR1"}, {SIGUSR2, "USR2"}, {SIGPIPE, "PIPE"},
        {SIGALRM, "ALRM"}, {SIGTERM, "TERM"}, {SIGCONT, "CONT"}, {SIGSTOP, "STOP"},
        {SIGTSTP, "TSTP"}, {SIGTTIN, "TTIN"}, {SIGTTOU, "TTOU"}, {SIGWINCH, "WINCH"},
    };

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (signals[i].signo == signo) {
            return signals[i].name;
        }
    }
    return NULL;
}
