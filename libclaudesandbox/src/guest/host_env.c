/* SPDX-License-Identifier: MIT */
#include "guest/host_env.h"

#include <stdlib.h>
#include <string.h>

static const char *const session[] = {"COLORTERM", "LANG", "NO_COLOR", "TZ", NULL};

static const char *const claude[] = {
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    NULL,
};

const char *csb__env_value(const char *const *env, const char *name) {
    size_t n = strlen(name);

    for (; env && *env; env++) {
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=') {
            return *env + n + 1;
        }
    }
    return NULL;
}

static void add(struct csb__strv *out, const char *const *given, const char *name,
                const char *value) {
    if (value && !csb__env_value(given, name)) {
        csb__strv_addf(out, "%s=%s", name, value);
    }
}

void csb__host_env_session(struct csb__strv *out, const char *const *given) {
    /* The host's .venv is of another system: uv would rebuild it in place. */
    add(out, given, "UV_PROJECT_ENVIRONMENT", ".venv-agent");
    for (int i = 0; session[i]; i++) {
        add(out, given, session[i], getenv(session[i]));
    }
}

void csb__host_env_claude(struct csb__strv *out, const char *const *given) {
    /* The machine is the sandbox: Claude need not ask whether its project is trusted. */
    add(out, given, "CLAUDE_CODE_SANDBOXED", "1");
    for (int i = 0; claude[i]; i++) {
        add(out, given, claude[i], getenv(claude[i]));
    }
}
