/* SPDX-License-Identifier: MIT */
/* The host's microphone for Claude's /voice in a VM. */
#include "voice.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli.h"
#include "programs.h"
#include "servers.h"

/* Leaves a sox of the guest's own in its place; ours only says that it is there. */
static const char install_script[] =
    "set -e; t=$(mktemp); trap 'rm -f \"$t\"' EXIT; cat >\"$t\"; "
    "cmp -s \"$t\" /usr/local/bin/rec || sudo -n install -m 755 \"$t\" /usr/local/bin/rec; "
    "command -v sox >/dev/null || sudo -n ln -sf rec /usr/local/bin/sox";

/* "true" is what people who used the Python tool have in their shell's start-up file.
 * -1, or the exit status when neither yes nor no was said. */
static int wants_voice(const struct cli_options *o, bool *ret) {
    const char *mode = getenv("CLAUDE_SANDBOX_VOICE_MODE");

    *ret = o->voice || (mode && (strcmp(mode, "1") == 0 || strcasecmp(mode, "true") == 0));
    if (!*ret && mode && *mode && strcmp(mode, "0") != 0 && strcasecmp(mode, "false") != 0) {
        return cli_usage_error("CLAUDE_SANDBOX_VOICE_MODE is 1 or 0, not %s", mode);
    }
    return -1;
}

static int check_recorder(void) {
    const char *other = getenv("CLAUDE_SANDBOX_RECORDER");
    char *sox = cli_find_program("sox");
    bool found = sox || (other && *other);

    free(sox);
    if (found) {
        return -1;
    }
    cli_print_safe("--voice needs SoX, which is not installed here");
#ifdef __APPLE__
    fputs("  try: brew install sox\n", stderr);
#else
    fputs("  try: sudo apt install sox\n", stderr);
#endif
    return EXIT_SANDBOX;
}

static int open_wrapper(void) {
    const char *dir = getenv("CLAUDE_SANDBOX_GUEST_DIR");
    char path[PATH_MAX];
    char text[PATH_MAX + 64];
    int fd;

    snprintf(path, sizeof(path), "%s/rec", dir && *dir ? dir : CLI_GUEST_DIR);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(text, sizeof(text), "can't open %s: is claude-sandbox installed in full?", path);
        cli_print_safe(text);
    }
    return fd;
}

static int install_wrapper(csb_vm *vm) {
    const char *const argv[] = {"sh", "-c", install_script, NULL};
    csb_exec_options exec = CSB_EXEC_OPTIONS_INIT;
    csb_error *err = NULL;
    csb_exit done;
    int rc;

    exec.argv = argv;
    exec.cwd = "/";
    exec.stdin_fd = open_wrapper();
    exec.stdout_fd = -1;
    if (exec.stdin_fd < 0) {
        return EXIT_SANDBOX;
    }
    rc = csb_vm_exec(vm, &exec, &done, &err);
    close(exec.stdin_fd);
    if (rc != 0) {
        return cli_report(err);
    }
    if (done.status != 0) {
        cli_print_safe("the VM takes no program to record with");
        return EXIT_SANDBOX;
    }
    return -1;
}

static int lend_microphone(csb_vm *vm) {
    const char *const start[] = {"start", NULL};
    const char *const serve[] = {"serve", csb_vm_name(vm), NULL};
    csb_error *err = NULL;
    char path[PATH_MAX] = "";
    int status = cli_run_server(AUDIO_SERVER, start);

    if (status == 0) {
        status = cli_ask_server(AUDIO_SERVER, serve, path, sizeof(path));
    }
    if (status != 0) {
        return EXIT_SANDBOX; /* it has said why */
    }
    return csb_vm_carry_socket(vm, path, "audio", &err) == 0 ? -1 : cli_report(err);
}

static int give_voice(csb_vm *vm, const struct cli_options *o) {
    char text[256];
    int status = lend_microphone(vm);

    if (status < 0) {
        status = install_wrapper(vm);
    }
    if (status < 0 && !o->quiet) {
        snprintf(text, sizeof(text),
                 "%s can hear the microphone while it records; see claude-audio-server status",
                 csb_vm_name(vm));
        cli_print_safe(text);
    }
    return status;
}

int cli_ensure_with_voice(csb_ctx *ctx, const struct cli_options *o, csb_vm **ret) {
    bool wanted;
    int status = wants_voice(o, &wanted);

    if (status < 0 && wanted) {
        status = check_recorder();
    }
    if (status < 0) {
        status = cli_ensure_running(ctx, o, ret);
    }
    if (status < 0 && wanted) {
        status = give_voice(*ret, o);
        if (status >= 0) {
            csb_vm_free(*ret);
            *ret = NULL;
        }
    }
    return status;
}
