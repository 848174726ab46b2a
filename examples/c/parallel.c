/* SPDX-License-Identifier: MIT */
/*
 * Claude Code in a VM of each project at the same time, each with a prompt and a thread of its own.
 *
 *     cc parallel.c -o parallel -pthread $(pkg-config --cflags --libs claudesandbox)
 *     ./parallel ~/a "Fix the tests" ~/b "Fix the tests" ~/c "Write a README" ~/d "Find dead code"
 */
#include <claudesandbox.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct job {
    const char *project, *prompt;
    char *said;
    size_t length;
    csb_exit done;
    csb_error *err;
    pthread_t thread;
};

static int claude_in(csb_vm *vm, struct job *job) {
    csb_claude_options options = CSB_CLAUDE_OPTIONS_INIT;
    csb_process *process = NULL;
    char buffer[4096];
    FILE *said = open_memstream(&job->said, &job->length);
    ssize_t n;
    int rc;

    options.prompt = job->prompt;
    options.stdin_fd = CSB_EXEC_NULL;
    options.stdout_fd = CSB_EXEC_PIPE;
    rc = csb_vm_spawn_claude(vm, &options, &process, &job->err);
    while (rc == 0 && (n = read(csb_process_fd(process, 1), buffer, sizeof(buffer))) > 0) {
        fwrite(buffer, 1, (size_t)n, said);
    }
    rc = rc == 0 ? csb_process_wait(process, -1, &job->done, &job->err) : rc;
    csb_process_free(process);
    fclose(said);
    return rc;
}

static void *work(void *userdata) {
    csb_vm_options options = CSB_VM_OPTIONS_INIT;
    struct job *job = userdata;
    csb_ctx *ctx = NULL;
    csb_vm *vm = NULL;
    int rc = csb_ctx_new(NULL, &ctx, &job->err);

    options.project_dir = job->project;
    if (rc == 0 && csb_vm_for_project(ctx, job->project, &vm, NULL) != 0) {
        rc = csb_vm_create(ctx, getenv("CLAUDE_SANDBOX_TEMPLATE"), &options, &vm, &job->err);
    }
    rc = rc == 0 ? csb_vm_start(vm, &job->err) : rc;
    rc = rc == 0 ? claude_in(vm, job) : rc;
    csb_vm_free(vm), csb_ctx_free(ctx);
    return NULL;
}

int main(int argc, char **argv) {
    int n = (argc - 1) / 2, failed = 0;
    struct job *jobs = calloc((size_t)n + 1, sizeof(*jobs));

    for (int i = 0; i < n; i++) {
        jobs[i] = (struct job){argv[2 * i + 1], argv[2 * i + 2], .done = {125}};
        pthread_create(&jobs[i].thread, NULL, work, &jobs[i]);
    }
    for (int i = 0; i < n; i++) {
        pthread_join(jobs[i].thread, NULL);
        printf("--- %s: status %d\n%s%s\n", jobs[i].project, jobs[i].done.status,
               jobs[i].said ? jobs[i].said : "", csb_error_message(jobs[i].err));
        failed += jobs[i].done.status != 0;
        csb_error_free(jobs[i].err);
        free(jobs[i].said);
    }
    free(jobs);
    return failed ? 1 : 0;
}
