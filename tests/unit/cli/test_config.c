/* Where a setting's value comes from, and what is warned about. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/config.h"
#include "cli/config_print.h"

static char folder[] = "/tmp/vectron-config-XXXXXX";
static struct buffer warnings, errors;
static struct config *config;

static void set_up(void) {
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    cr_assert(mkdtemp(folder));
    buffer_init(&warnings);
    buffer_init(&errors);
    config = NULL;
}

static void tear_down(void) {
    config_free(config);
    buffer_free(&warnings);
    buffer_free(&errors);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(config, .init = set_up, .fini = tear_down);

static void write_file(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert(file);
    fputs(text, file);
    fclose(file);
}

static enum status load(unsigned role, char *const *environment, const struct args *args) {
    const char *const roots[] = {folder, NULL};
    struct config_source source = {role, environment, roots, args};
    config_free(config);
    config = NULL;
    buffer_clear(&warnings);
    buffer_clear(&errors);
    return config_load(&source, &config, &warnings, &errors);
}
#define LOAD(role, ...) load(role, (char *const[]){__VA_ARGS__, NULL}, NULL)

static bool says(const struct buffer *lines, const char *part) {
    return lines->size && strstr((char *)lines->data, part);
}

static const char *from(const char *name) {
    for (size_t i = 0; i < config_rows(config); i++)
        if (strcmp(config_row(config, i).setting->name, name) == 0)
            return config_row(config, i).from;
    return "?";
}

Test(config, defaults_differ_by_role) {
    cr_assert_eq(LOAD(ROLE_UP, "PATH=/bin"), STATUS_OK);
    cr_expect_eq(config_number(config, "VECTRON_DEFAULT_SHARDS"), 1);
    cr_expect_eq(warnings.size, 0);
    cr_assert_eq(LOAD(ROLE_PD, "PATH=/bin"), STATUS_OK);
    cr_expect_eq(config_number(config, "VECTRON_DEFAULT_SHARDS"), 16);
    cr_expect_str_eq(from("VECTRON_DEFAULT_SHARDS"), "default");
}

Test(config, files_are_read_in_the_order_of_the_contract) {
    write_file("worker.env", "VECTRON_RACK=second\n");
    cr_assert_eq(LOAD(ROLE_WORKER, "A=1"), STATUS_OK);
    cr_expect_str_eq(config_text(config, "VECTRON_RACK"), "second");
    write_file(".env.worker", "VECTRON_RACK=first\n");
    cr_assert_eq(LOAD(ROLE_WORKER, "A=1"), STATUS_OK);
    cr_expect_str_eq(config_text(config, "VECTRON_RACK"), "first",
                     "only the first that exists is read");
    cr_expect(strstr(from("VECTRON_RACK"), ".env.worker:1"));

    write_file("named", "VECTRON_RACK=named\nVECTRON_ZONE=named\nVECTRON_REGION=named\n");
    write_file(
        "general",
        "VECTRON_RACK=general\nVECTRON_ZONE=general\nVECTRON_REGION=general\nPD_ADDRS=pd@h:1\n");
    char named[128], general[128];
    snprintf(named, sizeof named, "WORKER_ENV_FILE=%s/named", folder);
    snprintf(general, sizeof general, "VECTRON_ENV_FILE=%s/general", folder);
    cr_assert_eq(LOAD(ROLE_WORKER, named, general, "VECTRON_REGION=mine"), STATUS_OK);
    cr_expect_str_eq(config_text(config, "VECTRON_RACK"), "first");
    cr_expect_str_eq(config_text(config, "VECTRON_ZONE"), "named");
    cr_expect_str_eq(config_text(config, "VECTRON_REGION"), "mine");
    cr_expect_str_eq(config_text(config, "PD_ADDRS"), "pd@h:1");

    cr_assert_eq(LOAD(ROLE_WORKER, named, general, "VECTRON_REGION=mine", "VECTRON_ENV_OVERRIDE=1"),
                 STATUS_OK);
    cr_expect_str_eq(config_text(config, "VECTRON_RACK"), "general");
    cr_expect_str_eq(config_text(config, "VECTRON_REGION"), "general");
}

Test(config, a_named_file_must_exist) {
    cr_assert_eq(LOAD(ROLE_WORKER, "WORKER_ENV_FILE=/does/not/exist"), STATUS_INVALID);
    cr_expect(says(&errors, "/does/not/exist: No such file"));
}

Test(config, flags_win) {
    struct args args = {.role = ROLE_WORKER};
    args.settings[0] =
        (struct args_setting){setting_by_flag("raft-addr", ROLE_WORKER), "127.0.0.1:5"};
    args.n_settings = 1;
    char *const environment[] = {"VECTRON_LINK=127.0.0.1:6", NULL};
    cr_assert_eq(load(ROLE_WORKER, environment, &args), STATUS_OK);
    cr_expect_str_eq(config_text(config, "VECTRON_LINK"), "127.0.0.1:5");
    cr_expect_str_eq(from("VECTRON_LINK"), "flag");
}

Test(config, mapped_names_count_unless_the_target_is_set) {
    cr_assert_eq(LOAD(ROLE_WORKER, "PLACEMENT_DRIVER=pd@a:1", "PEBBLE_CACHE_MB=64"), STATUS_OK);
    cr_expect_str_eq(config_text(config, "PD_ADDRS"), "pd@a:1");
    cr_expect_eq(config_number(config, "VECTRON_CACHE_MB"), 64 << 20);
    cr_assert_eq(LOAD(ROLE_WORKER, "PLACEMENT_DRIVER=pd@a:1", "PD_ADDRS=pd@b:1"), STATUS_OK);
    cr_expect_str_eq(config_text(config, "PD_ADDRS"), "pd@b:1");
}

Test(config, what_has_no_effect_is_said_once) {
    cr_assert_eq(LOAD(ROLE_GATEWAY, "SEARCH_CACHE_ENABLED=true", "VECTRON_SEGMENT_MIN_FANOUT=2"),
                 STATUS_OK);
    cr_expect(says(&warnings, "SEARCH_CACHE_ENABLED has no effect: there is no search cache"));
    cr_expect_not(says(&warnings, "SEGMENT"), "a worker's setting is no concern of a gateway");
}

Test(config, unknown_names_are_told_with_the_nearest) {
    cr_assert_eq(LOAD(ROLE_UP, "VECTRON_DATA_DIRR=x", "VECTRON_API_SERVICE_HOST=10.0.0.1",
                      "VECTRON_API_PORT_80_TCP=x", "OTHER=1"),
                 STATUS_OK);
    cr_expect_str_eq(
        (char *)warnings.data,
        "VECTRON_DATA_DIRR is unknown (from environment); did you mean VECTRON_DATA_DIR?\n");
    cr_assert_eq(LOAD(ROLE_UP, "VECTRON_DATA_DIRR=x", "VECTRON_STRICT_CONFIG=1"), STATUS_INVALID);
    cr_expect(says(&errors, "VECTRON_DATA_DIRR"));
}

Test(config, bad_values_are_errors) {
    cr_assert_eq(LOAD(ROLE_UP, "VECTRON_IO_LANES=many", "VECTRON_SPIN=perhaps"), STATUS_INVALID);
    cr_expect(says(
        &errors, "VECTRON_IO_LANES: \"many\" is not a whole number (0 to 256), from environment"));
    cr_expect(says(&errors, "VECTRON_SPIN: \"perhaps\" is not 0, 1, true or false"));
}

/* What it would mean for the network is no question yet. */
Test(config, one_bad_value_is_one_error) {
    cr_assert_eq(LOAD(ROLE_GATEWAY, "GRPC_ADDR=999"), STATUS_INVALID);
    cr_expect(says(&errors, "is not host:port"));
    cr_expect_not(says(&errors, "not loopback"));
}

