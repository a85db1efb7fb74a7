/* What only the double can do: lose power, run full, fail. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/storage/place.h"

Test(kv_memory, power_loss_keeps_a_prefix_of_unsynced_writes) {
    int kept[11] = {0};
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct kv *kv;
        cr_ok(kv_memory_open(&(struct kv_options){.wal = true}, &(struct kv_faults){.seed = seed},
                             &kv));
        put_text(kv, "synced", "1", true);
        for (char key[] = "a"; *key <= 'j'; ++*key)
            put_text(kv, key, "1", false);
        kv_memory_crash(kv);
        const char *left = scan_text(kv, "", "");
        size_t n = strlen(left) / strlen("a=1 ");
        cr_expect_str_eq(get_text(kv, "synced", KV_ANY), "1");
        n -= strlen("synced=1") / strlen("a=1 ");
        cr_assert_leq(n, 10);
        for (size_t i = 0; i < 10; i++) {
            char key[] = {(char)('a' + (int)i), '\0'};
            cr_assert_str_eq(get_text(kv, key, KV_ANY), i < n ? "1" : "-");
        }
        kept[n]++;
        kv_close(kv);
    }
    for (int i = 0; i <= 10; i++)
        cr_expect_gt(kept[i], 0, "never exactly %d writes survived", i);
}

Test(kv_memory, a_sync_makes_everything_before_it_durable) {
    struct kv *kv;
    cr_ok(kv_memory_open(&(struct kv_options){.wal = true}, NULL, &kv));
    put_text(kv, "a", "1", false);
    put_text(kv, "b", "1", true);
    put_text(kv, "c", "1", false);
    kv_memory_set_faults(kv, &(struct kv_faults){.torn_write_ppm = 1000000});
    kv_memory_crash(kv);
    cr_expect_str_eq(scan_text(kv, "", ""), "a=1 b=1");
    kv_close(kv);
}

Test(kv_memory, survives_on_the_disk_it_shares) {
    struct kv *disk, *kv;
    cr_ok(kv_memory_open(&(struct kv_options){0}, NULL, &disk));
    kv = kv_memory_share(disk);
    put_text(kv, "a", "1", false);
    kv_close(kv);
    kv = kv_memory_share(disk);
    cr_expect_str_eq(get_text(kv, "a", KV_PERSISTED), "1");
    kv_close(disk);
    cr_expect_str_eq(get_text(kv, "a", KV_ANY), "1");
    kv_close(kv);
}

Test(kv_memory, refuses_what_its_faults_say) {
    struct kv *kv;
    cr_ok(kv_memory_open(&(struct kv_options){.wal = true}, NULL, &kv));
    put_text(kv, "a", "1", true);
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, text("b"), text("0123456789"));

    kv_memory_set_faults(kv, &(struct kv_faults){.capacity_bytes = 8});
    cr_status(kv_write(kv, batch, true), STATUS_DISK_FULL);
    cr_expect(strstr(kv_error(), "full"));
    kv_memory_set_faults(kv, &(struct kv_faults){.fail_write_ppm = 1000000});
    cr_status(kv_write(kv, batch, true), STATUS_IO);
    cr_expect_str_eq(scan_text(kv, "", ""), "a=1");
    kv_memory_set_faults(kv, &(struct kv_faults){.uncached_ppm = 1000000});
    struct kv_value value;
    cr_status(kv_get(kv, text("a"), KV_CACHED, &value), STATUS_NOT_READY);
    cr_expect_str_eq(get_text(kv, "a", KV_ANY), "1");
    kv_memory_set_faults(kv, NULL);
    cr_ok(kv_write(kv, batch, true));
    kv_batch_free(batch);
    kv_close(kv);
}
