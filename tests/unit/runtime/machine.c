/* What a process may use: control groups of both versions, as files of our own. */
#include "runtime/machine.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "runtime/watermark.h"

enum { RAM = 1000000 };

static char root[64];

/* Writes root/path, with the folders it needs. */
static void put(const char *path, const char *text) {
    char full[256];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(full, 0700);
        *at = '/';
    }
    FILE *file = fopen(full, "w");
    cr_assert(file, "%s", full);
    fputs(text, file);
    fclose(file);
}

static struct machine_group look(const char *groups) {
    static char groups_path[128], cgroup_path[128];
    struct machine_group group;
    put("groups", groups);
    snprintf(groups_path, sizeof groups_path, "%s/groups", root);
    snprintf(cgroup_path, sizeof cgroup_path, "%s/cgroup", root);
    machine_group(&(struct machine_files){groups_path, cgroup_path, RAM}, &group);
    return group;
}

static void set_up(void) {
    snprintf(root, sizeof root, "/tmp/vectron-machine-XXXXXX");
    cr_assert(mkdtemp(root));
}

static void tear_down(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    cr_assert(system(command) == 0);
}

TestSuite(machine, .init = set_up, .fini = tear_down);

Test(machine, finds_the_tightest_limit_of_its_group_and_those_above) {
    put("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("cgroup/memory/a/memory.limit_in_bytes", "2000\n");
    put("cgroup/memory/a/b/memory.limit_in_bytes", "3000\n");
    put("cgroup/u/memory.max", "max\n");
    put("cgroup/u/v/memory.max", "700\n");
    put("cgroup/memory.max", "900\n"); /* of the root, as a container sees its own group */
    static const struct {
        const char *name, *groups, *folder;
        uint64_t limit;
        bool first;
    } rows[] = {
        {"v1, above", "7:cpu,cpuacct:/x\n4:memory:/a/b\n", "/cgroup/memory/a", 2000, true},
        {"v1, own", "4:hugetlb,memory:/a\n", "/cgroup/memory/a", 2000, true},
        {"v1, none", "4:memory:/\n", "", RAM, false},
        {"v1, group of the outside", "4:memory:/docker/ab/c\n", "", RAM, false},
        {"v2, own", "0::/u/v\n", "/cgroup/u/v", 700, false},
        {"v2, above", "0::/u\n", "/cgroup", 900, false},
        {"v2, group of the outside", "0::/docker/ab\n", "/cgroup", 900, false},
        {"both, the tighter", "4:memory:/a\n0::/u/v\n", "/cgroup/u/v", 700, false},
        {"colons in the path", "4:memory:/a:b/../a\n", "", RAM, false},
        {"another controller", "4:memory2,xmemory:/a\n", "", RAM, false},
        {"no lines", "", "", RAM, false},
        {"odd lines", "4\n:\n4:memory\n", "", RAM, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct machine_group group = look(rows[i].groups);
        const char *folder = group.path[0] ? group.path + strlen(root) : "";
        cr_expect_str_eq(folder, rows[i].folder, "%s: %s", rows[i].name, folder);
        cr_expect_eq(group.limit, rows[i].limit, "%s", rows[i].name);
        cr_expect_eq(group.first, rows[i].first, "%s", rows[i].name);
    }
}

Test(machine, does_not_count_what_a_group_has_in_its_page_cache) {
    uint64_t used;
    put("cgroup/memory/a/memory.limit_in_bytes", "2000");
    struct machine_group group = look("4:memory:/a\n");
    cr_expect(!machine_group_used(&group, &used));
    put("cgroup/memory/a/memory.usage_in_bytes", "1500\n");
    put("cgroup/memory/a/memory.stat",
        "cache 1\ninactive_file 1\nactive_file 1\ntotal_inactive_file 100\ntotal_active_file 300\n");
    cr_assert(machine_group_used(&group, &used));
    cr_expect_eq(used, 1100);

    put("cgroup/u/memory.max", "700");
    group = look("0::/u\n");
    put("cgroup/u/memory.current", "600\n");
    put("cgroup/u/memory.stat", "anon 5\ninactive_file 10\nactive_file 20\nslab_reclaimable 30\n");
    cr_assert(machine_group_used(&group, &used));
    cr_expect_eq(used, 540);
    put("cgroup/u/memory.stat", "inactive_file 1000\n");
    cr_assert(machine_group_used(&group, &used));
    cr_expect_eq(used, 0, "the two files are read at different moments");
}

Test(machine, sees_memory_come_and_go) {
    enum { SIZE = 64 << 20 };
    uint64_t before, with, after;
    cr_assert(machine_cores() >= 1);
    cr_assert(machine_memory() >= SIZE);
    cr_assert(machine_used(&before));
    /* Not malloc: sanitizers keep freed memory for a while. */
    char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(memory != MAP_FAILED);
    memset(memory, 1, SIZE);
    cr_assert(machine_used(&with));
    cr_expect(memory[SIZE / 2] == 1 && with >= before + SIZE / 2);
    munmap(memory, SIZE);
    cr_assert(machine_used(&after));
    cr_expect(after <= with - SIZE / 2);
}

Test(watermark, is_not_there_until_it_is_set) {
    struct watermark mark = watermark_now();
    cr_expect_eq(mark.limit, 0);
    cr_expect_eq(watermark_room(&mark), UINT64_MAX);
}

Test(watermark, counts_what_is_promised_and_is_at_most_the_machines) {
    uint64_t memory = machine_memory();
    watermark_set(UINT64_MAX);
    struct watermark mark = watermark_now();
    cr_expect_eq(mark.limit, memory / 100 * WATERMARK_MOST_PERCENT);
    cr_expect(mark.used > 0);
    watermark_promise((int64_t)mark.limit);
    mark = watermark_now();
    cr_expect_eq(watermark_room(&mark), 0);
    watermark_promise(-(int64_t)mark.limit);
    mark = watermark_now();
    cr_expect(watermark_room(&mark) > 0);
}

Test(watermark, is_a_share_of_the_machine_by_itself) {
    watermark_set(0);
    cr_expect_eq(watermark_now().limit, machine_memory() / 100 * WATERMARK_PERCENT);
}
