/* SPDX-License-Identifier: MIT */
#include "fake_server.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "support.h"

struct server {
    int listener;
    const struct fake_line *script;
    size_t n;
};

/* Reads lines until one contains the text; false when the peer is gone. */
static bool await_line(FILE *in, const char *text) {
    char line[4096];

    while (fgets(line, sizeof(line), in)) {
        if (strstr(line, text)) {
            return true;
        }
    }
    return false;
}

static int serve(void *arg) {
    const struct server *s = arg;
    int fd = accept(s->listener, NULL, NULL);
    FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
    char line[4096];

    signal(SIGPIPE, SIG_IGN);
    if (!in) {
        return 2;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->script[i].await && !await_line(in, s->script[i].await)) {
            return 1;
        }
        if (!s->script[i].say) {
            fclose(in);
            return 0;
        }
        (void)!write(fd, s->script[i].say, strlen(s->script[i].say));
    }
    while (fgets(line, sizeof(line), in)) {
    }
    fclose(in);
    return 0;
}

pid_t fake_server_start(const char *path, const struct fake_line *script, size_t n) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct server s = {
        .listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .script = script, .n = n};
    pid_t pid;

    ck_assert_uint_lt(strlen(path), sizeof(addr.sun_path));
    strcpy(addr.sun_path, path);
    ck_assert_int_eq(bind(s.listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(s.listener, 1), 0);
    pid = test_fork(serve, &s);
    close(s.listener);
    return pid;
}
