/* cluster.toml and what is made of it; how often and how soon a process may be restarted; lines of
 * output. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/supervise/allowance.h"
#include "cli/supervise/cage.h"
#include "cli/supervise/cluster.h"
#include "cli/supervise/output.h"

static struct cluster *cluster;
static struct buffer why;

static void set_up(void) {
    buffer_init(&why);
}

static void tear_down(void) {
    cluster_free(cluster);
    cluster = NULL;
    buffer_free(&why);
}

TestSuite(cluster, .init = set_up, .fini = tear_down);

static enum status read_text(const char *text) {
    cluster_free(cluster);
    cluster = NULL;
    buffer_clear(&why);
    enum status s = cluster_read(text, strlen(text), "/bin/vectron", &cluster, &why);
    buffer_append(&why, "", 1);
    return s;
}

static const struct {
    const char *mounts, *groups, *controller;
    const char *folder; /* NULL: none */
    bool second;
} places[] = {
    {"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n",
     "4:memory:/a/b\n0::/\n", "memory", "/sys/fs/cgroup/memory/a/b", false},
    {"35 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
     "3:cpu,cpuacct:/\n", "cpu", "/sys/fs/cgroup/cpu,cpuacct", false},
    {"1 2 0:3 / / rw - ext4 /dev/a rw\n29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
     "0::/system.slice/vectron-supervise.service\n", "cpu",
     "/sys/fs/cgroup/system.slice/vectron-supervise.service", true},
    {"29 23 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/docker/x\n", "memory",
     "/sys/fs/cgroup", true},
    {"29 23 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/docker/x/y\n", "memory",
     "/sys/fs/cgroup/y", true},
    {"33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n", "2:cpuacct:/\n", "cpu",
     NULL, false},
    {"", "", "memory", NULL, false},
    {"35 31 0:32 /", "4:memory", "memory", NULL, false},
};

Test(cage, finds_our_group) {
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct cage_place place;
        bool found = cage_find(places[i].mounts, places[i].groups, places[i].controller, &place);
        cr_expect_eq(found, places[i].folder != NULL, "row %zu", i);
        if (!found || !places[i].folder) continue;
        cr_expect_str_eq(place.folder, places[i].folder, "row %zu", i);
        cr_expect_eq(place.second, places[i].second, "row %zu", i);
    }
}

Test(cluster, fills_instances_in) {
    cr_assert_eq(
        read_text("[process.worker]\n"
                  "role = \"worker\"\n"
                  "count = 3\n"
                  "args = [\"--raft-addr\", \"127.0.0.1:{9190+n}\", \"{name}-{n}\", \"{{x}\"]\n"
                  "folder = \"/data/{name}\"\n"
                  "cpus = [\"0-1\", \"2,4\"]\n"
                  "[process.worker.environment]\n"
                  "VECTRON_ZONE = \"z{n}\"\n"),
        STATUS_OK, "%s", why.data);
    cr_assert_eq(cluster->n, 3);
    const struct cluster_process *second = &cluster->processes[1];
    cr_expect_str_eq(second->name, "worker2");
    cr_expect_str_eq(second->group, "worker");
    const char *const argv[] = {"/bin/vectron",   "worker",    "--raft-addr",
                                "127.0.0.1:9192", "worker2-2", "{x}"};
    for (size_t i = 0; i < 6; i++)
        cr_expect_str_eq(second->argv[i], argv[i]);
    cr_expect_null(second->argv[6]);
    cr_expect_str_eq(second->environment[0], "VECTRON_ZONE=z2");
    cr_expect_str_eq(second->folder, "/data/worker2");
    cr_expect(second->pinned && CPU_ISSET(4, &second->cpus) && !CPU_ISSET(3, &second->cpus));
    cr_expect(CPU_ISSET(1, &cluster->processes[2].cpus), "lists of cores go round");
}

Test(cluster, a_single_one_has_no_number) {
    cr_assert_eq(read_text("[process.pd]\nrole = \"pd\"\n"), STATUS_OK, "%s", why.data);
    const struct cluster_process *pd = &cluster->processes[0];
    cr_expect_str_eq(pd->name, "pd");
    cr_expect_eq(pd->restart, RESTART_PERMANENT);
    cr_expect_eq(pd->intensity, 5);
    cr_expect_eq(pd->period_ms, 60000);
    cr_expect_eq(pd->ready, CLUSTER_NOTIFY);
    cr_expect_not(pd->pinned);
    cr_expect_str_eq(cluster->link, "ipc://vectron-data/supervisor/link.ipc");
}

Test(cluster, defaults_are_for_all_and_yield) {
    cr_assert_eq(read_text("[supervisor]\nlink = \"none\"\n"
                           "[defaults]\nintensity = 2\nperiod = \"30s\"\nmemory = \"1GB\"\n"
                           "[process.a]\ncommand = [\"true\"]\nready = \"spawned\"\n"
                           "restart = \"transient\"\n"
                           "[process.b]\ncommand = [\"true\", \"x\"]\nintensity = 0\n"),
                 STATUS_OK, "%s", why.data);
    cr_expect_str_eq(cluster->link, "none");
    const struct cluster_process *a = &cluster->processes[0], *b = &cluster->processes[1];
    cr_expect_eq(a->intensity, 2);
    cr_expect_eq(a->period_ms, 30000);
    cr_expect_eq(a->memory, UINT64_C(1) << 30);
    cr_expect_eq(a->ready, CLUSTER_SPAWNED);
    cr_expect_eq(a->restart, RESTART_TRANSIENT);
    cr_expect_eq(b->intensity, 0);
    cr_expect_str_eq(b->argv[1], "x");
}

