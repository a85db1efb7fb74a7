/* Key files, ZAP's questions, and the list of what was refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "runtime/keyring.h"
#include "runtime/rebuff.h"
#include "runtime/zap.h"

static char folder[64], path[128];
static struct keyring *keyring;
static struct buffer why;

static void set_up(void) {
    strcpy(folder, "/tmp/vectron-test-keys-XXXXXX");
    cr_assert(mkdtemp(folder));
    buffer_init(&why);
}

static void tear_down(void) {
    char command[128];
    keyring_free(keyring);
    buffer_free(&why);
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(keyring, .init = set_up, .fini = tear_down);

static const char *in_folder(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text) {
    FILE *file = fopen(in_folder(name), "w");
    cr_assert(file && fputs(text, file) >= 0);
    fclose(file);
}

static bool says(const char *words) {
    buffer_append(&why, "", 1);
    return strstr((char *)why.data, words);
}

static enum status load(const char *own, const char *allowed) {
    char own_path[128], allowed_path[128];
    strcpy(own_path, in_folder(own));
    strcpy(allowed_path, in_folder(allowed));
    buffer_clear(&why);
    return keyring_load(&(struct keyring_paths){own_path, allowed_path}, &keyring, &why);
}

Test(keyring, makes_a_file_for_its_owner_only) {
    char key[KEY_TEXT + 1], line[128];
    struct stat facts;
    cr_assert_eq(keyring_make("worker1", in_folder("a.key"), key, &why), STATUS_OK);
    cr_assert_eq(stat(path, &facts), 0);
    cr_expect_eq(facts.st_mode & 0777, 0600);
    snprintf(line, sizeof line, "# all of us\n\n  worker1\t%s \r\n", key);
    write_file("allowed", line);
    cr_assert_eq(load("a.key", "allowed"), STATUS_OK, "%s", why.data);
    cr_expect_str_eq(keyring_name(keyring), "worker1");
    cr_expect_str_eq(keyring_public(keyring), key);
    cr_expect_str_eq(keyring_who(keyring, key), "worker1");
    char derived[KEY_TEXT + 1];
    cr_assert_eq(zmq_curve_public(derived, keyring_secret(keyring)), 0);
    cr_expect_str_eq(derived, key);
}

Test(keyring, never_overwrites_a_key) {
    char first[KEY_TEXT + 1], second[KEY_TEXT + 1];
    cr_assert_eq(keyring_make("a", in_folder("a.key"), first, &why), STATUS_OK);
    cr_assert_eq(keyring_make("a", in_folder("a.key"), second, &why), STATUS_EXISTS);
    cr_expect(says("never overwritten"));
    write_file("allowed", "");
    cr_assert_eq(load("a.key", "allowed"), STATUS_OK);
    cr_expect_str_eq(keyring_public(keyring), first);
}

Test(keyring, refuses_a_key_that_others_may_read) {
    char key[KEY_TEXT + 1];
    write_file("allowed", "");
    cr_assert_eq(keyring_make("a", in_folder("a.key"), key, &why), STATUS_OK);
    chmod(path, 0640);
    cr_assert_eq(load("a.key", "allowed"), STATUS_DENIED);
    cr_expect(says("chmod 600"));
}

Test(keyring, names_the_file_that_is_not_there) {
    char key[KEY_TEXT + 1];
    cr_assert_eq(load("a.key", "allowed"), STATUS_NOT_FOUND);
    cr_expect(says("a.key"));
    cr_assert_eq(keyring_make("a", in_folder("a.key"), key, &why), STATUS_OK);
    cr_assert_eq(load("a.key", "allowed"), STATUS_NOT_FOUND);
    cr_expect(says("allowed"));
}

Test(keyring, reads_a_folder_and_several_keys_of_a_node) {
    char own[KEY_TEXT + 1], keys[2][KEY_TEXT + 1], secret[KEY_TEXT + 1], text[256];
    cr_assert_eq(keyring_make("a", in_folder("a.key"), own, &why), STATUS_OK);
    mkdir(in_folder("nodes"), 0700);
    for (int i = 0; i < 2; i++) {
        char name[32];
        zmq_curve_keypair(keys[i], secret);
        snprintf(text, sizeof text, "b %s\nb %s\n", keys[i], keys[i]);
        snprintf(name, sizeof name, "nodes/%d.pub", i);
        write_file(name, text);
    }
    write_file("nodes/README", "not a key");
    cr_assert_eq(load("a.key", "nodes"), STATUS_OK, "%s", why.data);
    cr_expect_eq(keyring_count(keyring), 2, "a repeated line is one key");
    const char *first = keyring_key(keyring, "b", 0), *second = keyring_key(keyring, "b", 1);
    cr_expect_str_neq(first, second);
    cr_expect_str_eq(keyring_key(keyring, "b", 2), first);
    cr_expect_null(keyring_key(keyring, "c", 0));
    cr_expect_null(keyring_who(keyring, own));
}

#define Z85        "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7" /* of RFC 26's test */
#define OWN_SECRET "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
static const struct {
    const char *own, *allowed;
    const char *words;
} wrong[] = {
    {"", "", "is missing"},
    {"name a\npublic " Z85 "\n", "", "is missing"},
    {"name a b\n", "", "line 1"},
    {"\nname a\npublic short\n", "", "line 3"},
    {"name ../a\n", "", "line 1"},
    {"colour red\n", "", "line 1"},
    {"name a\npublic Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\nsecret " OWN_SECRET "\n", "",
     "not of one pair"},
    {NULL, "a\n", "line 1"},
    {NULL, "# fine\na " Z85 " more\n", "line 2"},
    {NULL, "a \"q:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\n", "line 1"},
    {NULL, "a!b " Z85 "\n", "line 1"},
    {NULL, "a " Z85 "\nb " Z85 "\n", "also that of a"},
};

