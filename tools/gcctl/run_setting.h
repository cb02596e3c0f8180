/* run_setting.h - the text of $SLABGC for a run. Called by run.c. */
#ifndef SLABGC_TOOLS_GCCTL_RUN_SETTING_H
#define SLABGC_TOOLS_GCCTL_RUN_SETTING_H

/* What `inherited` says (may be NULL) without the keys that `settings` have too, then the settings, then
 * control.report=report: a key may stand once in $SLABGC. malloc; NULL: no memory. */
char *gcctl_run_compose(const char *inherited, const char *const *settings, const char *report);

#endif
