// What QuickJS's own modules lack: any system call, exec without a fork, a checksum of megabytes. Linked into /init as the module `native`.
#include <errno.h>
#include <quickjs/quickjs.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_ARGUMENTS 6
#define MAX_STRINGS 256
#define PAGE 4096

// syscall(number, ...arguments): the result, or a negative errno. Numbers, strings and ArrayBuffers; a buffer is passed by its address.
static JSValue js_syscall(JSContext *ctx, JSValueConst self, int count, JSValueConst *values) {
  long words[MAX_ARGUMENTS + 1] = {0};
  const char *strings[MAX_ARGUMENTS + 1] = {0};
  JSValue result = JS_EXCEPTION;
  for (int i = 0; i < count && i <= MAX_ARGUMENTS; i++) {
    size_t size;
    if (JS_IsString(values[i])) {
      strings[i] = JS_ToCString(ctx, values[i]);
      if (!strings[i]) goto done;
      words[i] = (long)strings[i];
    } else if (JS_IsObject(values[i])) {
      uint8_t *bytes = JS_GetArrayBuffer(ctx, &size, values[i]);
      if (!bytes) goto done;
      words[i] = (long)bytes;
    } else if (JS_ToInt64(ctx, (int64_t *)&words[i], values[i])) {
      goto done;
    }
  }
  long status = syscall(words[0], words[1], words[2], words[3], words[4], words[5], words[6]);
  result = JS_NewInt64(ctx, status < 0 ? -errno : status);
done:
  for (int i = 0; i <= MAX_ARGUMENTS; i++) JS_FreeCString(ctx, strings[i]);
  return result;
}

// The strings of an array, ended by NULL. They are never freed: the program is about to be replaced, or the machine to reboot.
static char **string_list(JSContext *ctx, JSValueConst array) {
  int64_t length = 0;
  JSValue size = JS_GetPropertyStr(ctx, array, "length");
  if (JS_ToInt64(ctx, &length, size) || length > MAX_STRINGS) return NULL;
  char **list = calloc(length + 1, sizeof *list);
  for (int64_t i = 0; list && i < length; i++) list[i] = (char *)JS_ToCString(ctx, JS_GetPropertyUint32(ctx, array, i));
  return list;
}

// execve(path, arguments, environment): a negative errno, if it returns at all.
static JSValue js_execve(JSContext *ctx, JSValueConst self, int count, JSValueConst *values) {
  const char *path = JS_ToCString(ctx, values[0]);
  char **arguments = string_list(ctx, values[1]), **environment = string_list(ctx, values[2]);
  if (!path || !arguments || !environment) return JS_NewInt32(ctx, -EINVAL);
  execve(path, arguments, environment);
  return JS_NewInt32(ctx, -errno);
}

static void free_buffer(JSRuntime *runtime, void *opaque, void *bytes) { free(bytes); }

// buffer(size): an ArrayBuffer that starts at a page, as direct I/O wants it. The size is rounded up to whole pages.
static JSValue js_buffer(JSContext *ctx, JSValueConst self, int count, JSValueConst *values) {
  int64_t size;
  if (JS_ToInt64(ctx, &size, values[0])) return JS_EXCEPTION;
  size = (size + PAGE - 1) / PAGE * PAGE;
  uint8_t *bytes = aligned_alloc(PAGE, size);
  if (!bytes) return JS_ThrowOutOfMemory(ctx);
  return JS_NewArrayBuffer(ctx, bytes, size, free_buffer, NULL, 0);
}

// crc32(text): of its bytes, as GPT has it (ISO 3309). Megabytes would take seconds in byte code.
static JSValue js_crc32(JSContext *ctx, JSValueConst self, int count, JSValueConst *values) {
  size_t size;
  const char *text = JS_ToCStringLen(ctx, &size, values[0]);
  if (!text) return JS_EXCEPTION;
  uint32_t sum = ~0u;
  for (size_t i = 0; i < size; i++) {
    sum ^= (uint8_t)text[i];
    for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  JS_FreeCString(ctx, text);
  return JS_NewUint32(ctx, ~sum);
}

static const JSCFunctionListEntry functions[] = {
  JS_CFUNC_DEF("syscall", 1, js_syscall),
  JS_CFUNC_DEF("execve", 3, js_execve),
  JS_CFUNC_DEF("buffer", 1, js_buffer),
  JS_CFUNC_DEF("crc32", 1, js_crc32),
};

static int fill(JSContext *ctx, JSModuleDef *module) {
  return JS_SetModuleExportList(ctx, module, functions, sizeof functions / sizeof *functions);
}

JSModuleDef *js_init_module_native(JSContext *ctx, const char *name) {
  JSModuleDef *module = JS_NewCModule(ctx, name, fill);
  if (module) JS_AddModuleExportList(ctx, module, functions, sizeof functions / sizeof *functions);
  return module;
}
