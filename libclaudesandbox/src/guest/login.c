/* SPDX-License-Identifier: MIT */
#include "guest/login.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/json.h"
#include "core/path.h"
#include "core/posix.h"
#include "guest/ssh.h"

#define LOGIN_MAX ((size_t)256 << 10)

/* Replaced in one step, whatever is there: a link is not followed but replaced, a running Claude
 * reads the old one or the new one. A home that is a share of the host has the host's own. */
static const char write_script[] =
    "for d in \"$HOME\" \"$HOME/.claude\"; do\n"
    "    if mountpoint -q \"$d\"; then cat >/dev/null; exit 0; fi\n"
    "done\n"
    "umask 077; mkdir -p \"$HOME/.claude\" && t=$(mktemp \"$HOME/.claude/.csb-XXXXXX\") && "
    "cat >\"$t\" && mv -f \"$t\" \"$HOME/.claude/.credentials.json\"";

int csb__login_for_guest(const char *text, size_t len, char **ret, int64_t *expires,
                         csb_error **err) {
    CSB__AUTOJSON *json = NULL;
    CSB__AUTOJSON *passed = NULL;
    json_t *oauth;
    int rc = csb__json_parse(text, len, &json, err);

    if (rc != 0) {
        return rc;
    }
    oauth = json_object_get(json, "claudeAiOauth");
    if (!json_is_object(oauth) || !*csb__json_string(oauth, "accessToken", "")) {
        return csb__fail(err, CSB_EPROTOCOL, "no access token in it");
    }
    json_object_del(oauth, "refreshToken");
    *expires = csb__json_int(oauth, "expiresAt", 0);
    /* And nothing else: the logins to MCP servers lie there too, with refresh tokens of their own. */
    passed = json_pack("{s:O}", "claudeAiOauth", oauth);
    *ret = passed ? csb__json_text(passed, JSON_COMPACT) : NULL;
    return *ret ? 0 : csb__fail_nomem(err);
}

/* Where Claude Code keeps it on Linux, and on a Mac whose keychain could not be used. */
int csb__login_read_file(struct csb__strbuf *out, csb_error **err) {
    const char *config = getenv("CLAUDE_CONFIG_DIR");
    CSB__AUTOFREE char *home = csb__home_dir();
    CSB__AUTOFREE char *dir = config && *config ? strdup(config)
                              : home            ? csb__path_join(home, ".claude")
                                                : NULL;
    CSB__AUTOFREE char *path = dir ? csb__path_join(dir, ".credentials.json") : NULL;
    CSB__AUTOFREE char *real = path ? realpath(path, NULL) : NULL;
    int rc;

    if (!home || (path && !real && (errno == ENOENT || errno == ENOTDIR))) {
        return 0;
    }
    if (!real) {
        return path ? csb__fail_errno(err, errno, "can't read %s", path) : csb__fail_nomem(err);
    }
    rc = csb__read_file(real, LOGIN_MAX, out);
    return rc == 0 ? 0 : csb__fail_errno(err, rc, "can't read %s", path);
}

/* The item's name is Claude Code's own. 44 (errSecItemNotFound) is security(1)'s way of saying no. */
int csb__login_read_keychain(struct csb__env *env, struct csb__strbuf *out, csb_error **err) {
    char buf[4096];
    struct passwd pw;
    struct passwd *found = NULL;
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT result = {0};
    const char *argv[] = {
        "security", "find-generic-password", "-s", "Claude Code-credentials", "-a", NULL, "-w",
        NULL};
    int rc;

    if (getpwuid_r(geteuid(), &pw, buf, sizeof(buf), &found) != 0 || !found) {
        return 0;
    }
    argv[5] = found->pw_name;
    run.argv = argv;
    run.stdout_max = LOGIN_MAX;
    run.timeout_ms = 60000; /* the keychain may ask its owner */
    rc = csb__run(env, &run, &result, err);
    if (rc == 0 && result.status != 0 && result.status != 44) {
        rc = csb__fail(err, CSB_EENGINE, "the keychain gives no login: %s",
                       csb__strbuf_last_line(&result.errout));
    }
    if (rc == 0 && result.status == 0) {
        csb__strbuf_puts(out, csb__strbuf_text(&result.out));
    }
    return rc;
}

static int read_login(struct csb__env *env, struct csb__strbuf *out, csb_error **err) {
#ifdef __APPLE__
    int rc = csb__login_read_keychain(env, out, err);

    return rc == 0 && out->len == 0 ? csb__login_read_file(out, err) : rc;
#else
    (void)env;
    return csb__login_read_file(out, err);
#endif
}

static int write_login(struct csb__env *env, const struct csb__door *door, const char *text,
                       csb_error **err) {
    CSB__AUTORESULT result = {0};
    int rc = csb__ssh_run(env, door, write_script, text, &result, err);

    if (rc == 0 && result.status != 0) {
        rc = csb__fail(err, CSB_EENGINE, "the VM does not take the login: %s",
                       csb__strbuf_last_line(&result.errout));
    }
    return rc;
}

/* Only what ends the whole call is an error here. */
static int warn(struct csb__env *env, csb_error *e, csb_error **err) {
    CSB__AUTOERROR csb_error *own = e;
    int code = csb_error_code(own);

    if (code == CSB_ECANCELED || code == CSB_ETIMEOUT || code == CSB_ENOMEM) {
        return csb__error_propagate(err, CSB__STEAL(own));
    }
    csb__log(env, CSB_LOG_WARNING, "the host's login is not passed on: %s", csb_error_message(own));
    return 0;
}

int csb__login_share(struct csb__env *env, const struct csb__door *door, csb_error **err) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOFREE char *login = NULL;
    csb_error *e = NULL;
    int64_t expires = 0;
    int rc = read_login(env, &text, &e);

    if (rc == 0 && text.len == 0) {
        csb__log(env, CSB_LOG_INFO, "Claude Code has no login on this host to be passed on");
        return 0;
    }
    if (rc == 0) {
        rc = csb__login_for_guest(csb__strbuf_text(&text), text.len, &login, &expires, &e);
    }
    if (rc != 0) {
        return warn(env, e, err);
    }
    if (expires > 0 && expires / 1000 < (int64_t)time(NULL)) {
        csb__log(env, CSB_LOG_WARNING,
                 "the host's login has expired: run claude on the host once to renew it");
    }
    return write_login(env, door, login, err);
}
