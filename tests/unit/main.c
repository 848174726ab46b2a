/* SPDX-License-Identifier: MIT */
/* All suites; CK_FORK=no keeps them in one process (for a debugger, valgrind, sanitizers), and
 * CK_RUN_SUITE and CK_RUN_CASE choose. */
#include <stdlib.h>

#include "suites.h"
#include "support.h"

#define DECLARE(name) Suite *name##_suite(void);
TEST_SUITES(DECLARE)

int main(void) {
    SRunner *runner = srunner_create(NULL);
    int failed;

#define ADD(name) srunner_add_suite(runner, name##_suite());
    TEST_SUITES(ADD)
    test_root_make();
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    test_root_remove();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
