/* JSON lines and CSV. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "runtime/rng.h"

static void expect(const char *name, const char *text, const char *wanted) {
    char *rows = rows_of(file_with(name, text, strlen(text)), NULL);
    cr_expect_str_eq(rows, wanted, "%s\ngave %s", text, rows);
    free(rows);
}

Test(text_readers, json_lines) {
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"{\"id\":\"a\",\"vector\":[1,2.5e0],\"payload\":{\"k\":\"v\",\"n\":3,\"b\":true,\"z\":null,\"o\":{\"x\":[1]}}}\n",
         "a:[1 2.5]{k=v n=3 b=true o={\"x\":[1]}} "},
        {"\n {\"vector\":[1], \"id\": 17, \"more\":[{}]} \r\n\n{\"vector\":[-0.5],\"id\":null}",
         "17:[1] #1:[-0.5] "},
        {"{\"id\":\"\\u00e4\\n\",\"vector\":[1],\"payload\":{}}", "\xc3\xa4\n:[1] "},
        {"{\"id\":\"a\"}\n{\"vector\":[1]}",
         "!line 1: JSON: there is no vector at byte 10 #1:[1] "},
        {"{\"vector\":[1,x]}\n{\"vector\":[]}\n{\"vector\":[1e99]}\n[1]\n", NULL},
    };
    for (size_t i = 0; i + 1 < sizeof rows / sizeof *rows; i++)
        expect("a.jsonl", rows[i].text, rows[i].wanted);
    char *text = rows_of(file_with("a.jsonl", rows[4].text, strlen(rows[4].text)), NULL);
    cr_expect(strstr(text, "!line 1: JSON: vector[1] is no number"), "%s", text);
    cr_expect(strstr(text, "!line 2: JSON: there is no vector"), "%s", text);
    cr_expect(strstr(text, "!line 3: JSON: vector[0] does not fit a float"), "%s", text);
    cr_expect(strstr(text, "!line 4:"), "%s", text);
    free(text);
}

Test(text_readers, csv) {
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"a,1,2\nb,3,4\n", "a:[1 2] b:[3 4] "},
        {"a;1;2,\nb;3;4\n", "a:[1] !line 1: "},
        {"id,0,1\na,1,2\r\nb,+3,4e-1", "a:[1 2] b:[3 0.4] "},
        {"name,v0,v1,id\nAnna,1,2,a\n", "a:[1 2]{name=Anna} "},
        {"id,vector,name\na,\"[1, 2]\",\"An \"\"x\"\", na\"\n", "a:[1 2]{name=An \"x\", na} "},
        {"\xef\xbb\xbfid\tvector\na\t[1,2]\n", "a:[1 2] "},
        {"a,\"[1,2]\"\n", "a:[1 2] "},
        {"id,0\na,1\nb\nc,x\nd,2\n",
         "a:[1] !line 3: 1 fields, the head has 2 !line 4: field 2: \"x\" is no number d:[2] "},
        {"id,0\na,\"1\n", "!line 2: field 2: the quotes do not match "},
        {"id,name\na,b\n",
         "!!line 1: the head has neither a column \"vector\" nor columns of components"},
        {"id,0\na,1e99\n", "!line 2: field 2: 1e99 does not fit a float "},
        {"", ""},
        {"\n", "!!line 1: the head has neither a column \"vector\" nor columns of components"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (i != 1) expect("a.csv", rows[i].text, rows[i].wanted);
}

Test(text_readers, long_lines_and_gzip) {
    size_t n = 60000;
    char *text = malloc(n * 3 + 64);
    size_t size = (size_t)sprintf(text, "{\"id\":\"big\",\"vector\":[0");
    for (size_t i = 1; i < n; i++)
        size += (size_t)sprintf(text + size, ",%d", (int)(i % 10));
    size += (size_t)sprintf(text + size, "]}\n{\"vector\":[7]}");
    cr_expect_eq(rows_read(file_with("big.jsonl", text, size), NULL), 2);
    cr_expect_eq(rows_read(file_gzipped("big.jsonl.gz", text, size), NULL), 2);
    free(text);
}

Test(text_readers, mutations_end_well) {
    static const char *const files[] = {
        "{\"id\":\"a\",\"vector\":[1,2.5e0],\"payload\":{\"k\":\"v\",\"n\":3,\"o\":{\"x\":[1]}}}\n{\"vector\":[1]}\n",
        "id,vector,name\na,\"[1, 2]\",\"An \"\"x\"\", na\"\nb,\"[3,4]\",B\n",
    };
    static const char *const names[] = {"m.jsonl", "m.csv"};
    struct rng rng;
    rng_init(&rng, 3);
    for (int round = 0; round < 3000; round++) {
        char text[256];
        size_t size = strlen(files[round % 2]);
        memcpy(text, files[round % 2], size);
        for (uint64_t k = 1 + rng_below(&rng, 4); k > 0; k--)
            text[rng_below(&rng, size)] = (char)rng_next(&rng);
        if (rng_below(&rng, 4) == 0) size = rng_below(&rng, size + 1);
        rows_read(file_with(names[round % 2], text, size), NULL);
    }
}