Test(cluster, after_names_groups_and_processes) {
    cr_assert_eq(read_text("[process.gateway]\nrole = \"gateway\"\nafter = [\"pd\", \"worker\"]\n"
                           "[process.worker]\nrole = \"worker\"\ncount = 2\nafter = [\"pd\"]\n"
                           "[process.pd]\nrole = \"pd\"\n"
                           "[process.late]\ncommand = [\"x\"]\nafter = [\"worker2\"]\n"),
                 STATUS_OK, "%s", why.data);
    cr_expect_str_eq(cluster->processes[0].name, "gateway", "in the order of the file");
    cr_assert_eq(cluster->processes[0].n_after, 3);
    cr_expect_eq(cluster->processes[0].after[0], 3);
    cr_expect_eq(cluster->processes[1].n_after, 1);
    cr_assert_eq(cluster->processes[4].n_after, 1);
    cr_expect_eq(cluster->processes[4].after[0], 2);
}

#define PD "[process.pd]\nrole = \"pd\"\n"
static const struct {
    const char *text;
    const char *line; /* NULL: any */
    const char *words;
} wrong[] = {
    {"", NULL, "[process.NAME]"},
    {"a b", "line 1", ""},
    {"[process.pd]\nrole = \n", "line 2", ""},
    {PD "role = \"pd\"\n", "line 3", ""},
    {PD "rol = \"pd\"\n", "line 3, process.pd.rol", "did you mean role?"},
    {"[proces.pd]\n", "line 1, proces", "did you mean process?"},
    {"[supervisor]\nlnk = \"x\"\n" PD, "line 2, supervisor.lnk", "did you mean link?"},
    {"[supervisor]\nlink = 1\n" PD, "line 2, supervisor.link", "text in quotes"},
    {"supervisor = 1\n" PD, "line 1, supervisor", "table"},
    {"[defaults]\nperiods = \"1s\"\n" PD, "line 2, defaults.periods", "did you mean period?"},
    {"[defaults]\nperiod = \"1\"\n" PD, "line 2, defaults.period", "1s"},
    {"[process.pd]\nrole = \"pdd\"\n", "line 2, process.pd.role", "up pd worker gateway"},
    {"[process.pd]\n", "line 1, process.pd", "either role"},
    {PD "command = [\"x\"]\n", "line 1, process.pd", "either role"},
    {PD "command = \"x\"\n", "line 3, process.pd.command", "list of texts"},
    {PD "args = [1]\n", "line 3, process.pd.args", "list of texts"},
    {PD "count = 0\n", "line 3, process.pd.count", "1 to 256"},
    {PD "count = \"2\"\n", "line 3, process.pd.count", "number"},
    {PD "count = 257\n", "line 3, process.pd.count", "1 to 256"},
    {PD "intensity = 101\n", "line 3, process.pd.intensity", "0 to 100"},
    {PD "restart = \"sometimes\"\n", "line 3, process.pd.restart", "permanent transient temporary"},
    {PD "period = 5\n", "line 3, process.pd.period", "duration in quotes"},
    {PD "period = \"soon\"\n", "line 3, process.pd.period", "\"soon\" is not a duration"},
    {PD "memory = \"much\"\n", "line 3, process.pd.memory", "not a size"},
    {PD "environment = [\"A=1\"]\n", "line 3, process.pd.environment", "by name"},
    {PD "cpus = \"a\"\n", "line 3, process.pd.cpus", "0-3,8"},
    {PD "cpus = \"3-1\"\n", "line 3, process.pd.cpus", "0-3,8"},
    {PD "cpus = []\n", "line 1, process.pd", "empty"},
    {PD "readyz = \"ftp://x\"\n", "line 1, process.pd", "http://"},
    {PD "args = [\"{m}\"]\n", "line 1, process.pd", "{NUMBER+n}"},
    {PD "args = [\"{n\"]\n", "line 1, process.pd", "{NUMBER+n}"},
    {PD "after = [\"worker\"]\n", "line 3, process.pd.after", "no other process \"worker\""},
    {PD "after = [\"pd\"]\n", "line 1, process.pd.after", "circle"},
    {PD "after = [\"a\"]\n[process.a]\nrole = \"up\"\nafter = [\"pd\"]\n", "process.pd.after",
     "circle"},
    {"[process.a]\nrole = \"up\"\ncount = 2\n[process.a2]\nrole = \"up\"\n", "line 4",
     "two called a2"},
    {"[process.\"a b\"]\nrole = \"up\"\n", "line 1", "letters, digits"},
};

