/** @portable Containers that run, by what they leave for everybody to see: control groups, and what their runtimes write down. */

export interface ContainerGroup {
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** podman, docker, containerd, cri-o; empty where the name of the group does not say. */
  readonly runtime: string;
}

/** Source: libpod, oci_conmon_linux.go; moby, daemon_unix.go; containerd, cri/util; cri-o, internal/config/cgmgr */
const RUNTIMES: Readonly<Record<string, string>> = {
  "libpod-": "podman",
  "docker-": "docker",
  "cri-containerd-": "containerd",
  "crio-": "cri-o",
};

/** The container that a control group is of, by its last name: `docker-ID.scope`, `ID`; nothing for other groups, such as those of conmon. */
export function containerOfGroup(name: string): ContainerGroup | undefined {
  const [, prefix, id] = /^([a-z-]*)([0-9a-f]{64})(?:\.scope)?$/.exec(name) ?? [];
  if (id === undefined) return undefined;
  if (prefix === "") return { id, runtime: "" };
  return Object.hasOwn(RUNTIMES, prefix!) ? { id, runtime: RUNTIMES[prefix!]! } : undefined;
}

export interface ContainerNames {
  readonly name: string;
  readonly image: string;
}

/** By id: `containers.json` of containers/storage, which podman and CRI-O keep. What has another form is passed over. Never throws. */
export function parseStorageContainers(text: string): ReadonlyMap<string, ContainerNames> {
  const value = parseJson(text);
  return new Map(
    (Array.isArray(value) ? value : []).flatMap((one: unknown): [string, ContainerNames][] => {
      const id = textAt(one, "id");
      if (id === "") return [];
      const metadata = parseJson(textAt(one, "metadata"));
      const [first] = listAt(one, "names");
      return [[id, { name: textAt(metadata, "name") || textOf(first), image: textAt(metadata, "image-name") }]];
    }),
  );
}

/** `config.v2.json` of Docker. Never throws. */
export function parseDockerContainer(text: string): ContainerNames {
  const value = parseJson(text);
  return { name: textAt(value, "Name").replace(/^\//, ""), image: textAt(at(value, "Config"), "Image") };
}

/** `config.json` of a bundle that containerd runs for Kubernetes; its environment, which may hold secrets, is not looked at. Never throws. */
export function parseBundle(text: string): ContainerNames {
  const annotations = at(parseJson(text), "annotations");
  const part = (name: string): string => textAt(annotations, `io.kubernetes.cri.${name}`);
  const kind = part("container-type") === "sandbox" ? "pause" : part("container-name");
  const path = [part("sandbox-namespace"), part("sandbox-name"), kind].filter((word) => word !== "");
  return { name: path.join("/"), image: part("image-name") };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const at = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const textAt = (value: unknown, name: string): string => textOf(at(value, name));
const listAt = (value: unknown, name: string): readonly unknown[] => {
  const found = at(value, name);
  return Array.isArray(found) ? found : [];
};
