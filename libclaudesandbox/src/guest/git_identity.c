/* SPDX-License-Identifier: MIT */
#include "guest/git_identity.h"

#include <string.h>

#include "core/process.h"
#include "guest/script.h"

#define VALUE_MAX 256

/* The value in the user's own configuration, not in that of whatever directory we are in. A host
 * without one, or without git, is none of a guest's trouble; a cancel is the caller's. */
static int add_setting(struct csb__env *env, const char *key, struct csb__strbuf *script,
                       csb_error **err) {
    const char *const argv[] = {"git", "config", "--global", "--get", key, NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT result = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOFREE char *value = NULL;
    int rc;

    run.argv = argv;
    run.stderr_fd = CSB__FD_NULL;
    run.timeout_ms = 5000;
    rc = csb__run(env, &run, &result, &e);
    if (rc == CSB_ECANCELED) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    if (rc != 0 || result.status != 0) {
        return 0;
    }
    value = strndup(csb__strbuf_text(&result.out), strcspn(csb__strbuf_text(&result.out), "\n"));
    if (!value || !*value || strlen(value) > VALUE_MAX) {
        return 0;
    }
    csb__strbuf_printf(script, "    git config --global %s ", key);
    csb__shell_quote(script, value);
    csb__strbuf_puts(script, "\n");
    return 0;
}

int csb__git_identity(struct csb__env *env, struct csb__strbuf *script, csb_error **err) {
    int rc;

    csb__strbuf_puts(script, "if ! [ -e \"$HOME/.gitconfig\" ]; then\n    :\n");
    rc = add_setting(env, "user.name", script, err);
    if (rc == 0) {
        rc = add_setting(env, "user.email", script, err);
    }
    csb__strbuf_puts(script, "fi\n");
    return rc;
}
