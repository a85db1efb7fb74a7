/* config_print: settings as people and files want them. */
#ifndef CLI_CONFIG_PRINT_H
#define CLI_CONFIG_PRINT_H

#include <stdio.h>

#include "cli/config.h"

/* Every row with its value and where it came from; secrets are ***. accepted: also rows without
 * effect. */
void config_print_table(const struct config *config, bool accepted, FILE *out);
void config_print_json(const struct config *config, FILE *out);
/* An env file of the role: every effective row, commented out, with its default and what it does.
 */
void config_print_sample(unsigned role, FILE *out);
/* docs/tuning.md: all rows of all roles. */
void config_print_markdown(FILE *out);

#endif