Test(config, open_listeners_need_a_word) {
    cr_assert_eq(LOAD(ROLE_GATEWAY, "GRPC_ADDR=0.0.0.0:8081"), STATUS_INVALID);
    cr_expect(says(&errors, "not loopback"));
    cr_assert_eq(LOAD(ROLE_GATEWAY, "GRPC_ADDR=0.0.0.0:8081", "VECTRON_INSECURE=1"), STATUS_OK);
    cr_expect(says(&warnings, "open to the network"));
    cr_assert_eq(LOAD(ROLE_WORKER, "VECTRON_LINK=tcp://10.0.0.1:1"), STATUS_INVALID);
    cr_assert_eq(LOAD(ROLE_CLIENT, "VECTRON_LINK=10.0.0.1:1"), STATUS_OK);
}

#define KEYS "VECTRON_KEY_FILE=a.key", "VECTRON_ALLOWED_KEYS=allowed"
Test(config, links_beyond_this_machine_need_keys) {
    cr_assert_eq(LOAD(ROLE_WORKER, "VECTRON_LINK=tcp://10.0.0.1:1"), STATUS_INVALID);
    cr_expect(says(&errors, "vectron admin keygen"));
    cr_expect(says(&errors, "VECTRON_INSECURE=1"));
    cr_assert_eq(LOAD(ROLE_WORKER, "VECTRON_LINK=tcp://10.0.0.1:1", "VECTRON_INSECURE=1"),
                 STATUS_OK);
    cr_expect(says(&warnings, "without keys"));
    cr_assert_eq(LOAD(ROLE_WORKER, "VECTRON_LINK=tcp://10.0.0.1:1", KEYS), STATUS_OK);
    cr_expect_not(says(&warnings, "VECTRON_LINK"));
    cr_assert_eq(LOAD(ROLE_WORKER, "PD_ADDRS=127.0.0.1:1, 10.0.0.1:7001", KEYS), STATUS_INVALID);
    cr_expect(says(&errors, "NAME@HOST:PORT"));
    cr_assert_eq(LOAD(ROLE_WORKER, "PD_ADDRS=127.0.0.1:1,pd@10.0.0.1:7001", KEYS), STATUS_OK);
}

Test(config, keys_come_in_twos) {
    cr_assert_eq(LOAD(ROLE_PD, "VECTRON_KEY_FILE=a.key"), STATUS_INVALID);
    cr_expect(says(&errors, "VECTRON_KEY_FILE is set, but not VECTRON_ALLOWED_KEYS"));
    cr_assert_eq(LOAD(ROLE_CLIENT, "VECTRON_KEY_FILE=a.key"), STATUS_INVALID);
    cr_assert_eq(LOAD(ROLE_CLIENT, "VECTRON_ALLOWED_KEYS=a"), STATUS_OK);
    cr_assert_eq(LOAD(ROLE_WORKER, "VECTRON_ALLOWED_KEYS=a"), STATUS_INVALID);
    cr_expect(says(&errors, "VECTRON_ALLOWED_KEYS is set, but not VECTRON_KEY_FILE"));
}

Test(config, secrets_are_not_shown) {
    write_file("vectron.env", "VECTRON_TOKEN=abc # def\n");
    cr_assert_eq(LOAD(ROLE_CLIENT, "A=1"), STATUS_OK);
    cr_expect_str_eq(config_text(config, "VECTRON_TOKEN"), "abc");
    cr_expect(says(&warnings, "the text after '#' was taken as a comment"));
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    config_print_table(config, true, out);
    config_print_json(config, out);
    fclose(out);
    cr_expect_null(strstr(text, "abc"));
    cr_expect(strstr(text, "***"));
    free(text);
}
