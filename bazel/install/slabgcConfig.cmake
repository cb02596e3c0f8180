# find_package(slabgc): targets slabgc::slabgc (shared) and slabgc::slabgc_static; SLABGC_PLUGIN_DIRECTORY.
# Paths follow from where this file lies.
get_filename_component(slabgc_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(SLABGC_PLUGIN_DIRECTORY "${slabgc_prefix}/lib/slabgc/plugins")

include(CMakeFindDependencyMacro)
find_dependency(Threads)

if(NOT TARGET slabgc::slabgc)
    add_library(slabgc::slabgc SHARED IMPORTED)
    set_target_properties(slabgc::slabgc PROPERTIES
        IMPORTED_LOCATION "${slabgc_prefix}/lib/libslabgc.so.@VERSION@"
        IMPORTED_SONAME "libslabgc.so.0"
        INTERFACE_INCLUDE_DIRECTORIES "${slabgc_prefix}/include"
        INTERFACE_LINK_LIBRARIES Threads::Threads)
endif()

if(NOT TARGET slabgc::slabgc_static)
    add_library(slabgc::slabgc_static STATIC IMPORTED)
    set_target_properties(slabgc::slabgc_static PROPERTIES
        IMPORTED_LOCATION "${slabgc_prefix}/lib/libslabgc.a"
        IMPORTED_LINK_INTERFACE_LANGUAGES C
        INTERFACE_INCLUDE_DIRECTORIES "${slabgc_prefix}/include"
        INTERFACE_LINK_LIBRARIES "inih;jansson;urcu-bp;urcu-common;Threads::Threads;${CMAKE_DL_LIBS}")
endif()

unset(slabgc_prefix)
set(slabgc_FOUND TRUE)