Test(cluster, names_the_line_the_key_and_what_is_allowed) {
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(read_text(wrong[i].text), STATUS_INVALID, "row %zu", i);
        const char *words = (char *)why.data;
        cr_expect(!wrong[i].line || strstr(words, wrong[i].line), "row %zu: %s", i, words);
        cr_expect(strstr(words, wrong[i].words), "row %zu: %s", i, words);
    }
}

Test(cluster, names_the_file) {
    buffer_clear(&why);
    cr_expect_eq(cluster_load("/does/not/exist.toml", "x", &cluster, &why), STATUS_NOT_FOUND);
    cr_expect(strstr((char *)why.data, "/does/not/exist.toml"));
    char path[] = "/tmp/vectron-test-cluster-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, "x", 1), 1);
    close(fd);
    buffer_clear(&why);
    cr_expect_eq(cluster_load(path, "x", &cluster, &why), STATUS_INVALID);
    unlink(path);
    cr_expect(strstr((char *)why.data, path));
}

Test(cluster, reads_lists_of_cores) {
    cpu_set_t cpus;
    cr_assert(cluster_cpus("0-3,8", &cpus));
    cr_expect_eq(CPU_COUNT(&cpus), 5);
    const char *const bad[] = {"", "-1", "1-", "1,", ",1", "1 2", "2-1", "99999", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(cluster_cpus(bad[i], &cpus), "%s", bad[i]);
}

/* --- restarts --- */

enum { MS = 1000 };

static const struct cluster_process thrice = {
    .intensity = 3, .period_ms = 10000, .backoff_ms = 100, .backoff_max_ms = 150};

Test(allowance, the_first_comes_at_once_the_next_ones_later) {
    struct allowance allowance = {.n = 0};
    uint64_t delay = 1;
    cr_assert(allowance_spend(&allowance, &thrice, 1000 * MS, 0, &delay));
    cr_expect_eq(delay, 0);
    for (uint64_t random = 0; random < 1000000; random += 9973) {
        struct allowance again = allowance;
        cr_assert(allowance_spend(&again, &thrice, 1001 * MS, random, &delay));
        cr_expect(delay >= 50 * MS && delay <= 100 * MS, "%lu", (unsigned long)delay);
        cr_assert(allowance_spend(&again, &thrice, 1002 * MS, random, &delay));
        cr_expect(delay >= 75 * MS && delay <= 150 * MS, "%lu", (unsigned long)delay);
    }
}

Test(allowance, is_spent_and_comes_back_with_time) {
    struct allowance allowance = {.n = 0};
    uint64_t delay;
    for (uint64_t i = 0; i < 3; i++)
        cr_assert(allowance_spend(&allowance, &thrice, i * 1000 * MS, 0, &delay));
    cr_expect_not(allowance_spend(&allowance, &thrice, 9999 * MS, 0, &delay));
    cr_expect_eq(allowance_spent(&allowance, &thrice, 9999 * MS), 3);
    cr_expect(allowance_spend(&allowance, &thrice, 10000 * MS, 0, &delay), "the first is old");
    cr_expect_not(allowance_spend(&allowance, &thrice, 10001 * MS, 0, &delay));
}

Test(allowance, none_means_none) {
    struct allowance allowance = {.n = 0};
    struct cluster_process never = thrice;
    uint64_t delay;
    never.intensity = 0;
    cr_expect_not(allowance_spend(&allowance, &never, 1, 0, &delay));
}

/* --- output --- */

static struct output output = {.name = "pd", .width = 4};

/* What output printed, by a pipe in the place of stdout. */
static const char *printed(const char *text, size_t piece) {
    static char bytes[65536];
    int ends[2], kept = dup(STDOUT_FILENO);
    cr_assert_eq(pipe(ends), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    for (size_t at = 0, size = strlen(text); at < size; at += piece)
        output_take(&output, text + at, size - at < piece ? size - at : piece);
    output_end(&output);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(ends[1]);
    ssize_t n = read(ends[0], bytes, sizeof bytes - 1);
    close(ends[0]);
    bytes[n > 0 ? n : 0] = 0;
    return bytes;
}

Test(output, each_line_has_its_name_however_it_comes) {
    for (size_t piece = 1; piece < 12; piece++)
        cr_expect_str_eq(printed("one\n\ntwo\nrest", piece),
                         "pd   | one\npd   | \npd   | two\npd   | rest\n");
}

Test(output, a_line_without_end_is_cut) {
    static char text[OUTPUT_LINE_MAX + 11];
    memset(text, 'x', sizeof text - 1);
    const char *out = printed(text, 4096);
    cr_expect_eq(strlen(out), OUTPUT_LINE_MAX + 10 + 2 * (strlen("pd   | ") + 1));
}

Test(output, a_reader_that_does_not_read_costs_lines_only) {
    int ends[2], kept = dup(STDOUT_FILENO);
    cr_assert_eq(pipe(ends), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    for (int i = 0; i < 100000; i++)
        output_take(&output, "a line that nobody reads\n", 25);
    dup2(kept, STDOUT_FILENO);
    cr_expect_gt(output.lost, 1000);
}
