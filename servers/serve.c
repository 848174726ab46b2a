/* SPDX-License-Identifier: MIT */
/* The life of a server, from the lock to the lock. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

static int open_all(struct daemon *d) {
    if ((d->in_background && daemon__open_log(d) != 0) || daemon__signals_open(d) != 0 ||
        daemon__control_open(d) != 0) {
        return -1;
    }
    return 0;
}

static int serve_locked(struct daemon *d) {
    char pid[32];
    int rc = open_all(d);

    if (rc == 0) {
        rc = d->program->open(d);
        if (rc == 0) {
            snprintf(pid, sizeof(pid), "%ld", (long)getpid());
            daemon__tell_starter(d, '+', pid);
            if (!d->in_background) {
                daemon__tell_manager(); /* who is waiting for whoever started us waits for him */
            }
            daemon__loop(d);
        }
        if (d->program->close) {
            d->program->close(d);
        }
    }
    daemon__control_close(d);
    return rc;
}

/* What it makes is for this user alone, whatever the caller's umask. */
int daemon__serve(struct daemon *d) {
    char pid[32] = "";
    int rc;

    umask(077);
    d->since = (int64_t)time(NULL);
    rc = daemon__find_files(d);
    if (rc == 0) {
        rc = daemon__take_lock(d, pid, sizeof(pid));
    }
    if (rc == 1) {
        daemon__tell_starter(d, '=', pid);
        daemon_fail(d, "runs already, with pid %s", pid);
        return DAEMON_FAILED;
    }
    if (rc == 0) {
        rc = serve_locked(d);
    }
    if (rc != 0) {
        daemon__tell_starter(d, '-', d->reason);
    }
    return rc == 0 ? DAEMON_DONE : DAEMON_FAILED;
}
