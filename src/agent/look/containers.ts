import { basename, join } from "node:path";
import { z } from "zod";
import { folderNames, readText } from "../../host/files.ts";
import {
  containerOfGroup,
  parseBundle,
  parseDockerContainer,
  parseStorageContainers,
  type ContainerNames,
} from "../../layout/containers.ts";
import type { ContainersResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { lookCall } from "./call.ts";
import { cgroupsBelow } from "./cgroups.ts";

/** Of Kubernetes, whose groups lie deepest: slice, class, pod, container. */
const DEPTH = 5;
const STORAGE = "var/lib/containers/storage/overlay-containers/containers.json";
const BUNDLES = "run/containerd/io.containerd.runtime.v2.task";

export const containers = lookCall({
  request: z.strictObject({}),
  // Runtimes are not asked: only root may, and whoever may can also start containers.
  answer: async (_request, { root }, signal): Promise<ContainersResponseJson> => {
    const read = async (path: string): Promise<string> => await readText(join(root, path)).catch(() => "");
    const stored = parseStorageContainers(await read(STORAGE));
    const namespaces = await folderNames(join(root, BUNDLES));
    const namesOf = async (id: string): Promise<ContainerNames> => {
      const bundles = await Promise.all(
        namespaces.map(async (name) => parseBundle(await read(`${BUNDLES}/${name}/${id}/config.json`))),
      );
      const docker = parseDockerContainer(await read(`var/lib/docker/containers/${id}/config.v2.json`));
      return [stored.get(id), docker, ...bundles].find((one) => one !== undefined && one.name !== "") ?? { name: "", image: "" };
    };
    const groups = await cgroupsBelow(root, DEPTH, signal);
    const found = groups.map(async (cgroup) => {
      const container = containerOfGroup(basename(cgroup.path ?? ""));
      return container && { ...container, ...(await namesOf(container.id)), use: cgroup };
    });
    return { containers: (await Promise.all(found)).filter((one) => one !== undefined) };
  },
});
