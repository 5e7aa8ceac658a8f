import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** What a sale promises its buyers, as sloth writes it down: monitoring/slos.yml. */
export interface Slo {
  name: string;
  /** The share of good events in per cent. */
  objective: number;
  description: string;
  labels: Record<string, string>;
  sli: {
    events: {
      /** PromQL for bad events a second, and for all, over `{{.window}}`. */
      error_query: string;
      total_query: string;
    };
  };
}

interface Spec {
  version: string;
  service: string;
  slos: Slo[];
}

const SPEC = new URL('../slos.yml', import.meta.url);

const { service, slos } = parse(readFileSync(SPEC, 'utf8')) as Spec;
export const SLOS: readonly Slo[] = slos;

/** The labels by which sloth's rules know a promise. */
export const slothLabels = ({ name }: Pick<Slo, 'name'>): Record<string, string> => ({
  sloth_id: `${service}-${name}`,
  sloth_service: service,
  sloth_slo: name,
});

/** The name that sloth gives to the share of bad events in a window. */
export const ratioOf = (window: string): string => `slo:sli_error:ratio_rate${window}`;

/** The share of bad events in the window, as sloth records it. */
export function recordingOf(
  slo: Slo,
  window: string,
): { record: string; expr: string; labels: Record<string, string> } {
  const over = (query: string): string => query.replaceAll('{{.window}}', window);
  const { error_query, total_query } = slo.sli.events;
  return {
    record: ratioOf(window),
    expr: `(${over(error_query)}) / (${over(total_query)})`,
    labels: { ...slo.labels, ...slothLabels(slo), sloth_window: window },
  };
}

/** Both windows burn so many times faster than the budget of 30 days allows, as sloth asks for it. */
export function burns(slo: Slo, factor: number, [short, long]: [string, string]): string {
  const selector = Object.entries(slothLabels(slo)).map(([name, value]) => `${name}="${value}"`);
  const bound = `(${factor} * ${(100 - slo.objective) / 100})`;
  const isOver = (window: string): string =>
    `max(${ratioOf(window)}{${selector.join(', ')}} > ${bound}) without (sloth_window)`;
  return `(${isOver(short)} and ${isOver(long)})`;
}
