/* The syntax of settings files. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cli/env_file.h"

struct seen {
    char text[1024];
};

static enum status take(void *context, const struct env_entry *entry) {
    struct seen *seen = context;
    size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof seen->text - used, "%u:%s=[%s]%s ", entry->line, entry->name,
             entry->value, entry->comment_cut ? "#" : "");
    return STATUS_OK;
}

static void expect(const char *text, const char *wanted) {
    char copy[512];
    snprintf(copy, sizeof copy, "%s", text);
    struct seen seen = {""};
    struct buffer why;
    buffer_init(&why);
    enum status status = env_file_parse(copy, take, &seen, &why);
    if (status == STATUS_OK)
        cr_expect_str_eq(seen.text, wanted, "%s gave %s", text, seen.text);
    else
        cr_expect_str_eq((char *)why.data, wanted, "%s: %s", text, (char *)why.data);
    buffer_free(&why);
}

Test(env_file, forms_of_a_line) {
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"", ""},
        {"A=1", "1:A=[1] "},
        {"A=1\nB=2\n", "1:A=[1] 2:B=[2] "},
        {"\n\n# c\n  # d\nA=1\r\n", "5:A=[1] "},
        {"export A=1", "1:A=[1] "},
        {"export\tA = 1 2 ", "1:A=[1 2] "},
        {"exported=1", "1:exported=[1] "},
        {"A=", "1:A=[] "},
        {"A=\"\"", "1:A=[] "},
        {"A='x y'", "1:A=[x y] "},
        {"A=\"x # y\"", "1:A=[x # y] "},
        {"A=\"x\"   # c", "1:A=[x]# "},
        {"A=x # c", "1:A=[x]# "},
        {"A=x#y", "1:A=[x#y] "},
        {"A=# c", "1:A=[]# "},
        {"A=a=b", "1:A=[a=b] "},
        {"A", "line 1: no '=' in the line"},
        {"A=1\n=2", "line 2: the name has other characters than letters, digits and _"},
        {"A-B=1", "line 1: the name has other characters than letters, digits and _"},
        {"1A=1", "line 1: the name has other characters than letters, digits and _"},
        {"A=\"x", "line 1: the quote has no end, or text behind it"},
        {"A=\"x\" y", "line 1: the quote has no end, or text behind it"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i].text, rows[i].wanted);
}
