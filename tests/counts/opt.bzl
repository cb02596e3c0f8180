"""opt_files: targets as `bazel build -c opt` has them, whatever the mode of the build that asks for them.

What counts instructions must be built the same way each time: with optimization, without SGC_DEBUG (bazel/slabgc.bzl
sets it by mode), and without options of the command line's own. Compiler and sanitizers stay: they belong to
toolchains.
"""

def _opt_impl(settings, attr):
    return {
        "//command_line_option:compilation_mode": "opt",
        "//command_line_option:conlyopt": [],
        "//command_line_option:copt": [],
        "//command_line_option:linkopt": [],
    }

_opt = transition(
    implementation = _opt_impl,
    inputs = [],
    outputs = [
        "//command_line_option:compilation_mode",
        "//command_line_option:conlyopt",
        "//command_line_option:copt",
        "//command_line_option:linkopt",
    ],
)

def _opt_files_impl(ctx):
    links = []
    for target in ctx.attr.srcs:
        for file in target[DefaultInfo].files.to_list():
            link = ctx.actions.declare_file("%s/%s" % (ctx.label.name, file.basename))
            ctx.actions.symlink(output = link, target_file = file)
            links.append(link)
            links.append(file)
    return [DefaultInfo(files = depset(links), runfiles = ctx.runfiles(files = links))]

opt_files = rule(
    implementation = _opt_files_impl,
    doc = "Files of targets built with -c opt, as <name>/<basename> in this package.",
    attrs = {
        "srcs": attr.label_list(
            doc = "programs and plug-ins",
            cfg = _opt,
        ),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
)
