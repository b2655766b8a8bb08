/** What a machine config comes to on an image that lies in a file: nothing is mounted, and nobody has to be root. */
import { createHash } from "node:crypto";
import { compileTolerantly, type Compilation } from "../../config/machine/compile/compile-config.ts";
import { viewOfImage, type ImageView } from "../../config/machine/compile/image-view.ts";
import type { NodeConfig } from "../../config/machine/node-config.ts";
import { compileNetwork } from "../../config/network/compile-network.ts";
import type { Bytes } from "../../core/units.ts";
import { computeFrom } from "../../inspect/compute-from.ts";
import { textOf } from "../../inspect/image-tree.ts";
import type { OpenedImage } from "../../inspect/open-image.ts";
import { IMAGE_FACTS_PATH, parseImageFacts } from "../../layout/image-facts.ts";

/** As much as a machine reads of a file of its image. */
const LONGEST: Bytes = 4 * 1024 ** 2;

/** What the image cannot do is left out and listed. @throws AppError `IMAGE_FACTS_INVALID`; those of reading the image */
export async function compileFor(config: NodeConfig, image: OpenedImage): Promise<Compilation> {
  const { tree, manifest } = image;
  const facts = parseImageFacts((await textOf(tree, IMAGE_FACTS_PATH, LONGEST)) ?? "");
  return await computeFrom(tree, LONGEST, (files) => {
    const view = viewOfImage(files, facts, manifest.architecture.replace("-", "_"));
    return compileTolerantly(config, view, meansOf(config, view));
  });
}

const meansOf = (config: NodeConfig, view: ImageView) => ({
  digest: "",
  network: compileNetwork(config.network, view),
  sha1: (bytes: Uint8Array): Uint8Array => createHash("sha1").update(bytes).digest(),
});
