/** `GET /metrics`. docs/concepts/metrics.md */
import { certificatesIn } from "../../host/certificates.ts";
import { machineFigures } from "../../host/machine-figures.ts";
import { DATA_FOLDERS } from "../degraded.ts";
import { metricsOf, type CertificateEnds } from "./metrics.ts";
import { METRICS_TYPE, metricsText } from "./metrics-text.ts";
import type { NodeAnswers } from "./node-service.ts";
import type { ApiOptions } from "./open-api.ts";
import type { Page } from "./pages.ts";

export function metricsPage(
  { version, status }: Pick<NodeAnswers, "version" | "status">,
  { certificate, authorities }: Pick<ApiOptions, "certificate" | "authorities">,
): Page {
  const certificates: CertificateEnds = { machine: firstEnd(certificate), authority: firstEnd(authorities) };
  return {
    role: "reader",
    type: METRICS_TYPE,
    text: async (signal) => {
      const [now, figures] = await Promise.all([status(signal), machineFigures(Object.values(DATA_FOLDERS), "ext4")]);
      return metricsText(metricsOf(version, now, figures, certificates));
    },
  };
}

/** Of the certificates in a text the end that comes first, in seconds since 1970. */
const firstEnd = (pem: string): number => Math.min(...certificatesIn(pem).map(({ validToDate }) => validToDate.getTime() / 1000));
