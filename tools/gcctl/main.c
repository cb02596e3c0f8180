/* main.c - gcctl: argv to command to exit status.
 * Invariant: data goes to stdout, messages to stderr; what could not be written is an error. One thread. */
#include "tools/gcctl/arguments.h"
#include "tools/gcctl/print.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* A closed standard stream's number would go to the next file or socket, and output into that: it gets one that cannot
 * be written, so that writing fails by name. */
static int main_open_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0)
            return EX_OSERR;
    return 0;
}

/* `bazel run` starts a program among its runfiles and says where its caller is: that is what names of files mean. */
static int main_go_to_caller(void)
{
    char here[PATH_MAX];
    const char *caller = getenv("BUILD_WORKING_DIRECTORY");
    if (!caller || !getcwd(here, sizeof(here)) || !strstr(here, ".runfiles/") || !chdir(caller))
        return 0;
    return gcctl_error(EX_NOINPUT, "%s, where bazel run was called: %s", caller, strerror(errno));
}

/* A file over the limit of its size is an error of writing, not the end of gcctl. A handler, and nothing that is
 * ignored: programs that gcctl starts would inherit that. */
static void main_file_too_large(int signal)
{
    (void)signal;
}

int main(int argc, char **argv)
{
    const struct gcctl_command *command;
    enum gcctl_color color = GCCTL_COLOR_AUTO;
    struct gcctl_call call;
    int first;
    const struct sigaction too_large = {.sa_handler = main_file_too_large};
    sigaction(SIGXFSZ, &too_large, NULL);
    if (main_open_streams())
        return EX_OSERR;
    if (main_go_to_caller())
        return EX_NOINPUT;
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
