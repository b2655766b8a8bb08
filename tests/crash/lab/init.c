// The init of a matrix image: mounts the lab's disk, which is known by its serial number, and becomes the lab's program. Arguments are that program's.
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define FOLDER "/usr/lib/petrify"
#define SERIAL "petrify1"
#define TENTHS 600

// Drivers find disks at the same time, so their names tell nothing.
static int mounted(void) {
  for (char letter = 'a'; letter <= 'h'; letter++) {
    char path[64], serial[32] = "";
    snprintf(path, sizeof path, "/sys/block/vd%c/serial", letter);
    FILE *file = fopen(path, "r");
    if (!file) continue;
    fgets(serial, sizeof serial, file);
    fclose(file);
    if (strncmp(serial, SERIAL, strlen(SERIAL))) continue;
    snprintf(path, sizeof path, "/dev/vd%c", letter);
    return !mount(path, FOLDER, "erofs", MS_RDONLY, "");
  }
  return 0;
}

int main(int count, char **words) {
  for (int i = 0; i < TENTHS && !mounted(); i++) usleep(100000);
  char *argv[16] = {"node", "--disable-warning=ExperimentalWarning", FOLDER "/lab.mjs"};
  char *environment[] = {"PATH=/usr/sbin:/usr/bin", "MALLOC_ARENA_MAX=1", NULL};
  for (int i = 1; i < count && i < 12; i++) argv[i + 2] = words[i];
  execve(FOLDER "/runtime/bin/node", argv, environment);
  perror("lab: node");
  return 1;
}
