"""Macros of this project. Flags, layers and the rules of who may depend on whom are stated here, once.

A layer of core, core/slab/BUILD.bazel (sources are *.c, headers *.h of the folder; every lower layer is a dependency):

    load("//bazel:slabgc.bzl", "sgc_core_library")

    sgc_core_library(layer = "slab")
    sgc_core_library(layer = "runtime", deps = ["@inih//:inih"])        # with a system library

Its tests, tests/slab/BUILD.bazel (one test for each *_test.c; `data`, `size`, `deps`, ... as for one test):

    load("//bazel:slabgc.bzl", "sgc_layer_tests")

    sgc_layer_tests(layer = "slab")

A test that uses the public interface and plug-ins, tests/conformance/BUILD.bazel:

    load("//bazel:slabgc.bzl", "sgc_library", "sgc_test")

    sgc_library(name = "kit", srcs = ["kit.c"], hdrs = ["kit.h"])
    sgc_test(
        name = "holds_test",
        srcs = ["holds_test.c"],
        data = ["//plugins/generational:generational.so"],
        deps = [":kit", "//core:slabgc"],
    )

A plug-in, plugins/counting/BUILD.bazel (code shared by plug-ins) and plugins/refcount/BUILD.bazel; the result is
refcount.so, which tests name as data (":refcount" is the same file):

    load("//bazel:slabgc.bzl", "sgc_plugin", "sgc_plugin_library")

    sgc_plugin_library(name = "counting")
    sgc_plugin(name = "refcount", deps = ["//plugins/counting"])

A program, tools/wordgraph/BUILD.bazel (links core, sees include/slabgc alone):

    load("//bazel:slabgc.bzl", "sgc_program")

    sgc_program(name = "wordgraph", data = ["//plugins/rcu:rcu.so"])

Each layer, plug-in library and plug-in has a second form, built with SGC_TEST_HOOKS (include/slabgc/testpoint.h) for the
tests that need it, and for nothing else: //core/heap:heap_hooked, //plugins/counting:counting_hooked,
//plugins/rcu:hooked/rcu.so. A test links one form or the other.
"""

LAYERS = ["base", "os", "stats", "slab", "cache", "heap", "runtime"]

# Tests that reach below the public interface but belong to no layer: they inject faults, drive threads by steps, or
# count instructions.
_INNER_TESTS = [
    "//tests/conformance:__pkg__",
    "//tests/counts:__pkg__",
    "//tests/faults:__pkg__",
    "//tests/layering:__pkg__",
    "//tests/stress:__pkg__",
    "//tests/support:__pkg__",
]

# Tests that link the form of core with points and mutants.
_HOOKED_TESTS = ["//tests/conformance:__pkg__"]

_HEADERS = "//include/slabgc:headers"

# What the second form of a target has: only tests depend on it, and `bazel build //...` leaves it out.
_HOOKED = {
    "local_defines": ["SGC_TEST_HOOKS"],
    "tags": ["manual"],
    "testonly": True,
}

def _hooked(label):
    """The second form of a target of ours."""
    package, _, name = label.partition(":")
    return "%s:%s_hooked" % (package, name or package.split("/")[-1])

def _with_hooks(kwargs):
    hooked = dict(kwargs)
    hooked.update(_HOOKED)
    return hooked

SGC_COPTS = [
    "-std=c11",
    "-D_GNU_SOURCE",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fvisibility=hidden",
    "-pthread",
] + select({
    "//bazel:dbg": ["-DSGC_DEBUG"],
    "//conditions:default": ["-O2"],
}) + select({
    # Bazel's toolchain asks for frame pointers; they cost the fast paths 3 to 5% of their instructions, and
    # Debian's libraries have none. Unwinders and perf's --call-graph=dwarf read .eh_frame.
    "//bazel:sanitizer": [],
    "//conditions:default": ["-fomit-frame-pointer"],
})

SGC_LINKOPTS = ["-pthread"]

# What is installed: of the libraries that Bazel's toolchain always names (libstdc++), only those that are used.
_INSTALLED_LINKOPTS = SGC_LINKOPTS + ["-Wl,--as-needed"]

def _layer_number(layer):
    if layer not in LAYERS:
        fail("no layer '%s': layers are %s" % (layer, ", ".join(LAYERS)))
    return LAYERS.index(layer)

def _layer_targets(layers):
    return ["//core/" + layer for layer in layers]

def sgc_library(name, srcs = None, hdrs = None, deps = [], visibility = None, **kwargs):
    """A static C library with the project's flags; the public headers are a dependency.

    Args:
      name: target name.
      srcs: sources; default: *.c of the folder, without tests.
      hdrs: headers; default: *.h of the folder.
      deps: dependencies besides the public headers.
      visibility: as usual.
      **kwargs: passed to cc_library.
    """
    native.cc_library(
        name = name,
        srcs = native.glob(["*.c"], exclude = ["*_test.c"]) if srcs == None else srcs,
        hdrs = native.glob(["*.h"]) if hdrs == None else hdrs,
        copts = SGC_COPTS,
        linkopts = SGC_LINKOPTS,
        linkstatic = True,
        visibility = visibility,
        deps = [_HEADERS] + deps,
        **kwargs
    )

