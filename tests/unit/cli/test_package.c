/* Package paragraphs. */
#include <criterion/criterion.h>
#include <string.h>

#include "cli/package.h"

static void read_text(struct package_list *list, const char *text) {
    FILE *file = fmemopen((char *)text, strlen(text), "r");
    cr_assert_eq(package_list_read(list, file), STATUS_OK);
    fclose(file);
    package_list_sort(list);
}

Test(package, paragraphs_with_continuations) {
    struct package_list list;
    package_list_init(&list);
    read_text(
        &list,
        "Package: b\nSection: sound\nTag: a::b,\n c::d\nDescription: short words\n more of it\n .\n and the end\nDescription-md5: 1\n\n\n"
        "Package: a\nVersion: 1\n\nVersion: no name\n\nPackage: b\nDescription: again\n\nPackage: last\nDescription-en: x");
    cr_assert_eq(list.n, 3);
    cr_expect_str_eq(list.packages[0].name, "a");
    cr_expect_str_eq(list.packages[0].summary, "");
    cr_expect_str_eq(list.packages[1].section, "sound");
    cr_expect_str_eq(list.packages[1].tags, "a::b, c::d");
    cr_expect_str_eq(list.packages[1].summary, "short words");
    cr_expect_str_eq(list.packages[1].text, " more of it and the end");
    cr_expect_str_eq(list.packages[2].summary, "x");
    package_list_reset(&list);
}

Test(package, anything_else_is_no_package) {
    struct package_list list;
    package_list_init(&list);
    read_text(&list, "hello\nworld: x\n\n : \n\n");
    cr_expect_eq(list.n, 0);
    package_list_reset(&list);
}
