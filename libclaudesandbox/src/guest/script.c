/* SPDX-License-Identifier: MIT */
#include "guest/script.h"

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

void csb__stash_script(struct csb__strbuf *out, const char *token) {
    csb__strbuf_printf(out, "umask 077; cat >" CSB__STASH "%s", token);
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
        csb__strbuf_puts(out, "cd -- ");
        csb__shell_quote(out, c->cwd);
        csb__strbuf_puts(out, " || exit 126; ");
    }
    if (!c->argv) {
        csb__strbuf_puts(out, "exec \"${SHELL:-/bin/sh}\" -l");
        return;
    }
    if (c->token) {
        csb__strbuf_printf(out, "(umask 077; echo $$ >/tmp/.csb-%s); ", c->token);
    }
    /* Ctrl-C on a terminal is the program's: the shell stays, to tell how that ended. */
    csb__strbuf_puts(out, "trap : INT; ");
    for (const char *const *a = c->argv; *a; a++) {
        csb__shell_quote(out, *a);
        csb__strbuf_puts(out, " ");
    }
    /* Not exec: sshd reports a program that a signal ended in a way ssh turns into 255, a shell
     * as 128 + signal. */
    csb__strbuf_puts(out, "; csb_status=$?; ");
    if (c->token) {
        csb__strbuf_printf(out, "rm -f /tmp/.csb-%s; ", c->token);
    }
    csb__strbuf_puts(out, "exit $csb_status");
}

void csb__command_script(struct csb__strbuf *out, const struct csb__command *c) {
    CSB__AUTOSTRBUF inner = CSB__STRBUF_INIT;

    inner_script(&inner, c);
    csb__strbuf_puts(out,
                     c->login && c->argv ? "exec \"${SHELL:-/bin/sh}\" -lc " : "exec /bin/sh -c ");
    csb__shell_quote(out, csb__strbuf_text(&inner));
    out->failed |= inner.failed;
}

/* No "--" for kill: dash takes it for a number. */
void csb__kill_script(struct csb__strbuf *out, const char *token) {
    csb__strbuf_printf(out,
                       "rm -f " CSB__STASH
                       "%s; f=/tmp/.csb-%s; read -r p <\"$f\" || exit 0; rm -f \"$f\"; "
                       "kill -TERM \"-$p\" || exit 0; "
                       "for i in 1 2 3 4 5 6 7 8 9 10; do "
                       "kill -0 \"-$p\" || exit 0; sleep 0.2; done; kill -KILL \"-$p\"",
                       token, token);
}
