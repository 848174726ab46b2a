/* SPDX-License-Identifier: MIT */
/*
 * timed FILE PROGRAM ARG...: runs it, and appends to FILE what it took: when it began (ns, monotonic),
 * how long it lived (ms), its processor time (ms), the largest size of it or of a child that it waited
 * for (KiB), and its exit status.
 *
 * Small, and in C, since Linux counts what a process was before exec() as its own: nothing that Python
 * starts would seem smaller than Python.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now_ns(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double ms(struct timeval t) {
    return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

int main(int argc, char **argv) {
    struct rusage used;
    long long begun;
    long long ended;
    int status = 0;
    pid_t pid;
    int rc;
    FILE *f;

    if (argc < 3) {
        fprintf(stderr, "timed: expected FILE PROGRAM ARG...\n");
        return 2;
    }
    begun = now_ns();
    rc = posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ);
    if (rc != 0) {
        fprintf(stderr, "timed: %s: %s\n", argv[2], strerror(rc));
        return 2;
    }
    while (wait4(pid, &status, 0, &used) < 0 && errno == EINTR) {
    }
    ended = now_ns();
    status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    f = fopen(argv[1], "a");
    if (!f ||
        fprintf(f, "%lld %.3f %.3f %ld %d\n", begun, (double)(ended - begun) / 1e6,
                ms(used.ru_utime) + ms(used.ru_stime), used.ru_maxrss, status) < 0 ||
        fclose(f) != 0) {
        perror(argv[1]);
        return 2;
    }
    return status;
}
