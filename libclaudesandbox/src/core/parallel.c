/* SPDX-License-Identifier: MIT */
#include "core/parallel.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#define THREADS_MAX 4
/* For fewer a thread costs more than it saves. */
#define EACH_MIN 16

struct work {
    void (*fn)(void *arg, size_t i);
    void *arg;
    size_t n;
    atomic_size_t next;
};

static void *work_on(void *data) {
    struct work *w = data;
    size_t i;

    while ((i = atomic_fetch_add(&w->next, 1)) < w->n) {
        w->fn(w->arg, i);
    }
    return NULL;
}

/* Besides ourselves. */
static size_t helpers_for(size_t n) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t wanted = n / EACH_MIN;

    if (cpus < 1) {
        cpus = 1;
    }
    if (wanted > (size_t)cpus - 1) {
        wanted = (size_t)cpus - 1;
    }
    return wanted < THREADS_MAX - 1 ? wanted : THREADS_MAX - 1;
}

void csb__each(size_t n, void (*fn)(void *arg, size_t i), void *arg) {
    struct work w = {.fn = fn, .arg = arg, .n = n};
    pthread_t threads[THREADS_MAX];
    size_t wanted = helpers_for(n);
    size_t started = 0;
    sigset_t all;
    sigset_t old;

    atomic_init(&w.next, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (started < wanted && pthread_create(&threads[started], NULL, work_on, &w) == 0) {
        started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    work_on(&w);
    while (started > 0) {
        pthread_join(threads[--started], NULL);
    }
}
