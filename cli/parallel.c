/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "cli.h"

/* Stopping a machine is waiting; more at once than this only makes each slower. */
#define AT_ONCE 16

struct pool {
    const struct cli_options *o;
    const char *const *names;
    size_t n;
    int (*fn)(csb_vm *vm, const struct cli_options *o);
    int *statuses;
    pthread_mutex_t lock; /* of next */
    size_t next;
};

struct worker {
    struct pool *pool;
    csb_ctx *ctx; /* one thread, one context */
    pthread_t thread;
};

static int do_one(struct pool *p, csb_ctx *ctx, const char *name) {
    csb_error *err = NULL;
    csb_vm *vm = NULL;
    int status;

    if (csb_vm_open(ctx, name, &vm, &err) != 0) {
        return cli_report(err);
    }
    status = p->fn(vm, p->o);
    csb_vm_free(vm);
    return status;
}

static void *work(void *data) {
    struct worker *w = data;
    struct pool *p = w->pool;

    for (;;) {
        size_t i;

        pthread_mutex_lock(&p->lock);
        i = p->next++;
        pthread_mutex_unlock(&p->lock);
        if (i >= p->n) {
            return NULL;
        }
        p->statuses[i] = do_one(p, w->ctx, p->names[i]);
    }
}

/* Signals are the main thread's, which waits in pthread_join(). */
static size_t start_workers(struct worker *workers, size_t n) {
    size_t started = 0;
    sigset_t all;
    sigset_t old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (started < n &&
           pthread_create(&workers[started].thread, NULL, work, &workers[started]) == 0) {
        started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return started;
}

static int run_workers(struct pool *p, struct worker *workers, size_t n) {
    size_t started = start_workers(workers, n);
    int status = 0;

    if (started == 0) {
        work(&workers[0]);
    }
    for (size_t i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    for (size_t i = 0; i < p->n && status == 0; i++) {
        status = p->statuses[i];
    }
    return status;
}

int cli_parallel(const struct cli_options *o, const char *const *names, size_t n,
                 int (*fn)(csb_vm *vm, const struct cli_options *o)) {
    struct pool p = {.o = o, .names = names, .n = n, .fn = fn};
    struct worker workers[AT_ONCE];
    size_t wanted = n < AT_ONCE ? n : AT_ONCE;
    size_t made = 0;
    int status = 0;

    if (n == 0) {
        return 0;
    }
    p.statuses = calloc(n, sizeof(int));
    pthread_mutex_init(&p.lock, NULL);
    if (!p.statuses) {
        status = EXIT_SANDBOX;
    }
    for (; status == 0 && made < wanted; made++) {
        workers[made].pool = &p;
        workers[made].ctx = cli_new_context(o, false, &status);
    }
    if (status == 0) {
        status = run_workers(&p, workers, wanted);
    }
    for (size_t i = 0; i < made; i++) {
        cli_free_context(workers[i].ctx);
    }
    pthread_mutex_destroy(&p.lock);
    free(p.statuses);
    return status;
}
