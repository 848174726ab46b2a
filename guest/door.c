/*
 * The door: listens where sshd would, and starts one sshd for each connection. So no process holds
 * a host key between connections: a guest whose memory is copied (a fork of a warm one) has none to
 * share, and the next connection meets whatever identity the guest has by then.
 */
#include "guest.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SSHD "/usr/sbin/sshd"
#define BACKLOG 200

static int listen_on_22(void) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(22)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&in, sizeof in) < 0 || listen(fd, BACKLOG) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void become_sshd(int fd) {
    signal(SIGCHLD, SIG_DFL);
    if (dup2(fd, 0) == 0 && dup2(fd, 1) == 1) {
        execl(SSHD, "sshd", "-i", (char *)NULL);
    }
    _exit(127);
}

int applet_door(void) {
    int door = listen_on_22();

    if (door < 0) {
        fprintf(stderr, "csb-guest: door: %s\n", strerror(errno));
        return 1;
    }
    signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
    for (;;) {
        int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0) {
            sleep_ms(errno == EINTR || errno == ECONNABORTED ? 0 : 100);
            continue;
        }
        /* Without an identity there is nobody to talk to yet. */
        if (access(CSB_RUN_DIR "/ssh_host_ed25519_key", F_OK) == 0 && fork() == 0) {
            become_sshd(fd);
        }
        close(fd);
    }
}
