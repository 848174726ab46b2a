/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/proc.h>
#include <sys/sysctl.h>

#include "engine/lima/lima_proc.h"

static struct kinfo_proc *list_processes(size_t *n) {
    int mib[4] = {CTL_KERN, KERN_PROC, KERN_PROC_UID, (int)geteuid()};
    struct kinfo_proc *list;
    size_t size = 0;

    if (sysctl(mib, 4, NULL, &size, NULL, 0) != 0) {
        return NULL;
    }
    size += size / 4 + 16 * sizeof(*list); /* some may be born meanwhile */
    list = malloc(size);
    if (list && sysctl(mib, 4, list, &size, NULL, 0) != 0) {
        free(list);
        return NULL;
    }
    *n = size / sizeof(*list);
    return list;
}

/* KERN_PROCARGS2: a count, the program's path, NULs to fill up, then the arguments and behind them
 * the environment, a NUL after each. */
static void report(pid_t pid, char *buf, size_t size, csb__lima_proc_fn fn, void *userdata) {
    const char *end = buf + size;
    const char *args;
    const char *p;
    int count;

    if (size < sizeof(count)) {
        return;
    }
    memcpy(&count, buf, sizeof(count));
    args = memchr(buf + sizeof(count), '\0', size - sizeof(count));
    while (args && args < end && *args == '\0') {
        args++;
    }
    for (p = args; p && p < end && count > 0; count--) {
        const char *nul = memchr(p, '\0', (size_t)(end - p));

        p = nul ? nul + 1 : end;
    }
    if (args && p > args) {
        fn(pid, args, (size_t)(p - args), userdata);
    }
}

void csb__lima_each_process(csb__lima_proc_fn fn, void *userdata) {
    size_t n = 0;
    CSB__AUTOFREE struct kinfo_proc *list = list_processes(&n);
    int mib[2] = {CTL_KERN, KERN_ARGMAX};
    int max = 0;
    size_t size = sizeof(max);
    CSB__AUTOFREE char *buf = NULL;

    if (list && sysctl(mib, 2, &max, &size, NULL, 0) == 0 && max > 0) {
        buf = malloc((size_t)max);
    }
    for (size_t i = 0; buf && i < n; i++) {
        int args_mib[3] = {CTL_KERN, KERN_PROCARGS2, (int)list[i].kp_proc.p_pid};

        size = (size_t)max;
        if (list[i].kp_proc.p_stat != SZOMB && sysctl(args_mib, 3, buf, &size, NULL, 0) == 0) {
            report(list[i].kp_proc.p_pid, buf, size, fn, userdata);
        }
    }
}
