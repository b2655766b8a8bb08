/** Figures as Prometheus reads them: text format 0.0.4. Pure. Source: prometheus.io, "Exposition formats" */

export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export type Labels = Readonly<Record<string, string>>;
export interface Metric {
  /** Letters, digits and underscores. */
  readonly name: string;
  readonly type: "gauge" | "counter";
  /** One sentence. */
  readonly help: string;
  /** Of samples with the same labels the first one counts. */
  readonly samples: readonly (readonly [value: number, labels?: Labels])[];
}

/** Metrics without a sample are left out. */
export const metricsText = (metrics: readonly Metric[]): string =>
  metrics.flatMap(({ samples, ...metric }) => (samples.length > 0 ? [metricText({ ...metric, samples })] : [])).join("");

function metricText({ name, type, help, samples }: Metric): string {
  const lines = new Map<string, string>();
  for (const [value, labels = {}] of samples) {
    const of = labelsText(labels);
    if (!lines.has(of)) lines.set(of, `${name}${of} ${value}`);
  }
  return `${[`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`, ...lines.values()].join("\n")}\n`;
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value).replaceAll('"', String.raw`\"`)}"`);
  return pairs.length > 0 ? `{${pairs.join(",")}}` : "";
}

const escaped = (text: string): string => text.replaceAll("\\", String.raw`\\`).replaceAll("\n", String.raw`\n`);