def sgc_core_library(layer, deps = [], **kwargs):
    """A layer of core, named like its folder. It depends on all lower layers and is visible to the higher ones.

    Args:
      layer: one of LAYERS; the package must be //core/<layer>.
      deps: system libraries.
      **kwargs: passed to sgc_library (srcs, hdrs, alwayslink, ...).
    """
    if native.package_name() != "core/" + layer:
        fail("layer '%s' belongs to //core/%s, not to //%s" % (layer, layer, native.package_name()))
    for dep in deps:
        if not dep.startswith("@"):
            fail("core/%s: lower layers are dependencies by themselves, '%s' may be none" % (layer, dep))
    number = _layer_number(layer)
    sgc_library(
        name = layer,
        deps = _layer_targets(LAYERS[:number]) + deps,
        visibility = ["//core:__pkg__"] +
                     ["//core/%s:__pkg__" % above for above in LAYERS[number + 1:]] +
                     ["//tests/%s:__pkg__" % above for above in LAYERS[number:]] +
                     _INNER_TESTS,
        **kwargs
    )
    sgc_library(
        name = layer + "_hooked",
        deps = [_hooked(lower) for lower in _layer_targets(LAYERS[:number])] + deps,
        visibility = ["//core/%s:__pkg__" % above for above in LAYERS[number + 1:]] + _HOOKED_TESTS,
        **_with_hooks(kwargs)
    )
    native.filegroup(
        name = layer + "_sources",
        srcs = native.glob([
            "*.c",
            "*.h",
        ]),
        visibility = [
            "//tests/abi:__pkg__",
            "//tests/install:__pkg__",
        ],
    )

def sgc_plugin_library(name, **kwargs):
    """Code that several plug-ins link; sees include/slabgc alone, visible to plug-ins and tests.

    Args:
      name: target name; sources and headers are the folder's unless srcs and hdrs say otherwise.
      **kwargs: passed to sgc_library.
    """
    sgc_library(
        name = name,
        visibility = ["//plugins:__subpackages__", "//tests:__subpackages__"],
        **kwargs
    )
    sgc_library(
        name = name + "_hooked",
        visibility = ["//plugins:__subpackages__"],
        **_with_hooks(kwargs)
    )

def _plugin_binary(name, srcs, deps, **kwargs):
    native.cc_binary(
        name = name,
        srcs = native.glob(["*.c", "*.h"], exclude = ["*_test.c"]) if srcs == None else srcs,
        copts = SGC_COPTS,
        linkopts = _INSTALLED_LINKOPTS + select({
            "//bazel:sanitizer": [],
            "//conditions:default": ["-Wl,-z,defs"],
        }),
        linkshared = True,
        deps = [_HEADERS] + deps,
        **kwargs
    )

def sgc_plugin(name, srcs = None, deps = [], tags = [], **kwargs):
    """A plug-in <name>.so. It has no undefined symbol of core: it sees include/slabgc and plug-in libraries alone.

    Args:
      name: strategy's name; the file is the target <name>.so, and <name> stands for it.
      srcs: sources and private headers; default: *.c and *.h of the folder.
      deps: sgc_plugin_library targets.
      tags: as usual.
      **kwargs: passed to cc_binary.
    """
    for dep in deps:
        if dep.startswith("//core"):
            fail("plug-in '%s' depends on %s: a plug-in reaches core only through struct sgc_host" % (name, dep))
    _plugin_binary(
        name = name + ".so",
        srcs = srcs,
        deps = deps,
        tags = tags,
        visibility = ["//visibility:public"],
        **kwargs
    )
    _plugin_binary(
        name = "hooked/" + name + ".so",
        srcs = srcs,
        deps = [_hooked(dep) for dep in deps],
        visibility = _HOOKED_TESTS,
        **_with_hooks(kwargs)
    )
    native.filegroup(
        name = name,
        srcs = [name + ".so"],
        tags = tags,
        visibility = ["//visibility:public"],
    )

def sgc_program(name, srcs = None, deps = [], visibility = ["//visibility:public"], **kwargs):
    """A program that links core; it sees include/slabgc alone.

    Args:
      name: target name.
      srcs: sources and private headers; default: *.c and *.h of the folder, without tests.
      deps: dependencies besides core and the public headers.
      visibility: as usual.
      **kwargs: passed to cc_binary (data, args, ...).
    """
    native.cc_binary(
        name = name,
        srcs = native.glob(["*.c", "*.h"], exclude = ["*_test.c"]) if srcs == None else srcs,
        copts = SGC_COPTS,
        linkopts = _INSTALLED_LINKOPTS,
        visibility = visibility,
        deps = [_HEADERS, "//core:slabgc"] + deps,
        **kwargs
    )

def sgc_test(name, srcs, layer = None, deps = [], size = "small", **kwargs):
    """A test program on libcheck, with //tests/support:expect at hand.

    Args:
      name: target name, like its source file without .c.
      srcs: sources and private headers.
      layer: test of this layer of core: it and all lower ones are dependencies. None: name what you need in deps.
      deps: further dependencies, such as //core:slabgc.
      size: as usual.
      **kwargs: passed to cc_test (data, env, args, tags, ...).
    """
    layers = LAYERS[:_layer_number(layer) + 1] if layer else []
    native.cc_test(
        name = name,
        size = size,
        srcs = srcs,
        copts = SGC_COPTS,
        linkopts = SGC_LINKOPTS,
        linkstatic = True,
        deps = [_HEADERS, "//tests/support:expect", "@check//:check"] + _layer_targets(layers) + deps,
        **kwargs
    )

def sgc_layer_tests(layer, srcs = [], **kwargs):
    """One sgc_test for each *_test.c of the folder.

    Args:
      layer: as for sgc_test.
      srcs: sources and headers that all of them share.
      **kwargs: passed to sgc_test.
    """
    for test in native.glob(["*_test.c"]):
        sgc_test(
            name = test[:-len(".c")],
            layer = layer,
            srcs = [test] + srcs,
            **kwargs
        )
