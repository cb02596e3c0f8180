"""built: files for tests that run without a sanitizer."""

def built(files):
    """These files, or none under a sanitizer: what is not run there is not built either."""
    return select({
        "//bazel:sanitizer": [],
        "//conditions:default": files,
    })
