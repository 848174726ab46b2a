/* SPDX-License-Identifier: MIT */
/* With the qemu engine, whose machines are directories: wherever it is interrupted, one call later
 * the new machine is in its place and the old one is gone. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lock.h"
#include "core/path.h"
#include "engine/qemu/instance.h"
#include "store.h"
#include "support.h"
#include "vm.h"
#include "vm_rename.h"

struct world {
    csb_ctx ctx;
};

static char *in_state(struct world *w, const char *fmt, const char *name) {
    char text[256];

    snprintf(text, sizeof(text), fmt, name);
    return test_join(w->ctx.env.state_dir, text);
}

/* A stopped machine; what is in its file "who" tells it from others. */
static void put(struct world *w, const char *name, const char *who, bool is_protected) {
    CSB__AUTORECORD r = {.engine = strdup("qemu"),
                         .engine_home = strdup(""),
                         .complete = true,
                         .is_protected = is_protected,
                         .spec = {.name = strdup(name)}};
    CSB__AUTOINSTANCE i = {0};
    CSB__AUTOFREE char *path = in_state(w, "qemu/%s/who", name);

    ck_assert_int_eq(csb__instance_init(&w->ctx.env, name, &i, NULL), 0);
    ck_assert_int_eq(csb__mkdirs(i.dir, NULL), 0);
    i.cpus = 1;
    i.memory = i.disk = 1;
    i.image = strdup("/image");
    ck_assert_int_eq(csb__instance_save_config(&i, NULL), 0);
    ck_assert_int_eq(csb__store_save(&w->ctx.env, &r, NULL), 0);
    test_write(path, who, 0600);
}

static void world_make(struct world *w) {
    *w = (struct world){0};
    test_env(&w->ctx.env);
    put(w, "tools-vm", "old", true);
    put(w, "tools-vm-new", "new", true);
}

static void world_finish(struct world *w) {
    csb__env_finish(&w->ctx.env);
}
#define AUTOWORLD CSB__CLEANUP(world_finish) struct world

static bool has_record(struct world *w, const char *name) {
    CSB__AUTORECORD r = {0};

    return csb__store_load(&w->ctx.env, name, &r, NULL) == 0;
}

static void check_is(struct world *w, const char *name, const char *who) {
    CSB__AUTOFREE char *dir = in_state(w, "qemu/%s", name);
    CSB__AUTOFREE char *path = in_state(w, "qemu/%s/who", name);
    CSB__AUTOFREE char *text = test_read(path);

    if (!who) {
        ck_assert_msg(!test_exists(dir), "%s is there", name);
        ck_assert_msg(!has_record(w, name), "%s has a record", name);
        return;
    }
    ck_assert_msg(text && strcmp(text, who) == 0, "%s is %s", name, text ? text : "not there");
    ck_assert_msg(has_record(w, name), "%s has no record", name);
}

static void check_replaced(struct world *w) {
    CSB__AUTOFREE char *journal = in_state(w, "%s", "rename.json");

    check_is(w, "tools-vm", "new");
    check_is(w, "tools-vm-new", NULL);
    check_is(w, "tools-vm-old", NULL);
    ck_assert(!test_exists(journal));
}

static csb_vm *open_vm(struct world *w, const char *name) {
    csb_vm *vm = NULL;

    ck_assert_int_eq(csb_vm_open(&w->ctx, name, &vm, NULL), 0);
    return vm;
}

START_TEST(one_takes_the_place_of_another) {
    AUTOWORLD w;
    CSB__AUTOERROR csb_error *e = NULL;
    csb_vm *vm;

    world_make(&w);
    vm = open_vm(&w, "tools-vm-new");
    ck_assert_msg(csb_vm_rename(vm, "tools-vm", CSB_RENAME_REPLACE, &e) == 0, "%s",
                  csb_error_message(e));
    ck_assert_str_eq(csb_vm_name(vm), "tools-vm");
    ck_assert_int_eq(csb_vm_is_protected(vm), 1);
    ck_assert_int_eq(csb_vm_state(vm), CSB_VM_STOPPED);
    csb_vm_free(vm);
    check_replaced(&w);
}
END_TEST

