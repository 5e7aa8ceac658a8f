/** Series of a Prometheus rule test: what is scraped every 15 s, in promtool's notation. */
export type Series = Record<string, string>;

export interface Alert {
  /** Also the name of its runbook, docs/operating/runbooks/<name>.md. */
  name: string;
  expr: string;
  for: string;
  /** `page` wakes a person, `ticket` waits for the day. */
  severity: 'page' | 'ticket';
  summary: string;
  /** Under these series the alert fires after `after`, with these labels besides the severity. */
  fires: { series: Series; labels?: Record<string, string>; after?: string };
  /** Under these it does not, although they come close. */
  silent: Series;
  /** Pairs of the same kind, for each further part of the expression. */
  others?: Pick<Alert, 'fires' | 'silent'>[];
}
