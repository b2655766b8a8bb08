/** An image with one static program, which looks around in the container that it is started in. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tools } from "../../src/host/tools.ts";
import { blobName, image, layout, tarOf } from "./oci.ts";
import { tar } from "./tar.ts";

/** Each word of its arguments is looked at, a line each; the last one may end it, or have it wait. */
const PROBE = String.raw`
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

static void names(const char *path, int only_numbers) {
  DIR *folder = opendir(path);
  if (!folder) { printf(" none: %s", strerror(errno)); return; }
  int count = 0;
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    if (only_numbers) count += isdigit(entry->d_name[0]) != 0;
    else printf(" %s", entry->d_name);
  }
  if (only_numbers) printf(" %d", count);
  closedir(folder);
}

static void line_of(const char *path, const char *start) {
  FILE *file = fopen(path, "r");
  char line[4096];
  if (!file) { printf(" none: %s", strerror(errno)); return; }
  while (fgets(line, sizeof line, file)) if (!strncmp(line, start, strlen(start))) { line[strcspn(line, "\n")] = 0; printf(" %s", line); break; }
  fclose(file);
}

int main(int count, char **words) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 1; i < count; i++) {
    const char *word = words[i];
    const char *value = strchr(word, ':') ? strchr(word, ':') + 1 : "";
    if (!strncmp(word, "exit:", 5)) return atoi(value);
    if (!strcmp(word, "wait")) { printf("waits\n"); for (;;) pause(); }
    if (!strncmp(word, "kill:", 5)) { kill(getpid(), atoi(value)); continue; }
    if (!strcmp(word, "cat")) { char bytes[65536]; for (ssize_t n; (n = read(0, bytes, sizeof bytes)) > 0;) if (write(1, bytes, n) < 0) return 1; continue; }
    if (!strcmp(word, "line")) { char line[256]; if (!fgets(line, sizeof line, stdin)) return 1; line[strcspn(line, "\n")] = 0; printf("line %s\n", line); continue; }
    if (!strncmp(word, "errors:", 7)) { fprintf(stderr, "%s\n", value); continue; }
    printf("%s", word);
    if (!strcmp(word, "processes")) names("/proc", 1);
    else if (!strcmp(word, "links")) names("/sys/class/net", 0);
    else if (!strncmp(word, "names:", 6)) names(value, 0);
    else if (!strcmp(word, "number")) printf(" %d", getpid());
    else if (!strcmp(word, "user")) printf(" %d", getuid());
    else if (!strcmp(word, "capabilities")) line_of("/proc/self/status", "CapEff:");
    else if (!strcmp(word, "bounding")) line_of("/proc/self/status", "CapBnd:");
    else if (!strcmp(word, "filter")) line_of("/proc/self/status", "Seccomp:");
    else if (!strncmp(word, "env:", 4)) printf(" %s", getenv(value) ? getenv(value) : "none");
    else if (!strncmp(word, "read:", 5)) line_of(value, "");
    else if (!strncmp(word, "write:", 6)) { int file = open(value, O_WRONLY | O_CREAT, 0644); printf(" %s", file < 0 ? strerror(errno) : "done"); if (file >= 0) close(file); }
    else if (!strncmp(word, "signal:", 7)) printf(" %s", kill(atoi(value), 0) ? strerror(errno) : "done");
    else if (!strcmp(word, "mount")) printf(" %s", mount("none", "/tmp", "tmpfs", 0, "") ? strerror(errno) : "done");
    else if (!strcmp(word, "terminal")) { struct winsize size; printf(" %s", isatty(0) ? ttyname(0) ? ttyname(0) : "no name" : "none"); if (!ioctl(0, TIOCGWINSZ, &size)) printf(" %dx%d", size.ws_col, size.ws_row); printf(" %s", open("/dev/tty", O_RDWR) < 0 ? strerror(errno) : "its own"); }
    printf("\n");
  }
  return 0;
}
`;

/** Needs a folder for intermediate files. @returns the program */
export async function debugProbe(tools: Tools, folder: string): Promise<Uint8Array> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "probe.c"), PROBE);
  await tools.run(["gcc", "-static", "-O1", "-s", "-o", "probe", "probe.c"], {
    binds: [{ source: folder, writable: true }],
    cwd: folder,
  });
  return await readFile(join(folder, "probe"));
}

/** The program is `/bin/probe`, and what the image starts. The upper layer takes something of the lower one away. */
export function probeImage(probe: Uint8Array): ReturnType<typeof image> {
  const lower = tar(
    { name: "bin/", flag: "5", mode: 0o755 },
    { name: "bin/probe", mode: 0o755, data: probe },
    { name: "gone", data: "x" },
    { name: "sys", flag: "2", target: "/etc" },
    { name: "tmp/", flag: "5", mode: 0o1777 },
  );
  const upper = tar({ name: ".wh.gone", data: "" }, { name: "kept", data: "kept\n", uid: 1000 });
  const config = { config: { Env: ["PATH=/bin", "WORD=said"], Entrypoint: ["probe"], Cmd: ["exit:7"], WorkingDir: "/bin" } };
  return image([lower, upper], { tag: "probe:1", config });
}

/** A tar of a layout with that image. */
export const probeArchive = (probe: Uint8Array): Uint8Array => tarOf(layout(probeImage(probe)));

/** Its digest. */
export function topLayerOf({ files, descriptor }: ReturnType<typeof image>): string {
  const manifest = Buffer.from(files[blobName(descriptor.digest)]!).toString();
  return (JSON.parse(manifest) as { readonly layers: readonly { readonly digest: string }[] }).layers.at(-1)!.digest;
}
