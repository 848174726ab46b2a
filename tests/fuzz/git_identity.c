/* SPDX-License-Identifier: MIT */
/* Whatever git prints, a guest's shell reads it as one word; and so with any other word. */
#include "fuzz.h"
#include "core/process.h"
#include "guest/git_identity.h"
#include "guest/script.h"

static int run(struct csb__env *env, const struct csb__run *r, struct csb__run_result *ret,
               csb_error **err) {
    const char *const *bytes = env->runner_data;

    (void)r;
    (void)err;
    csb__strbuf_puts(&ret->out, *bytes);
    return 0;
}

/* A word as a shell reads it, of quotes and of backslashes outside of them; where it ends. */
static const char *unquote(const char *p, char *out) {
    for (bool quoted = false; *p && (quoted || (*p != '\n' && *p != ' ')); p++) {
        if (*p == '\'') {
            quoted = !quoted;
            continue;
        }
        MUST(quoted || *p == '\\');
        p += !quoted;
        *out++ = *p;
    }
    *out = '\0';
    return p;
}

/* A value as git reads it, between double quotes; where it ends. */
static const char *unescape(const char *p, char *out) {
    MUST(*p++ == '"');
    for (; *p && *p != '"'; p++) {
        bool escaped = *p == '\\';

        MUST(*p != '\n');
        p += escaped;
        *out++ = (char)(escaped && *p == 't' ? '\t' : *p);
    }
    *out = '\0';
    return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct csb__runner runner = {run};
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    CSB__AUTOFREE char *read_back = calloc(1, 8192);
    CSB__AUTOFREE char *value = calloc(1, 8192);
    struct csb__env env = {
        .runner = &runner, .runner_data = &text, .cancel_pipe = {-1, -1}, .deadline = -1};
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF word = CSB__STRBUF_INIT;
    const char *at;

    if (size > 2000) {
        return 0;
    }
    csb__shell_quote(&word, text);
    MUST(*unquote(csb__strbuf_text(&word), read_back) == '\0' && strcmp(read_back, text) == 0);
    MUST(csb__git_identity(&env, &script, NULL) == 0);
    at = strstr(csb__strbuf_text(&script), "%s' ");
    text[strcspn(text, "\n")] = '\0';
    MUST(!at == (!*text || strlen(text) > 256));
    if (at) {
        at = unquote(at + 4, read_back);
        MUST(strncmp(at, " >", 2) == 0 && strncmp(read_back, "\tname = ", 8) == 0);
        MUST(strncmp(unescape(read_back + 8, value), "\"\n\temail = ", 11) == 0);
        MUST(strcmp(value, text) == 0);
    }
    return 0;
}