Test(keyring, tells_what_is_wrong_and_where) {
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char own[512], allowed[512];
        const char *fine = "name a\npublic " Z85 "\nsecret " OWN_SECRET "\n";
        snprintf(own, sizeof own, "%s", wrong[i].own ? wrong[i].own : fine);
        snprintf(allowed, sizeof allowed, "%s", wrong[i].allowed);
        buffer_clear(&why);
        cr_expect_eq(keyring_read(own, allowed, &keyring, &why), STATUS_INVALID, "row %zu", i);
        cr_expect(says(wrong[i].words), "row %zu: %s", i, why.data);
        cr_expect_not(says(OWN_SECRET), "row %zu tells the secret", i);
        cr_expect_null(strstr(own, "JTKVSB"), "row %zu: the secret is still in memory", i);
    }
}

Test(keyring, names_are_plain) {
    char key[KEY_TEXT + 1], longest[KEYRING_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    const char *const bad[] = {"", "a b", "a/b", "a@b", "é", longest};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(keyring_make(bad[i], in_folder("x"), key, &why), STATUS_INVALID, "%zu", i);
    cr_expect_eq(access(in_folder("x"), F_OK), -1);
    cr_expect_eq(keyring_make(longest + 1, in_folder("x"), key, &why), STATUS_OK);
}

/* --- zap --- */

#define FRAME(text) \
    { text, sizeof text - 1 }
static const char raw_key[KEY_BYTES] = {1, 2, 3};
static const struct zap_frame question[ZAP_FRAMES] = {
    FRAME("1.0"), FRAME("id"),    FRAME("vectron"),     FRAME("10.0.0.9"),
    FRAME(""),    FRAME("CURVE"), {raw_key, KEY_BYTES},
};

Test(zap, reads_a_question) {
    struct zap_request request;
    uint8_t back[KEY_BYTES];
    cr_assert_eq(zap_read(question, ZAP_FRAMES, &request, NULL), STATUS_OK);
    cr_expect_str_eq(request.address, "10.0.0.9");
    cr_assert(zmq_z85_decode(back, request.key));
    cr_expect_arr_eq(back, raw_key, KEY_BYTES);
    cr_expect_eq(request.id.data, question[1].data);
}

Test(zap, shows_no_control_characters) {
    struct zap_frame frames[ZAP_FRAMES];
    struct zap_request request;
    memcpy(frames, question, sizeof frames);
    frames[3] = (struct zap_frame)FRAME("\n\x1b[2Jx");
    cr_assert_eq(zap_read(frames, ZAP_FRAMES, &request, NULL), STATUS_OK);
    cr_expect_str_eq(request.address, "??[2Jx");
    char long_address[300];
    memset(long_address, '9', sizeof long_address);
    frames[3] = (struct zap_frame){long_address, sizeof long_address};
    cr_assert_eq(zap_read(frames, ZAP_FRAMES, &request, NULL), STATUS_OK);
    cr_expect_eq(strlen(request.address), ZAP_ADDRESS_MAX);
}

static const struct {
    size_t at;
    struct zap_frame frame;
    const char *words;
} bad_frames[] = {
    {0, FRAME("2.0"), "version"},      {0, FRAME(""), "version"},
    {2, FRAME("global"), "domain"},    {5, FRAME("PLAIN"), "mechanism"},
    {5, FRAME("CURVE2"), "mechanism"}, {6, FRAME("short"), "32 bytes"},
};

Test(zap, refuses_what_is_not_a_question_of_ours) {
    struct zap_request request;
    const char *words = NULL;
    for (size_t i = 0; i < sizeof bad_frames / sizeof *bad_frames; i++) {
        struct zap_frame frames[ZAP_FRAMES];
        memcpy(frames, question, sizeof frames);
        frames[bad_frames[i].at] = bad_frames[i].frame;
        cr_expect_eq(zap_read(frames, ZAP_FRAMES, &request, &words), STATUS_INVALID, "%zu", i);
        cr_expect(strstr(words, bad_frames[i].words), "row %zu: %s", i, words);
    }
    for (size_t n = 0; n < ZAP_FRAMES; n++)
        cr_expect_eq(zap_read(question, n, &request, NULL), STATUS_INVALID);
    cr_expect_eq(zap_read(question, ZAP_FRAMES + 1, &request, NULL), STATUS_INVALID);
}

Test(zap, answers_with_the_key_as_user) {
    struct zap_frame answer[ZAP_ANSWER_FRAMES];
    zap_answer(&question[1], Z85, answer);
    cr_expect_arr_eq(answer[2].data, "200", 3);
    cr_expect_eq(answer[4].size, KEY_TEXT);
    cr_expect_eq(answer[1].data, question[1].data);
    zap_answer(&question[1], NULL, answer);
    cr_expect_arr_eq(answer[2].data, "400", 3);
    cr_expect_eq(answer[4].size, 0);
}

/* --- rebuffs --- */

static struct rebuffs rebuffs;

static const struct rebuff *add(const char *address, enum rebuff_cause cause, uint64_t at_us) {
    struct rebuff what = {.cause = cause, .curve = true};
    snprintf(what.address, sizeof what.address, "%s", address);
    return rebuffs_add(&rebuffs, &what, at_us);
}

Test(rebuff, is_told_once_and_again_after_a_while) {
    const struct rebuff *told = add("tcp://a@h:1", REBUFF_KEY, 1);
    cr_assert(told);
    cr_expect_eq(told->count, 1);
    for (uint64_t i = 2; i < 1000; i++)
        cr_expect_null(add("tcp://a@h:1", REBUFF_KEY, i));
    cr_expect(add("tcp://a@h:1", REBUFF_MECHANISM, 1000), "another cause is news");
    told = add("tcp://a@h:1", REBUFF_KEY, 1 + REBUFF_TELL_US);
    cr_assert(told);
    cr_expect_eq(told->count, 1000);
    cr_expect_eq(rebuffs.outgoing, 1001);
}

Test(rebuff, a_flood_fills_neither_memory_nor_log) {
    unsigned told = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        char address[32];
        snprintf(address, sizeof address, "10.0.%d.%d", (int)(i / 256), (int)(i % 256));
        told += add(address, REBUFF_KEY, 1 + i) != NULL;
    }
    cr_expect_eq(told, REBUFFS_TOLD_MAX);
    cr_expect_eq(rebuffs.n, REBUFFS_MAX);
    cr_expect_eq(rebuffs.outgoing, 10000);
    cr_expect_str_eq(rebuffs_last(&rebuffs, false, NULL)->address, "10.0.39.15");
    cr_expect_null(rebuffs_last(&rebuffs, true, NULL));
}

Test(rebuff, says_what_to_do) {
    for (int incoming = 0; incoming < 2; incoming++)
        for (int cause = 0; cause < REBUFF_CAUSES; cause++)
            for (int curve = 0; curve < 2; curve++) {
                struct rebuff what = {.incoming = incoming, .cause = cause, .curve = curve};
                struct buffer words;
                buffer_init(&words);
                rebuff_words(&what, NULL, &words);
                cr_expect_gt(words.size, 20);
                buffer_free(&words);
            }
}
