/** @portable What petrify-debug has the early program make of a folder: a container. It passes between the two of the same image, on a tmpfs. docs/concepts/debug.md */

export interface ContainerPlan {
  /** The container's root file system, on a tmpfs where nothing is executed. */
  readonly root: string;
  /** A file that is made when the container is, and that its program's exit code is written to: the service manager takes another one for a failure. */
  readonly ended: string;
  /** A path, or a name that is looked for in the container's `PATH`; its arguments. */
  readonly command: readonly [string, ...string[]];
  /** `NAME=value`. */
  readonly environment: readonly string[];
  /** Where the program starts; the root where there is no such folder. */
  readonly folder: string;
  /** The terminal that is its input and output, as the machine names it. */
  readonly terminal?: string;
  /** That its programs may have at most; absent: all that there are. */
  readonly capabilities?: readonly number[];
  /** What it has of the machine. */
  readonly has: {
    readonly processes: boolean;
    readonly network: boolean;
    readonly devices: boolean;
    readonly files: "no" | "read" | "write";
    /** The kernel's settings can be changed. */
    readonly settings: boolean;
  };
}

/** Exit codes of what could not be started, as container engines have them. Source: docker-run(1), "Exit Status" */
export const NOT_MADE = 125;
export const NOT_EXECUTABLE = 126;
export const NOT_FOUND = 127;

/** Where petrify-debug has its containers: a tmpfs that is there as long as it is. */
export const DEBUG_FOLDER = "/run/petrify/debug";
/** In the container: the machine's files, for who has the right. */
export const HOST_FOLDER = "/host";