START_TEST(a_free_name_is_taken) {
    AUTOWORLD w;
    csb_vm *vm;

    world_make(&w);
    ck_assert_int_eq(csb__store_save_template(&w.ctx.env, "tools-vm-new", "cpus: 1\n", NULL), 0);
    vm = open_vm(&w, "tools-vm-new");
    ck_assert_int_eq(csb_vm_rename(vm, "other", 0, NULL), 0);
    csb_vm_free(vm);
    check_is(&w, "other", "new");
    check_is(&w, "tools-vm-new", NULL);
    check_is(&w, "tools-vm", "old");
    /* The scripts that it has yet to run go along. */
    {
        CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

        ck_assert_int_eq(csb__store_load_template(&w.ctx.env, "other", &text, NULL), 0);
        ck_assert_int_eq(csb__store_load_template(&w.ctx.env, "tools-vm-new", &text, NULL),
                         CSB_ENOTFOUND);
    }
}
END_TEST

START_TEST(what_is_refused_changes_nothing) {
    static const struct {
        const char *name;
        unsigned flags;
        int code;
        const char *says;
    } table[] = {
        {"tools-vm", 0, CSB_EEXISTS, "there is a VM named tools-vm"},
        {"tools-vm-new", CSB_RENAME_REPLACE, CSB_EINVAL, "not another name"},
        {"no/name", 0, CSB_EINVAL, "not another name"},
        {"tools-vm", 1 << 5, CSB_EINVAL, "unknown flags"},
        {"foreign", CSB_RENAME_REPLACE, CSB_EEXISTS, "it is not ours"},
    };
    AUTOWORLD w;
    csb_vm *vm;

    world_make(&w);
    put(&w, "foreign", "foreign", false);
    ck_assert_int_eq(csb__store_remove(&w.ctx.env, "foreign", NULL), 0);
    vm = open_vm(&w, "tools-vm-new");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CSB__AUTOERROR csb_error *e = NULL;

        ck_assert_int_eq(csb_vm_rename(vm, table[i].name, table[i].flags, &e), table[i].code);
        test_check_error(e, table[i].code, table[i].says);
    }
    ck_assert_int_eq(csb_vm_rename(vm, "tools-vm", CSB_RENAME_REPLACE | CSB_RENAME_CHECK, NULL), 0);
    csb_vm_free(vm);
    check_is(&w, "tools-vm", "old");
    check_is(&w, "tools-vm-new", "new");
}
END_TEST

START_TEST(what_waits_under_another_name_is_in_the_way) {
    AUTOWORLD w;
    CSB__AUTOERROR csb_error *e = NULL;
    csb_vm *vm;

    world_make(&w);
    put(&w, "tools-vm-old", "older", false);
    vm = open_vm(&w, "tools-vm-new");
    ck_assert_int_eq(csb_vm_rename(vm, "tools-vm", CSB_RENAME_REPLACE, &e), CSB_EEXISTS);
    ck_assert_str_eq(csb_error_hint(e), "claude-sandbox delete tools-vm-old");
    csb_vm_free(vm);
}
END_TEST

/* A directory in the record's place is a disk that is full. */
static void block_record(struct world *w, const char *name) {
    CSB__AUTOFREE char *path = in_state(w, "vms/%s.json/x", name);

    ck_assert_int_eq(csb__mkdirs(path, NULL), 0);
}

START_TEST(what_can_not_be_recorded_is_undone) {
    static const char *const blocked[] = {"tools-vm-old", "other"};
    AUTOWORLD w;
    CSB__AUTOFREE char *journal_path = NULL;
    csb_vm *vm;

    world_make(&w);
    vm = open_vm(&w, "tools-vm-new");
    block_record(&w, blocked[_i]);
    ck_assert_int_ne(csb_vm_rename(vm, _i ? "other" : "tools-vm", CSB_RENAME_REPLACE, NULL), 0);
    csb_vm_free(vm);
    check_is(&w, "tools-vm", "old");
    check_is(&w, "tools-vm-new", "new");
    journal_path = in_state(&w, "%s", "rename.json");
    ck_assert(!test_exists(journal_path));
}
END_TEST

