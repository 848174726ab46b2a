/* SPDX-License-Identifier: MIT */
#include "context.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <claudesandbox/version.h>

#include "core/options.h"
#include "core/path.h"

static int check_user(csb_error **err) {
    if (geteuid() != 0) {
        return 0;
    }
    csb__fail(err, CSB_ENOTSUP, "claude-sandbox doesn't run as root, and neither do VM engines");
    csb__error_set_hint(err, "run it as an ordinary user; ./bootstrap run makes one for you");
    return CSB_ENOTSUP;
}

/* The first of them that is set and not empty. */
static const char *first_of(const char *a, const char *b) {
    return a && *a ? a : b && *b ? b : NULL;
}

static int find_state_dir(const char *option, char **ret, csb_error **err) {
    const char *given = first_of(option, getenv("CLAUDE_SANDBOX_HOME"));
    CSB__AUTOFREE char *home = csb__home_dir();

    if (given) {
        if (*given != '/') {
            return csb__fail(err, CSB_EINVAL, "the state directory %s is not an absolute path",
                             given);
        }
        *ret = csb__path_absolute(given);
    } else if (home) {
        *ret = csb__path_join(home, ".claude-sandbox");
    } else {
        return csb__fail(err, CSB_ESYSTEM, "there is no home directory; set HOME");
    }
    return *ret ? 0 : csb__fail_nomem(err);
}

/* Through links, as far as it exists: the real path is what mounts are compared with. */
static int make_real(char **path, csb_error **err) {
    CSB__AUTOFREE char *head = strdup(*path);
    CSB__AUTOFREE char *real = NULL;
    char *full = NULL;
    char *end = head ? head + strlen(head) : NULL;

    while (end && !(real = realpath(*head ? head : "/", NULL)) && errno == ENOENT && end > head) {
        end = strrchr(head, '/');
        *end = '\0';
    }
    if (end && !real) {
        return csb__fail_errno(err, errno, "can't use %s", *path);
    }
    if (!end ||
        asprintf(&full, "%s%s", strcmp(real, "/") == 0 ? "" : real, *path + (end - head)) < 0) {
        return csb__fail_nomem(err);
    }
    free(*path);
    *path = full;
    return 0;
}

static int copy_string(char **dst, const char *src, csb_error **err) {
    if (src) {
        *dst = strdup(src);
        return *dst ? 0 : csb__fail_nomem(err);
    }
    return 0;
}

static bool is_set_to(const char *name, const char *value) {
    const char *set = getenv(name);

    return set && strcmp(set, value) == 0;
}

static int fill(csb_ctx *ctx, const csb_ctx_options *o, csb_error **err) {
    struct csb__env *env = &ctx->env;
    const char *engine = first_of(o->engine, getenv("CLAUDE_SANDBOX_ENGINE"));
    const char *guest = first_of(o->guest_dir, getenv("CLAUDE_SANDBOX_GUEST_DIR"));
    int rc = find_state_dir(o->state_dir, &env->state_dir, err);

    if (rc == 0) {
        rc = make_real(&env->state_dir, err);
    }
    if (rc == 0) {
        rc = csb__place_check(env->state_dir, "CLAUDE_SANDBOX_HOME", err);
    }
    if (rc == 0 && engine && !csb__engine_by_name(engine)) {
        rc = csb__fail(err, CSB_EINVAL, "there is no engine \"%s\", only lima and qemu", engine);
    }
    if (rc == 0) {
        rc = copy_string(&ctx->wanted_engine, engine, err);
    }
    if (rc == 0) {
        rc = copy_string(&env->limactl, o->limactl, err);
    }
    if (rc == 0) {
        rc = copy_string(&env->guest_dir, first_of(guest, CSB__GUEST_DIR), err);
    }
    if (rc == 0) {
        ctx->template_path = csb__path_join(env->guest_dir, "tools-vm.yaml");
        rc = ctx->template_path ? 0 : csb__fail_nomem(err);
    }
    env->always_boot = is_set_to("CLAUDE_SANDBOX_WARM", "0");
    env->plain_shares = is_set_to("CLAUDE_SANDBOX_SHARES", "9p");
    env->timeout_ms = o->timeout_ms;
    env->log = o->log;
    env->log_userdata = o->log_userdata;
    env->progress = o->progress;
    env->progress_userdata = o->progress_userdata;
    return rc;
}

int csb_ctx_new(const csb_ctx_options *opts, csb_ctx **ret, csb_error **err) {
    csb_ctx_options o = CSB_CTX_OPTIONS_INIT;
    csb_ctx *ctx;
    int rc = csb__options_load(&o, sizeof(o), opts, err);

    if (rc == 0) {
        rc = check_user(err);
    }
    if (rc != 0) {
        return rc;
    }
    ctx = calloc(1, sizeof(*ctx));
    if (!ctx) {
        return csb__fail_nomem(err);
    }
    rc = csb__env_init(&ctx->env, err);
    if (rc == 0) {
        rc = fill(ctx, &o, err);
    }
    if (rc != 0) {
        csb_ctx_free(ctx);
        return rc;
    }
    *ret = ctx;
    return 0;
}

void csb_ctx_free(csb_ctx *ctx) {
    if (ctx) {
        csb__env_finish(&ctx->env);
        free(ctx->wanted_engine);
        free(ctx->engine_why);
        free(ctx->template_path);
        free(ctx);
    }
}

int csb_ctx_cancel(csb_ctx *ctx) {
    csb__env_cancel(&ctx->env);
    return 0;
}

const char *csb_ctx_state_dir(const csb_ctx *ctx) {
    return ctx->env.state_dir;
}

const char *csb_ctx_template(const csb_ctx *ctx) {
    return ctx->template_path;
}

int csb__ctx_engine(csb_ctx *ctx, const struct csb__engine **ret, csb_error **err) {
    if (!ctx->engine) {
        int rc = csb__engine_choose(&ctx->env, ctx->wanted_engine, &ctx->engine, &ctx->engine_why,
                                    err);

        if (rc != 0) {
            return rc;
        }
    }
    *ret = ctx->engine;
    return 0;
}

int csb_ctx_engine(csb_ctx *ctx, const char **ret, const char **why, csb_error **err) {
    const struct csb__engine *engine;
    int rc;

    csb__env_begin(&ctx->env, 30000);
    rc = csb__ctx_engine(ctx, &engine, err);
    if (rc == 0) {
        *ret = engine->name;
        if (why) {
            *why = ctx->engine_why;
        }
    }
    return rc;
}

const char *csb_version(void) {
    return CSB_VERSION_STRING;
}
