/* Preloaded into a restored interpreter: hands CPython the hash secret of the run it continues.
 *
 * CPython draws its hash secret with the first getrandom() call of 24 bytes (Python/bootstrap_hash.c, _Py_HashRandomization_Init);
 * that call alone is answered from FORKPOINT_HASH_SECRET (48 hexadecimal digits), every other goes to the kernel. Before
 * main() runs, the variable and this library's entry in LD_PRELOAD are gone from the environment, so that neither the
 * program nor its children see either; entries of the user's own in LD_PRELOAD stay. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { SECRET_BYTES = 24 };

static unsigned char secret[SECRET_BYTES];
static int pending;

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(digits, c);
    return found == NULL ? -1 : (int)(found - digits);
}

static void take_secret(void)
{
    char *text = getenv("FORKPOINT_HASH_SECRET");
    if (text == NULL) {
        return;
    }
    pending = strlen(text) == 2 * SECRET_BYTES;
    for (int i = 0; pending && i < SECRET_BYTES; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        pending = high >= 0 && low >= 0;
        secret[i] = (unsigned char)(high * 16 + low);
    }
    memset(text, '0', strlen(text)); /* What /proc/<pid>/environ shows is this very memory. */
    unsetenv("FORKPOINT_HASH_SECRET");
}

/* Take our own entry, as the dynamic linker was given it, out of LD_PRELOAD. */
static void leave_preload(void)
{
    Dl_info self;
    char *list = getenv("LD_PRELOAD");
    if (list == NULL || dladdr((void *)&secret, &self) == 0) {
        return;
    }
    size_t length = strlen(self.dli_fname);
    char *at = list;
    while ((at = strstr(at, self.dli_fname)) != NULL) {
        int begins = at == list || at[-1] == ':' || at[-1] == ' ';
        char after = at[length];
        if (begins && (after == '\0' || after == ':' || after == ' ')) {
            memmove(at, at + length + (after != '\0'), strlen(at + length + (after != '\0')) + 1);
            break;
        }
        at += length;
    }
    size_t left = strlen(list);
    if (left > 0 && (list[left - 1] == ':' || list[left - 1] == ' ')) {
        list[left - 1] = '\0';
    }
    if (list[0] == '\0') {
        unsetenv("LD_PRELOAD");
    }
}

__attribute__((constructor)) static void begin(void)
{
    take_secret();
    leave_preload();
}

__attribute__((visibility("default"))) ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
    if (pending && length == SECRET_BYTES) {
        pending = 0;
        memcpy(buffer, secret, SECRET_BYTES);
        memset(secret, 0, SECRET_BYTES);
        return SECRET_BYTES;
    }
    return syscall(SYS_getrandom, buffer, length, flags);
}
