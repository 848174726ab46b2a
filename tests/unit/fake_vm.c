/* SPDX-License-Identifier: MIT */
#include "fake_vm.h"

#include <stdio.h>
#include <string.h>

#include "store.h"

char fake_calls[256];
int fake_state;
int fake_start_rc;
int fake_stop_rc;
int fake_remove_rc;
int fake_inspect_rc;
int fake_configure_rc;
char fake_configured[256];
unsigned fake_stop_flags;

static char *control_path;

static void note(const char *verb) {
    ck_assert_uint_lt(strlen(fake_calls) + strlen(verb) + 2, sizeof(fake_calls));
    strcat(strcat(fake_calls, verb), ",");
}

static int answer(int rc, const char *verb, csb_error **err) {
    return rc == 0 ? 0 : csb__fail(err, rc, "%s went wrong", verb);
}

static int start(struct csb__env *env, const struct csb__spec *spec, const char *home,
                 csb_error **err) {
    (void)env;
    (void)spec;
    ck_assert_str_eq(home, "/engine/home");
    note("start");
    if (fake_start_rc == 0) {
        fake_state = CSB_VM_RUNNING;
    }
    return answer(fake_start_rc, "start", err);
}

static int configure(struct csb__env *env, const struct csb__spec *spec, const char *home,
                     csb_error **err) {
    const struct csb__mount *settings = csb__spec_settings(spec);

    (void)env;
    ck_assert_str_eq(home, "/engine/home");
    note("configure");
    snprintf(fake_configured, sizeof(fake_configured), "%d %llu %llu %s %s", spec->cpus,
             (unsigned long long)spec->memory, (unsigned long long)spec->disk,
             settings ? "settings" : "-", settings && settings->writable ? "rw" : "ro");
    return answer(fake_configure_rc, "configure", err);
}

static int stop(struct csb__env *env, const char *name, const char *home, unsigned flags,
                csb_error **err) {
    (void)env;
    ck_assert_str_eq(name, "web");
    ck_assert_str_eq(home, "/engine/home");
    note("stop");
    fake_stop_flags = flags;
    if (fake_stop_rc == 0) {
        fake_state = CSB_VM_STOPPED;
    }
    return answer(fake_stop_rc, "stop", err);
}

static int remove_it(struct csb__env *env, const char *name, const char *home, csb_error **err) {
    (void)env;
    ck_assert_str_eq(name, "web");
    ck_assert_str_eq(home, "/engine/home");
    note("remove");
    return answer(fake_remove_rc, "remove", err);
}

static int inspect(struct csb__env *env, const char *name, const char *home,
                   struct csb__machine *ret, csb_error **err) {
    (void)env;
    ck_assert_str_eq(name, "web");
    ck_assert_str_eq(home, "/engine/home");
    note("inspect");
    if (fake_inspect_rc != 0) {
        return answer(fake_inspect_rc, "inspect", err);
    }
    *ret = (struct csb__machine){
        .state = fake_state, .cpus = 2, .memory = 3, .disk = 4, .disk_used = 5};
    if (fake_state == CSB_VM_RUNNING) {
        ret->started = 6;
        ret->door = (struct csb__door){strdup("/ssh.config"), strdup("box"), strdup(control_path)};
    }
    return 0;
}

static void console(struct csb__env *env, const char *name, const char *home,
                    struct csb__strbuf *out) {
    (void)env;
    (void)name;
    (void)home;
    note("console");
    csb__strbuf_puts(out, "Kernel panic\n");
}

static const struct csb__engine engine = {
    .name = "fake",
    .configure = configure,
    .start = start,
    .stop = stop,
    .remove = remove_it,
    .inspect = inspect,
    .console = console,
};

void fake_vm_make(struct fake_vm *f, const struct test_answer *answers, size_t n) {
    struct csb__record *r = &f->vm.record;

    *f = (struct fake_vm){.runner = {.answers = answers, .n_answers = n}};
    test_env(&f->ctx.env);
    test_runner_use(&f->ctx.env, &f->runner);
    f->control = test_join(f->ctx.env.state_dir, "no-master");
    control_path = f->control;
    f->vm.ctx = &f->ctx;
    f->vm.engine = &engine;
    f->vm.machine.state = CSB_VM_STOPPED;
    *r = (struct csb__record){.engine = strdup("fake"),
                              .engine_home = strdup("/engine/home"),
                              .complete = true,
                              .spec = {.name = strdup("web"), .project_dir = strdup(FAKE_PROJECT)}};
    f->host = test_dir();
    ck_assert_int_eq(csb__spec_add_mount(&r->spec, f->host, FAKE_PROJECT, true, NULL), 0);
    ck_assert_int_eq(csb__store_save(&f->ctx.env, r, NULL), 0);
    fake_calls[0] = '\0';
    fake_state = CSB_VM_STOPPED;
    fake_start_rc = fake_stop_rc = fake_remove_rc = fake_inspect_rc = fake_configure_rc = 0;
    fake_configured[0] = '\0';
    fake_stop_flags = 0;
}

void fake_vm_run(struct fake_vm *f) {
    fake_state = CSB_VM_RUNNING;
    ck_assert_int_eq(csb_vm_refresh(&f->vm, NULL), 0);
    fake_calls[0] = '\0';
}

void fake_vm_finish(struct fake_vm *f) {
    csb__record_finish(&f->vm.record);
    csb__machine_finish(&f->vm.machine);
    free(f->vm.hooks_socket);
    test_runner_finish(&f->runner);
    csb__env_finish(&f->ctx.env);
    free(f->control);
    free(f->host);
}
