/* SPDX-License-Identifier: MIT */
/* The control socket of our servers. The first byte: how the line is cut. */
#include "../../servers/control.c"
#include "fuzz.h"

#include <sys/socket.h>

static int control(struct daemon *d, const char *line, FILE *reply) {
    (void)d;
    MUST(!strchr(line, '\n') && strlen(line) < LINE_MAX_BYTES);
    return fprintf(reply, "%s", line) < 0 || *line == 'f' ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct daemon_program program = {.name = "fuzz", .control = control};
    struct daemon d = {.program = &program, .listen_fd = -1};
    struct client *c = &d.clients[0];
    size_t piece = fuzz_byte(&data, &size) + 1U;
    char reply[REPLY_MAX_BYTES + 64] = "";
    int fds[2];

    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    *c = (struct client){.fd = fds[0]};
    for (size_t at = 0; at < size && c->fd >= 0; at += piece) {
        MUST(write(fds[1], data + at, piece < size - at ? piece : size - at) > 0);
        on_client(&d, c->fd, POLLIN, c);
        MUST(c->len < sizeof(c->line));
    }
    if (c->fd >= 0) {
        drop(&d, c);
    } else if (memchr(data, '\n', size) && read(fds[1], reply, sizeof(reply) - 1) > 0) {
        MUST(strncmp(reply, "ok\n", 3) == 0 || strncmp(reply, "failed\n", 7) == 0);
    }
    close(fds[1]);
    return 0;
}
