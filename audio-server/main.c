/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "audio.h"

static struct audio audio;

static int open_it(struct daemon *d) {
    (void)d;
    return 0;
}

static void close_it(struct daemon *d) {
    recording_end(d, "the server ends");
    served_close(d);
}

static int tick(struct daemon *d) {
    int a = served_tick(d);
    int b = recording_tick(d);

    return a < 0 ? b : b < 0 || a < b ? a : b;
}

static void status(struct daemon *d, struct daemon_report *r) {
    const struct recording *now = &audio.recording;

    (void)d;
    daemon_report_number(r, "vms", audio.n_vms);
    daemon_report_text(r, "microphone", now->pid ? "open" : "closed");
    if (now->pid) {
        daemon_report_text(r, "recording_for", now->vm);
        daemon_report_time(r, "recording_since", now->since);
    }
}

static int control(struct daemon *d, const char *line, FILE *reply) {
    if (strncmp(line, "serve ", 6) == 0) {
        return served_add(d, line + 6, reply);
    }
    fputs("unknown request", reply);
    return -1;
}

static int verb_serve(struct daemon *d, int argc, char **argv) {
    char line[VM_NAME_MAX + 8];
    int status;

    if (argc != 1 || strlen(argv[0]) >= VM_NAME_MAX) {
        daemon_say(d, "serve needs the name of one VM");
        return DAEMON_USAGE;
    }
    snprintf(line, sizeof(line), "serve %s", argv[0]);
    status = daemon_ask(d, line, stdout);
    if (status == DAEMON_NOT_RUNNING) {
        daemon_say(d, "not running; start it with: claude-audio-server start");
    }
    return status;
}

int main(int argc, char **argv) {
    static const struct daemon_verb verbs[] = {
        {"serve", "VM", "lend the microphone to a VM, and print the path of its socket",
         verb_serve},
        {NULL, NULL, NULL, NULL},
    };
    static const struct daemon_program program = {
        .name = "claude-audio-server",
        .summary = "Lends the microphone to Claude in VMs, while it is recording.",
        .verbs = verbs,
        .open = open_it,
        .close = close_it,
        .tick = tick,
        .status = status,
        .control = control,
        .userdata = &audio,
    };

    return daemon_main(&program, argc, argv);
}
