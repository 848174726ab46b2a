/* csb-guest: chooses the applet, by its own name or by the first argument. */
#include "guest.h"

#include <string.h>

static const struct {
    const char *name;
    int (*run)(void);
} applets[] = {
    {"init", applet_init},
    {"boot", applet_boot},
    {"agent", applet_agent},
    {"door", applet_door},
};

int main(int argc, char **argv) {
    const char *name = argc > 0 ? argv[0] : "";
    const char *slash = strrchr(name, '/');

    name = slash ? slash + 1 : name;
    if (strcmp(name, "init") != 0 && argc > 1) {
        name = argv[1];
    }
    if (strcmp(name, "keeper") == 0 && argc > 1) {
        return applet_keeper(argc - 2, argv + 2);
    }
    for (size_t i = 0; i < sizeof applets / sizeof *applets; i++) {
        if (strcmp(name, applets[i].name) == 0) {
            return applets[i].run();
        }
    }
    fputs("usage: csb-guest init|boot|agent|door|keeper\n", stderr);
    return 2;
}
