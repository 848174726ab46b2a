/* SPDX-License-Identifier: MIT */
#include "guest/git_identity.h"

#include <string.h>

#include "core/process.h"
#include "guest/script.h"

#define VALUE_MAX 256

/* The value in the user's own configuration, not in that of whatever directory we are in. */
static void add_setting(struct csb__env *env, const char *key, struct csb__strbuf *script) {
    const char *const argv[] = {"git", "config", "--global", "--get", key, NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT result = {0};
    CSB__AUTOFREE char *value = NULL;

    run.argv = argv;
    run.stderr_fd = CSB__FD_NULL;
    run.timeout_ms = 5000;
    if (csb__run(env, &run, &result, NULL) != 0 || result.status != 0) {
        return;
    }
    value = strndup(csb__strbuf_text(&result.out), strcspn(csb__strbuf_text(&result.out), "\n"));
    if (!value || !*value || strlen(value) > VALUE_MAX) {
        return;
    }
    csb__strbuf_printf(script, "    git config --global %s ", key);
    csb__shell_quote(script, value);
    csb__strbuf_puts(script, "\n");
}

void csb__git_identity(struct csb__env *env, struct csb__strbuf *script) {
    csb__strbuf_puts(script, "if ! [ -e \"$HOME/.gitconfig\" ]; then\n    :\n");
    add_setting(env, "user.name", script);
    add_setting(env, "user.email", script);
    csb__strbuf_puts(script, "fi\n");
}
