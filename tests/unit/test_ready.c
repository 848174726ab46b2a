/* SPDX-License-Identifier: MIT */
#include "guest/ready.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support.h"

struct guest {
    char *dir;
    char *control;
    char *settings;
    struct csb__door door;
    struct csb__spec spec;
    int master;
};

/* An ssh master of which no more is needed than that it is there. */
static int be_master(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(addr.sun_path, path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    return fd;
}

static void guest_make(struct guest *g) {
    *g = (struct guest){.dir = test_dir()};
    g->control = test_join(g->dir, "ssh");
    g->settings = test_join(g->dir, "settings.json");
    g->door.control_path = g->control;
    g->spec.settings_dir = g->dir;
    g->master = be_master(g->control);
}

static void guest_finish(struct guest *g) {
    close(g->master);
    free(g->dir);
    free(g->control);
    free(g->settings);
}

#define AUTOGUEST CSB__CLEANUP(guest_finish) struct guest

static bool holds(const struct guest *g) {
    CSB__AUTOFREE char *hooks = NULL;

    return csb__ready_load(&g->door, &g->spec, &hooks);
}

START_TEST(it_is_done_once_a_connection) {
    AUTOGUEST g;
    CSB__AUTOFREE char *hooks = NULL;
    CSB__AUTOFREE char *none = NULL;

    guest_make(&g);
    ck_assert(!holds(&g));
    ck_assert(!csb__ready_is_noted(&g.door));
    csb__ready_save(&g.door, &g.spec, "/dev/shm/x/hooks.sock", NULL);
    ck_assert(csb__ready_load(&g.door, &g.spec, &hooks));
    ck_assert_str_eq(hooks, "/dev/shm/x/hooks.sock");
    csb__ready_save(&g.door, &g.spec, NULL, NULL);
    ck_assert(csb__ready_load(&g.door, &g.spec, &none));
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(another_connection_is_another_guest) {
    AUTOGUEST g;

    guest_make(&g);
    csb__ready_save(&g.door, &g.spec, NULL, NULL);
    ck_assert(holds(&g));
    close(g.master);
    ck_assert(!holds(&g)); /* nobody listens */
    unlink(g.control);
    ck_assert(!holds(&g));
    g.master = be_master(g.control);
    ck_assert(!holds(&g));
    ck_assert(csb__ready_is_noted(&g.door));
}
END_TEST

START_TEST(new_settings_are_to_be_linked) {
    AUTOGUEST g;

    guest_make(&g);
    csb__ready_save(&g.door, &g.spec, NULL, NULL);
    test_write(g.settings, "{}", 0600);
    ck_assert(!holds(&g));
    csb__ready_save(&g.door, &g.spec, NULL, NULL);
    ck_assert(holds(&g));
}
END_TEST

START_TEST(a_damaged_note_says_nothing) {
    static const char *const notes[] = {"", "0.1.0", "\n\n\n", "0.1.0 1 2 3.4 0\n/x\n"};

    for (size_t i = 0; i < 4; i++) {
        AUTOGUEST g;
        CSB__AUTOFREE char *path = NULL;

        guest_make(&g);
        path = test_join(g.dir, "ssh.ready");
        test_write(path, notes[i], 0600);
        ck_assert(!holds(&g));
    }
}
END_TEST

Suite *ready_suite(void);
Suite *ready_suite(void) {
    Suite *s = suite_create("ready");
    TCase *tc = test_case(s, "ready");

    tcase_add_test(tc, it_is_done_once_a_connection);
    tcase_add_test(tc, another_connection_is_another_guest);
    tcase_add_test(tc, new_settings_are_to_be_linked);
    tcase_add_test(tc, a_damaged_note_says_nothing);
    return s;
}
