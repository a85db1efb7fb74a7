/* vectron version. */
#include <curl/curl.h>
#include <hdf5.h>
#include <openssl/crypto.h>
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <zlib.h>

#include "cli/command.h"
#include "runtime/node.h"

static const struct args_flag flags[] = {
    {"json", NULL, "as JSON"},
    {0},
};

/* A library that tells its version when asked, so that it is the one that runs. */
struct library {
    const char *name, *version;
};

enum { LIBRARIES = 6, NUMBERS_MAX = 48 };

static void
find_libraries(struct library out[LIBRARIES], char zmq[NUMBERS_MAX], char hdf5[NUMBERS_MAX]) {
    unsigned major, minor, patch;
    node_zmq_version(&major, &minor, &patch);
    snprintf(zmq, NUMBERS_MAX, "%u.%u.%u", major, minor, patch);
    H5get_libversion(&major, &minor, &patch);
    snprintf(hdf5, NUMBERS_MAX, "%u.%u.%u", major, minor, patch);
    const struct library found[LIBRARIES] = {
        {"ZeroMQ", zmq},
        {"protobuf-c", protobuf_c_version()},
        {"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING)},
        {"curl", curl_version_info(CURLVERSION_NOW)->version},
        {"zlib", zlibVersion()},
        {"HDF5", hdf5},
    };
    for (unsigned i = 0; i < LIBRARIES; i++)
        out[i] = found[i];
}

static int run(const struct args *args) {
    struct library libraries[LIBRARIES];
    char zmq[NUMBERS_MAX], hdf5[NUMBERS_MAX];
    bool json = args_on(args, "json");
    find_libraries(libraries, zmq, hdf5);
    printf(json ? "{\"version\":\"%s\",\"libraries\":{" : "vectron %s\n", VECTRON_VERSION);
    for (unsigned i = 0; i < LIBRARIES; i++) {
        const struct library *library = &libraries[i];
        if (json)
            printf("%s\"%s\":\"%s\"", i ? "," : "", library->name, library->version);
        else
            printf("  %-12s%s\n", library->name, library->version);
    }
    if (json) puts("}}");
    return EXIT_OK;
}

const struct command command_version = {
    .name = "version",
    .arguments = "",
    .summary = "what this is, and the libraries it runs with",
    .flags = flags,
    .run = run,
};