/* --- interruptions ---------------------------------------------------------------------------- */

static void journal(struct world *w, int step) {
    CSB__AUTOFREE char *path = in_state(w, "%s", "rename.json");
    char text[256];

    snprintf(text, sizeof(text),
             "{\"schema\":1,\"step\":%d,\"from\":\"tools-vm-new\",\"to\":\"tools-vm\","
             "\"aside\":\"tools-vm-old\"}",
             step);
    test_write(path, text, 0600);
}

static void move_dir(struct world *w, const char *from, const char *to) {
    CSB__AUTOFREE char *a = in_state(w, "qemu/%s", from);
    CSB__AUTOFREE char *b = in_state(w, "qemu/%s", to);

    ck_assert_int_eq(rename(a, b), 0);
}

static void copy_record(struct world *w, const char *from, const char *to) {
    CSB__AUTORECORD r = {0};

    ck_assert_int_eq(csb__store_load(&w->ctx.env, from, &r, NULL), 0);
    free(r.spec.name);
    r.spec.name = strdup(to);
    ck_assert_int_eq(csb__store_save(&w->ctx.env, &r, NULL), 0);
}

/* What has happened by the n-th moment at which the process may be killed. */
static void until_moment(struct world *w, int n) {
    journal(w, 1);
    if (n >= 1) {
        move_dir(w, "tools-vm", "tools-vm-old");
    }
    if (n >= 2) {
        copy_record(w, "tools-vm", "tools-vm-old");
    }
    if (n >= 3) {
        ck_assert_int_eq(csb__store_remove(&w->ctx.env, "tools-vm", NULL), 0);
    }
    if (n >= 4) {
        journal(w, 2);
    }
    if (n >= 5) {
        move_dir(w, "tools-vm-new", "tools-vm");
    }
    if (n >= 6) {
        copy_record(w, "tools-vm-new", "tools-vm");
    }
    if (n >= 7) {
        ck_assert_int_eq(csb__store_remove(&w->ctx.env, "tools-vm-new", NULL), 0);
    }
    if (n >= 8) {
        journal(w, 3);
    }
    if (n >= 9) {
        CSB__AUTOFREE char *dir = in_state(w, "qemu/%s", "tools-vm-old");

        ck_assert_int_eq(csb__remove_tree(dir, NULL), 0);
    }
    if (n >= 10) {
        ck_assert_int_eq(csb__store_remove(&w->ctx.env, "tools-vm-old", NULL), 0);
    }
}
#define MOMENTS 11

START_TEST(whenever_it_was_killed_the_next_call_finishes) {
    AUTOWORLD w;
    csb_vm_list *list = NULL;

    world_make(&w);
    until_moment(&w, _i);
    ck_assert_int_eq(csb_vm_list_new(&w.ctx, &list, NULL), 0);
    ck_assert_uint_eq(csb_vm_list_count(list), 1);
    ck_assert_str_eq(csb_vm_name(csb_vm_list_get(list, 0)), "tools-vm");
    csb_vm_list_free(list);
    check_replaced(&w);
}
END_TEST

START_TEST(also_when_it_is_opened_by_its_name) {
    AUTOWORLD w;

    world_make(&w);
    until_moment(&w, 4);
    csb_vm_free(open_vm(&w, "tools-vm"));
    check_replaced(&w);
}
END_TEST

START_TEST(one_in_use_is_waited_for) {
    static const char *const names[] = {"tools-vm", "tools-vm-new", "tools-vm-old"};
    AUTOWORLD w;
    int fd = -1;

    world_make(&w);
    until_moment(&w, 0);
    ck_assert_int_eq(csb__lock_try(&w.ctx.env, names[_i], &fd, NULL), 0);
    csb_vm_free(open_vm(&w, "tools-vm"));
    check_is(&w, "tools-vm", "old");
    check_is(&w, "tools-vm-new", "new");
    csb__cleanup_close(&fd);
    csb_vm_free(open_vm(&w, "tools-vm"));
    check_replaced(&w);
}
END_TEST

