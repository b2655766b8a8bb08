/** The bill of materials of an image. */
import { sha256 } from "../host/sha256.ts";
import { cyclonedxDocument } from "../release/sbom/cyclonedx.ts";
import type { BillInput } from "../release/sbom/bill.ts";
import { spdxDocument } from "../release/sbom/spdx.ts";
import type { InspectContext, OpenedImage } from "./open-image.ts";
import { packagesOf, withLicences } from "./packages.ts";
import { osOf } from "./report.ts";

export const SBOM_FORMATS = ["spdx", "cyclonedx"] as const;
export type SbomFormat = (typeof SBOM_FORMATS)[number];

/** The same image gives the same document, byte for byte. */
export async function sbomOf(image: OpenedImage, format: SbomFormat, context: InspectContext): Promise<object> {
  const { packages } = await packagesOf(image, context);
  const { manifest, digest, tree } = image;
  const input: BillInput = { manifest, digest, os: await osOf(tree), packages: await withLicences(tree, packages), sha256 };
  return format === "spdx" ? spdxDocument(input) : cyclonedxDocument(input);
}
