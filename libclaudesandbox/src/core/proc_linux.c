/* SPDX-License-Identifier: MIT */
/* Processes as Linux shows them; proc_macos.c is the counterpart. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "core/posix.h"
#include "core/process.h"

int csb__child_fd(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

int csb__process_start_time(pid_t pid, uint64_t *ret) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    char path[64];
    const char *p;
    long threads;
    char state;

    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    if (pid <= 0 || csb__read_file(path, 4096, &text) != 0) {
        return -1;
    }
    /* proc(5): the name, field 2, may hold anything, so count from the last parenthesis:
     * the state is field 3, the number of threads 20, the start time 22. */
    p = strrchr(csb__strbuf_text(&text), ')');
    if (!p || sscanf(p + 1,
                     " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                     "%ld %*s %" SCNu64,
                     &state, &threads, ret) != 3) {
        return -1;
    }
    /* The first thread is a corpse at once when a process is killed; while others are still dying
     * they hold its files, its locks among them. */
    return state == 'X' || (state == 'Z' && threads <= 1) ? -1 : 0;
}

/* proc(5): in clock ticks since boot, suspended time included. */
int64_t csb__process_began(uint64_t start_time) {
    long ticks = sysconf(_SC_CLK_TCK);
    struct timespec up;
    struct timespec now;
    int64_t began;

    if (ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &up) != 0 ||
        clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return 0;
    }
    /* In ticks throughout, so that asking twice says the same. */
    began = ((int64_t)now.tv_sec - (int64_t)up.tv_sec) * ticks +
            ((int64_t)now.tv_nsec - (int64_t)up.tv_nsec) * ticks / 1000000000;
    return (began + (int64_t)start_time) / ticks;
}

int csb__process_signal(pid_t pid, uint64_t start_time, int signo) {
    CSB__AUTOCLOSE int fd = csb__child_fd(pid);
    uint64_t now;

    /* The fd pins the process, so that the check and the signal speak of the same one. */
    if (csb__process_start_time(pid, &now) != 0 || now != start_time) {
        errno = ESRCH;
        return -1;
    }
    return fd >= 0 ? (int)syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0) : kill(pid, signo);
}

void csb__boot_id(char *out, size_t size) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

    csb__read_file("/proc/sys/kernel/random/boot_id", 128, &text);
    snprintf(out, size, "%.*s", (int)strcspn(csb__strbuf_text(&text), "\n"),
             csb__strbuf_text(&text));
}
