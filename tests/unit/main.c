/* SPDX-License-Identifier: MIT */
/*
 *     unit [SUITE ...]
 *
 * These suites, or all. CK_FORK=no keeps them in one process (for a debugger, valgrind, sanitizers),
 * and CK_RUN_CASE chooses among their cases.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suites.h"
#include "support.h"

#define DECLARE(name) Suite *name##_suite(void);
TEST_SUITES(DECLARE)

static const struct {
    const char *name;
    Suite *(*make)(void);
} suites[] = {
#define ENTRY(name) {#name, name##_suite},
    TEST_SUITES(ENTRY)};

#define N_SUITES (sizeof(suites) / sizeof(*suites))

static bool is_asked_for(const char *name, char **names) {
    bool found = !*names;

    for (; *names && !found; names++) {
        found = strcmp(*names, name) == 0;
    }
    return found;
}

int main(int argc, char **argv) {
    SRunner *runner = srunner_create(NULL);
    int added = 0;
    int failed;

    for (size_t i = 0; i < N_SUITES; i++) {
        if (is_asked_for(suites[i].name, argv + 1)) {
            srunner_add_suite(runner, suites[i].make());
            added++;
        }
    }
    if (argc > 1 && added != argc - 1) {
        fprintf(stderr, "unit: no such suite, or one twice\n");
        srunner_free(runner);
        return 2;
    }
    test_root_make();
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    test_root_remove();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
