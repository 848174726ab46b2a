/* SPDX-License-Identifier: MIT */
/*
 * load SOCKET CLIENTS EVENTS BODY-FILE: posts a body that many times, over a new connection each,
 * from so many clients at once, and prints what it took as a line of JSON.
 *
 * A client that finds the server's queue full waits in connect(), as curl would not: so this
 * measures how fast the server works, not how many it turns away.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct client {
    pthread_t thread;
    int events;
    int good;
    double *ms; /* of each event */
};

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static char *request;
static size_t request_len;

static double now_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

static int send_all(int fd) {
    for (size_t sent = 0; sent < request_len;) {
        ssize_t n = send(fd, request + sent, request_len - sent, MSG_NOSIGNAL);

        if (n < 0) {
            return -1;
        }
        sent += (size_t)n;
    }
    return 0;
}

/* To the end of the answer, which is the end of the connection: both servers close it. */
static int read_status(int fd) {
    char head[64] = "";
    char rest[4096];
    size_t len = 0;
    int status = 0;
    ssize_t n;

    while (len < sizeof(head) - 1 && (n = read(fd, head + len, sizeof(head) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    while (read(fd, rest, sizeof(rest)) > 0) {
    }
    return sscanf(head, "HTTP/1.%*d %d", &status) == 1 ? status : 0;
}

static int post(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int status = 0;

    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        send_all(fd) == 0) {
        status = read_status(fd);
    }
    if (fd >= 0) {
        close(fd);
    }
    return status / 100 == 2;
}

static void *run(void *arg) {
    struct client *c = arg;

    for (int i = 0; i < c->events; i++) {
        double begun = now_ms();

        c->good += post();
        c->ms[i] = now_ms() - begun;
    }
    return NULL;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static int load_request(const char *path) {
    FILE *f = fopen(path, "rb");
    long size;
    int head;

    if (!f || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0) {
        return -1;
    }
    rewind(f);
    request = malloc((size_t)size + 256);
    head = snprintf(request, 256,
                    "POST /hook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    "Connection: close\r\nContent-Length: %ld\r\n\r\n",
                    size);
    request_len = (size_t)head + fread(request + head, 1, (size_t)size, f);
    fclose(f);
    return 0;
}

int main(int argc, char **argv) {
    int n = argc == 5 ? atoi(argv[2]) : 0;
    int events = argc == 5 ? atoi(argv[3]) / (n > 0 ? n : 1) : 0;
    size_t total = (size_t)n * (size_t)events;
    struct client *clients;
    double *ms;
    double begun;
    double took;
    int good = 0;

    if (total == 0 || strlen(argv[1]) >= sizeof(address.sun_path) || load_request(argv[4]) != 0) {
        fprintf(stderr, "load: expected SOCKET CLIENTS EVENTS BODY-FILE\n");
        return 2;
    }
    strcpy(address.sun_path, argv[1]);
    clients = calloc((size_t)n, sizeof(*clients));
    ms = calloc(total, sizeof(*ms));
    begun = now_ms();
    for (int i = 0; i < n; i++) {
        clients[i] = (struct client){.events = events, .ms = ms + (size_t)i * (size_t)events};
        pthread_create(&clients[i].thread, NULL, run, &clients[i]);
    }
    for (int i = 0; i < n; i++) {
        pthread_join(clients[i].thread, NULL);
        good += clients[i].good;
    }
    took = now_ms() - begun;
    qsort(ms, total, sizeof(*ms), compare);
    printf(
        "{\"events\": %zu, \"good\": %d, \"per_second\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
        "\"max_ms\": %.3f}\n",
        total, good, (double)total * 1000 / took, ms[total / 2], ms[total * 99 / 100],
        ms[total - 1]);
    free(ms);
    free(clients);
    free(request);
    return 0;
}
