/* SPDX-License-Identifier: MIT */
#include "guest/git_identity.h"

#include <stdio.h>
#include <string.h>

#include "core/process.h"
#include "guest/script.h"

#define VALUE_MAX 256

/* A value as git-config(1), "Syntax", has it. */
static void add_value(struct csb__strbuf *out, const char *name, const char *value) {
    csb__strbuf_printf(out, "\t%s = \"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') {
            csb__strbuf_puts(out, "\\");
        }
        csb__strbuf_puts(out, *value == '\t' ? "\\" : "");
        csb__strbuf_add(out, *value == '\t' ? "t" : value, 1);
    }
    csb__strbuf_puts(out, "\"\n");
}

/* The value in the user's own configuration, not in that of whatever directory we are in. A host
 * without one, or without git, is none of a guest's trouble; a cancel is the caller's. */
static int add_setting(struct csb__env *env, const char *name, struct csb__strbuf *config,
                       csb_error **err) {
    char key[32];
    const char *const argv[] = {"git", "config", "--global", "--get", key, NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT result = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOFREE char *value = NULL;
    int rc;

    snprintf(key, sizeof(key), "user.%s", name);
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
    add_value(config, name, value);
    return 0;
}

int csb__git_identity(struct csb__env *env, struct csb__strbuf *script, csb_error **err) {
    CSB__AUTOSTRBUF config = CSB__STRBUF_INIT;
    int rc = add_setting(env, "name", &config, err);

    if (rc == 0) {
        rc = add_setting(env, "email", &config, err);
    }
    if (rc == 0 && config.len > 0) {
        csb__strbuf_puts(script, "[ -e \"$HOME/.gitconfig\" ] || printf '[user]\\n%s' ");
        csb__shell_quote(script, csb__strbuf_text(&config));
        csb__strbuf_puts(script, " >\"$HOME/.gitconfig\"\n");
    }
    return rc == 0 && config.failed ? csb__fail_nomem(err) : rc;
}
