/* SPDX-License-Identifier: MIT */
/* Paths and names that users give. */
#include "fuzz.h"
#include "core/path.h"
#include "model/spec.h"
#include "model/vm_name.h"

static bool is_normal(const char *path) {
    size_t n = strlen(path);

    return *path == '/' && !strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../") &&
           (n == 1 || path[n - 1] != '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t max = fuzz_byte(&data, &size);
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    CSB__AUTOFREE char *path = *text == '/' ? csb__path_absolute(text) : NULL;
    csb_error *err = NULL;
    char name[CSB__NAME_MAX + 1];

    if (path) {
        CSB__AUTOFREE char *again = csb__path_absolute(path);

        MUST(is_normal(path) && strcmp(path, again) == 0 && csb__path_is_within(path, "/"));
        if (fuzz_good(csb__mount_check_host(path, "/home/u", "/home/u/.s", false, &err), err)) {
            MUST(strcmp(path, "/") != 0 && !csb__path_is_within("/home/u", path));
            MUST(fuzz_is_clean(path) && !csb__path_is_within(path, "/home/u/.s"));
        }
    }
    err = NULL;
    if (fuzz_good(csb__mount_check_guest(text, &err), err)) {
        MUST(is_normal(text) && strcmp(text, "/") != 0 && fuzz_is_clean(text));
    }
    err = NULL;
    if (path && fuzz_good(csb__vm_name_for_project(path, max, name, &err), err)) {
        MUST(csb__vm_name_valid(name) && strlen(name) <= max);
    }
    return 0;
}
