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
    for (bool quoted = false; *p && (quoted || *p != '\n'); p++) {
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct csb__runner runner = {run};
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    CSB__AUTOFREE char *read_back = fuzz_text(data, size);
    struct csb__env env = {
        .runner = &runner, .runner_data = &text, .cancel_pipe = {-1, -1}, .deadline = -1};
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF word = CSB__STRBUF_INIT;
    const char *at;

    csb__shell_quote(&word, text);
    MUST(*unquote(csb__strbuf_text(&word), read_back) == '\0' && strcmp(read_back, text) == 0);
    MUST(csb__git_identity(&env, &script, NULL) == 0);
    at = strstr(csb__strbuf_text(&script), "user.name ");
    text[strcspn(text, "\n")] = '\0';
    MUST(!at == (!*text || strlen(text) > 256));
    MUST(!at || *unquote(at + 10, read_back) == '\n');
    MUST(!at || strcmp(read_back, text) == 0);
    return 0;
}
