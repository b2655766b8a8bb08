/** @portable Services of an image that starts with OpenRC: each is a script that root runs. Source: openrc(8), runlevel */
import { namesAt, type ImageTree } from "../image-tree.ts";
import type { Finding } from "./finding.ts";

const OPENRC_RUNLEVELS = "/etc/runlevels";

export const openrcServices = (tree: ImageTree): readonly Finding[] =>
  namesAt(tree, OPENRC_RUNLEVELS).flatMap((level) =>
    namesAt(tree, `${OPENRC_RUNLEVELS}/${level}`).map((name) => ({
      kind: "rootService",
      name: `/etc/init.d/${name}`,
      detail: `of the runlevel ${level}`,
    })),
  );
