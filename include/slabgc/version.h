/* version.h - version of slabgc: what the headers are of (SGC_VERSION), and what the library is of (sgc_version, config.h). */
#ifndef SLABGC_VERSION_H
#define SLABGC_VERSION_H

#define SGC_VERSION_MAJOR 0
#define SGC_VERSION_MINOR 4
#define SGC_VERSION_PATCH 0
#define SGC_VERSION "0.4.0"

#endif
