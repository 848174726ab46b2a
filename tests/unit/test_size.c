/* SPDX-License-Identifier: MIT */
#include "model/size.h"

#include <claudesandbox/vm.h>

#include "support.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define GIB (MIB * KIB)
#define TIB (GIB * KIB)

START_TEST(sizes_as_people_write_them) {
    static const struct {
        const char *text;
        uint64_t bytes;
    } table[] = {
        {"1", 1},
        {"1b", 1},
        {"2147483648", 2 * GIB},
        {"4GiB", 4 * GIB},
        {"4gib", 4 * GIB},
        {"4G", 4 * GIB},
        {"4 GB", 4 * GIB},
        {"512M", 512 * MIB},
        {"512MiB", 512 * MIB},
        {"3k", 3 * KIB},
        {"3KiB", 3 * KIB},
        {"1.5GiB", GIB + GIB / 2},
        {"1.5G", GIB + GIB / 2},
        {"0.5K", 512},
        {"0.001K", 1},
        {"1.125T", TIB + TIB / 8},
        {"2T", 2 * TIB},
        {"007M", 7 * MIB},
        {"4194T", 4194 * TIB},
        {"1125899906842624", 1024 * TIB},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CSB__AUTOERROR csb_error *e = NULL;
        uint64_t bytes = 0;

        ck_assert_msg(csb__size_parse(table[i].text, &bytes, &e) == 0, "%s: %s", table[i].text,
                      csb_error_message(e));
        ck_assert_msg(bytes == table[i].bytes, "%s is %ju", table[i].text, (uintmax_t)bytes);
        bytes = 0;
        ck_assert_int_eq(csb_size_parse(table[i].text, &bytes, NULL), 0);
        ck_assert_uint_eq(bytes, table[i].bytes);
    }
}
END_TEST

START_TEST(everything_else_is_refused) {
    static const char *const table[] = {
        "",
        " ",
        "lots",
        "0",
        "0GiB",
        "0.0G",
        "-1",
        "+1",
        "-1G",
        "1e9",
        "0x10",
        "1.G",
        ".5G",
        "1.",
        "1.2345G",
        "1..5G",
        "1,5G",
        "4GiBs",
        "4G ",
        " 4G",
        "4\tG",
        "4G\n",
        "4iB",
        "4P",
        "4EiB",
        "GiB",
        "nan",
        "inf",
        "4G,readonly=off",
        "4G -device x",
        "$(id)",
        "4G;reboot",
        "4G'",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
        "1125899906842625",
        "4195T",
        "999999999999T",
        "0.0001K",
        "0.0009765G0",
        "\xff",
        "4\xffG",
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CSB__AUTOERROR csb_error *e = NULL;
        uint64_t bytes = 42;

        ck_assert_msg(csb__size_parse(table[i], &bytes, &e) == CSB_EINVAL, "accepted: %s",
                      table[i]);
        ck_assert_uint_eq(bytes, 42);
        test_check_error(e, CSB_EINVAL, "is not a size");
    }
}
END_TEST

START_TEST(less_than_a_byte) {
    CSB__AUTOERROR csb_error *e = NULL;
    uint64_t bytes;

    ck_assert_int_eq(csb__size_parse("0.001", &bytes, &e), CSB_EINVAL);
    ck_assert_int_eq(csb__size_parse("0.999b", &bytes, NULL), CSB_EINVAL);
}
END_TEST

Suite *size_suite(void);
Suite *size_suite(void) {
    Suite *s = suite_create("size");
    TCase *tc = test_case(s, "size");

    tcase_add_test(tc, sizes_as_people_write_them);
    tcase_add_test(tc, everything_else_is_refused);
    tcase_add_test(tc, less_than_a_byte);
    return s;
}
