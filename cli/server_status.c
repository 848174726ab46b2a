/* SPDX-License-Identifier: MIT */
#include "server_status.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "programs.h"

#define PATIENCE_MS 300
#define ANSWER_MAX 4096
#define NOT_RUNNING 1

/* What it says of itself is of another program, which may be of another version: nothing in it need
 * be there. */
static void read_answer(const char *text, struct server_status *ret) {
    json_t *json = json_loads(text, 0, NULL);
    const char *version = json_string_value(json_object_get(json, "version"));

    ret->state = json_is_object(json) ? SERVER_RUNNING : SERVER_SILENT;
    ret->pid = json_integer_value(json_object_get(json, "pid"));
    ret->since = json_integer_value(json_object_get(json, "since"));
    if (version && strspn(version, "0123456789abcdefghijklmnopqrstuvwxyz.+~-") == strlen(version)) {
        snprintf(ret->version, sizeof(ret->version), "%s", version);
    }
    json_decref(json);
}

void cli_server_status(const char *program, struct server_status *ret) {
    char *path = cli_find_own(program);
    const char *const argv[] = {path, "status", "--json", NULL};
    char answer[ANSWER_MAX];

    *ret = (struct server_status){.state = SERVER_ABSENT};
    if (!path) {
        return;
    }
    switch (cli_ask(argv, PATIENCE_MS, answer, sizeof(answer))) {
    case 0:
        read_answer(answer, ret);
        break;
    case NOT_RUNNING:
        ret->state = SERVER_STOPPED;
        break;
    default:
        ret->state = SERVER_SILENT;
        break;
    }
    free(path);
}

const char *cli_server_word(int state) {
    static const char *const words[] = {"absent", "stopped", "running", "unknown"};

    return words[state];
}