START_TEST(the_old_one_comes_back_when_the_new_one_can_not_come) {
    AUTOWORLD w;
    CSB__AUTOFREE char *journal_path = NULL;

    world_make(&w);
    until_moment(&w, 4);
    /* Deleted by hand. */
    ck_assert_int_eq(csb__store_remove(&w.ctx.env, "tools-vm-new", NULL), 0);
    csb__rename_settle(&w.ctx);
    check_is(&w, "tools-vm", "old");
    journal_path = in_state(&w, "%s", "rename.json");
    ck_assert(!test_exists(journal_path));
}
END_TEST

START_TEST(a_damaged_note_is_left_alone) {
    static const char *const texts[] = {
        "", "{", "{\"step\":1}", "{\"step\":9,\"from\":\"a\",\"to\":\"b\",\"aside\":\"\"}",
        "{\"step\":2,\"from\":\"../a\",\"to\":\"b\",\"aside\":\"\"}"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        AUTOWORLD w;
        CSB__AUTOFREE char *path = NULL;

        world_make(&w);
        path = in_state(&w, "%s", "rename.json");
        test_write(path, texts[i], 0600);
        csb_vm_free(open_vm(&w, "tools-vm"));
        check_is(&w, "tools-vm", "old");
        check_is(&w, "tools-vm-new", "new");
    }
}
END_TEST

/* --- protection ------------------------------------------------------------------------------- */

START_TEST(a_protected_one_stays) {
    AUTOWORLD w;
    CSB__AUTOERROR csb_error *e = NULL;
    csb_vm *vm;

    world_make(&w);
    put(&w, "mine", "mine", false);
    vm = open_vm(&w, "mine");
    ck_assert_int_eq(csb_vm_is_protected(vm), 0);
    ck_assert_int_eq(csb_vm_protect(vm, 1, NULL), 0);
    ck_assert_int_eq(csb_vm_is_protected(vm), 1);
    ck_assert_int_eq(csb_vm_delete(vm, CSB_DELETE_FORCE, &e), CSB_ESTATE);
    test_check_error(e, CSB_ESTATE, "mine is protected");
    ck_assert_str_eq(csb_error_hint(e), "claude-sandbox delete -f mine");
    check_is(&w, "mine", "mine");
    /* Whoever opens it knows. */
    csb_vm_free(vm);
    vm = open_vm(&w, "mine");
    ck_assert_int_eq(csb_vm_is_protected(vm), 1);
    ck_assert_int_eq(csb_vm_protect(vm, 0, NULL), 0);
    ck_assert_int_eq(csb_vm_delete(vm, 0, NULL), 0);
    csb_vm_free(vm);
    check_is(&w, "mine", NULL);
}
END_TEST

Suite *vm_rename_suite(void);
Suite *vm_rename_suite(void) {
    Suite *s = suite_create("vm_rename");
    TCase *tc = test_case(s, "vm_rename");

    tcase_add_test(tc, one_takes_the_place_of_another);
    tcase_add_test(tc, a_free_name_is_taken);
    tcase_add_test(tc, what_is_refused_changes_nothing);
    tcase_add_test(tc, what_waits_under_another_name_is_in_the_way);
    tcase_add_loop_test(tc, what_can_not_be_recorded_is_undone, 0, 2);
    tcase_add_loop_test(tc, whenever_it_was_killed_the_next_call_finishes, 0, MOMENTS);
    tcase_add_test(tc, also_when_it_is_opened_by_its_name);
    tcase_add_loop_test(tc, one_in_use_is_waited_for, 0, 3);
    tcase_add_test(tc, the_old_one_comes_back_when_the_new_one_can_not_come);
    tcase_add_test(tc, a_damaged_note_is_left_alone);
    tcase_add_test(tc, a_protected_one_stays);
    return s;
}
