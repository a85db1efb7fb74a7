/* vectron version. */
#include <curl/curl.h>
#include <hdf5.h>
#include <zlib.h>

#include "cli/command.h"

static const struct args_flag flags[] = {
    {"json", NULL, "as JSON"},
    {0},
};

static int run(const struct args *args) {
    unsigned hdf_major, hdf_minor, hdf_patch;
    H5get_libversion(&hdf_major, &hdf_minor, &hdf_patch);
    const char *curl = curl_version_info(CURLVERSION_NOW)->version;
    if (args_on(args, "json"))
        printf("{\"version\":\"%s\",\"curl\":\"%s\",\"zlib\":\"%s\",\"hdf5\":\"%u.%u.%u\"}\n",
               VECTRON_VERSION, curl, zlibVersion(), hdf_major, hdf_minor, hdf_patch);
    else
        printf("vectron %s (curl %s, zlib %s, HDF5 %u.%u.%u)\n", VECTRON_VERSION, curl,
               zlibVersion(), hdf_major, hdf_minor, hdf_patch);
    return EXIT_OK;
}

const struct command command_version = {
    .name = "version",
    .arguments = "",
    .summary = "what this is, and the libraries of its commands",
    .flags = flags,
    .run = run,
};
