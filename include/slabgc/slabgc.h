/* slabgc.h - everything a program needs. See the README for a first program and core/README.md for the map behind these headers. */
#ifndef SLABGC_SLABGC_H
#define SLABGC_SLABGC_H

#include <slabgc/cache.h>
#include <slabgc/config.h>
#include <slabgc/error.h>
#include <slabgc/heap.h>
#include <slabgc/malloc.h>
#include <slabgc/object.h>
#include <slabgc/section.h>
#include <slabgc/stats.h>
#include <slabgc/store.h>
#include <slabgc/type.h>
#include <slabgc/version.h>
#include <slabgc/weak.h>

#endif
