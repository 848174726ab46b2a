/* SPDX-License-Identifier: MIT */
/* Which engine, and what is installed for it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "programs.h"

#define PATIENCE_MS 5000

/* The first line of what a program says of itself. */
static void version_of(struct doctor *d, const char *check, const char *program,
                       const char *option) {
    char *path = cli_find_program(program);
    const char *const argv[] = {path, option, NULL};
    char text[512];

    if (path && cli_ask_both(argv, PATIENCE_MS, text, sizeof(text)) == 0) {
        text[strcspn(text, "\r\n")] = '\0';
        doctor_say(d, true, check, "", "%s", text);
    }
    free(path);
}

static void check_choice(struct doctor *d) {
    csb_error *err = NULL;
    const char *why = "";

    if (csb_ctx_engine(d->ctx, &d->engine, &why, &err) == 0) {
        doctor_say(d, true, "engine", "", "%s", why);
    } else {
        d->engine = NULL;
        doctor_say(d, false, "engine", csb_error_hint(err), "%s", csb_error_message(err));
    }
    csb_error_free(err);
}

/* The other one, asked for by name: it is no fault that it can't be used. */
static void check_other(struct doctor *d, const char *name) {
    struct cli_options wanted = *d->o;
    csb_error *err = NULL;
    const char *engine;
    const char *why;
    csb_ctx *ctx;

    if (d->engine && strcmp(d->engine, name) == 0) {
        return;
    }
    wanted.engine = name;
    ctx = cli_new_hasty_context(&wanted, 0);
    if (ctx && csb_ctx_engine(ctx, &engine, &why, &err) == 0) {
        doctor_say(d, true, name, "", "usable too: %s",
                   strchr(why, ':') ? strchr(why, ':') + 2 : why);
    } else if (ctx) {
        doctor_say(d, true, name, "", "not needed here, and can't be used: %s",
                   csb_error_message(err));
    }
    csb_error_free(err);
    cli_free_context(ctx);
}

/* Where KVM is and is closed to us guests are slow for no reason. */
static void check_kvm(struct doctor *d) {
#ifdef __linux__
    if (access("/dev/kvm", R_OK | W_OK) != 0 && errno == EACCES) {
        doctor_say(d, false, "kvm", "sudo usermod -aG kvm \"$USER\"",
                   "/dev/kvm is not open to this user, so guests are emulated, which is slow; who "
                   "joins its group must log in anew");
    }
#else
    (void)d;
#endif
}

/* The Claude Code that the qemu engine puts into its image. */
static void check_claude(struct doctor *d) {
    const char *set = getenv("CLAUDE_SANDBOX_GUEST_DIR");
    char path[4096];
    char version[64] = "";
    FILE *f;

    snprintf(path, sizeof(path), "%s/image/claude-version", set && *set ? set : CLI_GUEST_DIR);
    f = fopen(path, "re");
    if (f && fgets(version, sizeof(version), f)) {
        version[strcspn(version, "\r\n")] = '\0';
        doctor_say(d, true, "claude", "", "%s, in the image of the qemu engine", version);
    } else if (d->engine && strcmp(d->engine, "qemu") == 0) {
        doctor_say(d, false, "claude", "", "the recipe of the guests' image is not there: %s",
                   path);
    }
    if (f) {
        fclose(f);
    }
}

void doctor_engine(struct doctor *d) {
    doctor_say(d, true, "version", "", "claude-sandbox %s", csb_version());
    check_choice(d);
    check_other(d, "lima");
#ifdef __linux__
    check_other(d, "qemu");
#endif
    check_kvm(d);
    version_of(d, "ssh", "ssh", "-V");
    if (d->engine && strcmp(d->engine, "qemu") == 0) {
        version_of(d, "qemu", "qemu-system-x86_64", "--version");
        check_claude(d);
    }
}
