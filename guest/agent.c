/*
 * The control port: one virtio-serial port, one host at a time, lines in and lines out. The host
 * may vanish and come back at any moment: a half-read line and an unsent reply are then worthless.
 */
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REPLY_WAIT_MS 5000

typedef struct port {
    int fd;
    size_t len;
    bool skipping; /* the rest of a line that was too long */
    char line[CSB_LINE_MAX];
} port;

/* The device of our port, by the name that QEMU gave it: udev may not have made links yet. */
static bool find_port(char *device, size_t size) {
    DIR *dir = opendir("/sys/class/virtio-ports");
    struct dirent *entry;
    bool found = false;

    while (dir && !found && (entry = readdir(dir))) {
        char path[512];
        char *name;

        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
        name = file_read_value(path, 4096);
        found = name && strcmp(name, CSB_CONTROL_PORT) == 0;
        free(name);
        if (found) {
            snprintf(device, size, "/dev/%s", entry->d_name);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

static int open_port(void) {
    char device[300];
    unsigned wait_ms = 20;

    for (;;) {
        if (find_port(device, sizeof device)) {
            int fd = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);

            if (fd >= 0) {
                /* The driver signals a host that comes or goes, which poll() cannot wait for. */
                fcntl(fd, F_SETOWN, getpid());
                fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK | O_ASYNC);
                return fd;
            }
        }
        sleep_ms(wait_ms);
        wait_ms = wait_ms < 1000 ? wait_ms * 2 : 1000;
    }
}

/* A second at most, or until the host comes or goes. */
static bool wait_for_host(void) {
    struct timespec second = {1, 0};
    sigset_t sigio;

    sigemptyset(&sigio);
    sigaddset(&sigio, SIGIO);
    return sigtimedwait(&sigio, NULL, &second) > 0;
}

/*
 * Waits until the port takes more. That a new host has come may be heard after its first line was
 * read (two queues): a host that seems to be gone gets a moment to appear.
 */
static bool wait_writable(int fd) {
    for (;;) {
        struct pollfd poller = {.fd = fd, .events = POLLOUT};

        if (poll(&poller, 1, REPLY_WAIT_MS) <= 0) {
            return false;
        }
        if (poller.revents & POLLOUT) {
            return true;
        }
        if (!wait_for_host()) {
            return false;
        }
    }
}

/* Gives up when the host is gone or does not read: it will ask again. */
static void send_reply(const port *p, const char *reply) {
    size_t len = strlen(reply);

    while (len > 0) {
        ssize_t n = write(p->fd, reply, len);

        if (n > 0) {
            reply += n;
            len -= (size_t)n;
        } else if ((n < 0 && errno != EAGAIN && errno != EINTR) || !wait_writable(p->fd)) {
            return;
        }
    }
}

static void power_off(void) {
    sync();
    kill(1, SIGRTMIN + 4); /* systemd: start poweroff.target */
    sleep_ms(60000);
}

static void answer(port *p) {
    char reply[CSB_LINE_MAX];

    if (p->len > 0 && p->line[p->len - 1] == '\r') {
        p->len--;
    }
    p->line[p->len] = '\0';
    if (p->len == 0) {
        return; /* an empty line: how a host clears what another left */
    }
    if (strlen(p->line) != p->len) {
        snprintf(reply, sizeof reply, "- error bad-request NUL");
    } else {
        control_answer(p->line, reply, sizeof reply - 1);
    }
    strcat(reply, "\n");
    send_reply(p, reply);
    if (control_poweroff_asked()) {
        power_off();
    }
}

static void take_byte(port *p, char c) {
    if (c == '\n') {
        if (p->skipping) {
            send_reply(p, "- error bad-request line too long\n");
        } else {
            answer(p);
        }
        p->skipping = false;
        p->len = 0;
    } else if (p->len + 1 >= sizeof p->line) {
        p->skipping = true;
    } else {
        p->line[p->len++] = c;
    }
}

/* What is there now; false when the host or the device is gone. */
static bool take_input(port *p) {
    char buf[1024];
    ssize_t n = read(p->fd, buf, sizeof buf);

    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    for (ssize_t i = 0; i < n; i++) {
        take_byte(p, buf[i]);
    }
    return n > 0;
}

static void serve(port *p) {
    for (;;) {
        struct pollfd poller = {.fd = p->fd, .events = POLLIN};

        if (poll(&poller, 1, -1) < 0 && errno != EINTR) {
            return;
        }
        if (poller.revents & POLLIN) {
            if (take_input(p)) {
                continue;
            }
        }
        if (poller.revents & POLLNVAL) {
            return;
        }
        if (poller.revents & (POLLHUP | POLLERR)) {
            p->len = 0;
            p->skipping = false;
            wait_for_host();
            if (access("/sys/class/virtio-ports", F_OK) < 0) {
                return;
            }
        }
    }
}

int applet_agent(void) {
    static port p;
    sigset_t sigio;

    sigemptyset(&sigio);
    sigaddset(&sigio, SIGIO);
    sigprocmask(SIG_BLOCK, &sigio, NULL);
    for (;;) {
        p.fd = open_port();
        p.len = 0;
        p.skipping = false;
        serve(&p);
        close(p.fd);
    }
}
