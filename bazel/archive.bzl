"""sgc_archive: one static library of everything of this workspace that a target links.

cc_library makes an archive for each target; a program outside Bazel wants one. The objects are those that shared libraries take
(position independent), so that the archive serves programs and shared libraries.
"""

def _archive_impl(ctx):
    objects = []
    for linker_input in ctx.attr.dep[CcInfo].linking_context.linker_inputs.to_list():
        if linker_input.owner.workspace_name:
            continue  # a system library: programs link it themselves
        for library in linker_input.libraries:
            objects += library.pic_objects or library.objects or []
    archive = ctx.actions.declare_file(ctx.label.name)
    arguments = ctx.actions.args()
    arguments.add("qcsD", archive)
    arguments.add_all(objects)
    ctx.actions.run_shell(
        outputs = [archive],
        inputs = objects,
        arguments = [arguments],
        command = 'rm -f "$2" && exec ar "$@"',
        mnemonic = "SgcArchive",
        use_default_shell_env = True,
    )
    return [DefaultInfo(files = depset([archive]), runfiles = ctx.runfiles(files = [archive]))]

sgc_archive = rule(
    implementation = _archive_impl,
    doc = "All objects of `dep` and what it depends on in this workspace, as the archive <name>.",
    attrs = {
        "dep": attr.label(
            doc = "cc_library",
            mandatory = True,
            providers = [CcInfo],
        ),
    },
)
