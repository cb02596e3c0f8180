/* main.c - gcctl: argv to command to exit status.
 * Invariant: data goes to stdout, messages to stderr; what could not be written is an error. One thread. */
#include "tools/gcctl/arguments.h"
#include "tools/gcctl/print.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

int main(int argc, char **argv)
{
    const struct gcctl_command *command;
    enum gcctl_color color = GCCTL_COLOR_AUTO;
    struct gcctl_call call;
    int first;
    setlocale(LC_CTYPE, ""); /* widths of what tables show; numbers keep their points */
    int status = gcctl_arguments_command(argc, argv, &command, &first, &color);
    if (status == GCCTL_GO_ON)
        status = gcctl_arguments_parse(command, argc - first, argv + first, color, &call);
    if (status == GCCTL_GO_ON) {
        status = command->run(&call);
        gcctl_arguments_fini(&call);
    }
    if ((fflush(stdout) || ferror(stdout)) && status != EX_IOERR)
        return gcctl_error(EX_IOERR, "cannot write to stdout: %s", strerror(errno));
    return status;
}
