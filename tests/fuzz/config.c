/* SPDX-License-Identifier: MIT */
/* The settings of the hooks server, as somebody writes them. */
#include "config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct config before;
    struct config c;
    char why[200] = "";

    memset(&before, 0, sizeof(before)); /* for memcmp(): what is between its members */
    config_defaults(&before);
    memcpy(&c, &before, sizeof(c));
    if (!config_parse((const char *)data, size, &c, why, sizeof(why))) {
        MUST(*why && strlen(why) < sizeof(why) && memcmp(&c, &before, sizeof(c)) == 0);
        return 0;
    }
    MUST(c.quiet_from >= -1 && c.quiet_from < 24 * 60 && c.quiet_to < 24 * 60);
    MUST(c.log_size > 0 && c.log_files > 0);
    for (int i = 0; i < N_EVENTS; i++) {
        MUST(c.events[i].urgency >= URGENCY_LOW && c.events[i].urgency <= URGENCY_CRITICAL);
        MUST(strlen(c.events[i].sound) < CONFIG_SOUND_MAX && fuzz_is_clean(c.events[i].sound));
    }
    return 0;
}
