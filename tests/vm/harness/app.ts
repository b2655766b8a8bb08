/** A container of a machine config, whose image somebody has brought to a machine that reaches no registry. */
import { image, layout, tarOf } from "../../support/oci.ts";
import { tar } from "../../support/tar.ts";
import { tinyProgram } from "../../support/tiny-program.ts";

const IMAGE = "/srv/app/image.tar";
const ARCHIVE = Buffer.from(
  tarOf(
    layout(
      image([tar({ name: "app", mode: 0o755, data: tinyProgram() })], {
        tag: "v1",
        config: { config: { Entrypoint: ["/app"] } },
      }),
    ),
  ),
).toString("base64");

/** Of `write_files`. */
export const APP_IMAGE = `  - { path: ${IMAGE}, encoding: b64, content: "${ARCHIVE}" }`;

/** Each time that it is started, `/srv/app/ran` has one more line. */
export const APP_CONTAINER = `containers:
  - name: app
    image: oci-archive:${IMAGE}
    network: none
    read_only: true
    volumes: [/srv/app:/data]`;
