/* vectron version. */
#include <curl/curl.h>
#include <hdf5.h>
#include <zlib.h>
#include <zmq.h>

#include "cli/command.h"

static const struct args_flag flags[] = {
    {"json", NULL, "as JSON"},
    {0},
};

static int run(const struct args *args) {
    int major, minor, patch;
    unsigned hdf_major, hdf_minor, hdf_patch;
    zmq_version(&major, &minor, &patch);
    H5get_libversion(&hdf_major, &hdf_minor, &hdf_patch);
    const char *curl = curl_version_info(CURLVERSION_NOW)->version;
    if (args_on(args, "json"))
        printf(
            "{\"version\":\"%s\",\"zeromq\":\"%d.%d.%d\",\"curl\":\"%s\",\"zlib\":\"%s\",\"hdf5\":\"%u.%u.%u\"}\n",
            VECTRON_VERSION, major, minor, patch, curl, zlibVersion(), hdf_major, hdf_minor,
            hdf_patch);
    else
        printf("vectron %s (ZeroMQ %d.%d.%d, curl %s, zlib %s, HDF5 %u.%u.%u)\n", VECTRON_VERSION,
               major, minor, patch, curl, zlibVersion(), hdf_major, hdf_minor, hdf_patch);
    return EXIT_OK;
}

const struct command command_version = {
    .name = "version",
    .arguments = "",
    .summary = "what this is, and the libraries it runs with",
    .flags = flags,
    .run = run,
};
