/* Preloaded into a restored interpreter: hands CPython the hash secret of the run it continues. */
extern int forkpoint_hashseed_placeholder;
