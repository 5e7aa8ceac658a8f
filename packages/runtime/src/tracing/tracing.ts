import type { Attributes, Context, Link, SpanContext } from '@opentelemetry/api';
import type { ReadableSpan, Sampler, SpanExporter } from '@opentelemetry/sdk-trace-base';
import { TRACEPARENT } from '@seckill/contracts';
import type { ConfigReader } from '../config.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';

/** What a process needs to tell of its spans. */
export interface TracingConfig {
  /** Where an OpenTelemetry collector listens, OTLP over HTTP; the path `/v1/traces` is ours to add. */
  endpoint: string;
  /** The share of the requests from outside that are traced, 0 to 1. */
  share: number;
}

export interface SpanOptions {
  kind: 'server' | 'client' | 'producer' | 'consumer' | 'internal';
  /** The span that this one is a part of; absent: a trace begins. */
  parent?: string;
  /** Spans of other traces that led to this one; those beyond LINKS_MAX are left out. */
  links?: readonly string[];
  attributes?: Attributes;
}

export interface Span {
  /** Names this span as the parent of others (W3C Trace Context). */
  readonly traceparent: string;
  set(name: string, value: string | number): void;
  /** @param error why the work failed. The error's name and code are told; its message may name an order. */
  end(error?: unknown): void;
}

export interface Tracing {
  /** @returns undefined where the trace is not sampled: then there is nothing to tell. */
  start(name: string, options: SpanOptions): Span | undefined;
}

/** What OpenTelemetry's SDKs keep of one span unless they are told otherwise. */
export const LINKS_MAX = 128;
/** One request in a hundred: a crowd that is traced whole would tell up to seven spans a reservation. */
const SHARE_DEFAULT = 0.01;
/** Spans that wait for the collector. More are dropped: telling is never a reason to wait. */
const WAITING_SPANS_MAX = 8_192;
const BATCH_SPANS_MAX = 512;
const EXPORT_EVERY_MS = 1_000;
const EXPORT_MS = 5_000;
const SAMPLED = 1;
const pattern = new RegExp(TRACEPARENT);

/** Reads the variables that OpenTelemetry names. Tracing is off without an endpoint. */
export function readTracing(reader: ConfigReader): TracingConfig | undefined {
  const endpoint = reader.optionalUrl('OTEL_EXPORTER_OTLP_ENDPOINT', ['http', 'https']);
  const share = reader.share('OTEL_TRACES_SAMPLER_ARG', SHARE_DEFAULT);
  return endpoint === undefined ? undefined : { endpoint: endpoint.replace(/\/+$/, ''), share };
}

/** @returns the text, if it is a traceparent of a trace that is told of. */
export function sampledTraceparent(text: unknown): string | undefined {
  if (typeof text !== 'string' || !pattern.test(text)) return undefined;
  return (parseInt(text.slice(-2), 16) & SAMPLED) === SAMPLED ? text : undefined;
}

/**
 * Begins to tell spans. The libraries are loaded only here: a process without an endpoint pays nothing.
 * @param isEdge whether requests come from outside. There the share decides, whatever a client asks for:
 * otherwise any client could have all of its requests traced. Behind the edge the caller has decided.
 */
export async function startTracing(
  config: TracingConfig | undefined,
  options: { service: string; isEdge?: boolean; logger: Logger; lifecycle: Pick<Lifecycle, 'onStop'> },
): Promise<Tracing | undefined> {
  if (config === undefined) return undefined;
  const { service, isEdge = false, logger, lifecycle } = options;
  const [api, sdk, otlp, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  // Not by the trace id, as OpenTelemetry's own sampler of a share: a client chooses that id.
  const byShare: Sampler = {
    shouldSample: () => ({
      decision:
        Math.random() < config.share
          ? sdk.SamplingDecision.RECORD_AND_SAMPLED
          : sdk.SamplingDecision.NOT_RECORD,
    }),
    toString: () => `Share{${config.share}}`,
  };
  const exporter = new otlp.OTLPTraceExporter({
    url: `${config.endpoint}/v1/traces`,
    timeoutMillis: EXPORT_MS,
  });
  const provider = new sdk.BasicTracerProvider({
    resource: resources.resourceFromAttributes({ 'service.name': service, 'service.namespace': 'seckill' }),
    // Behind the edge nothing begins a trace but what is done for traced orders together.
    sampler: isEdge ? byShare : new sdk.ParentBasedSampler({ root: new sdk.AlwaysOnSampler() }),
    spanProcessors: [
      new sdk.BatchSpanProcessor(tellFailures(exporter, logger), {
        maxQueueSize: WAITING_SPANS_MAX,
        maxExportBatchSize: BATCH_SPANS_MAX,
        scheduledDelayMillis: EXPORT_EVERY_MS,
        exportTimeoutMillis: EXPORT_MS,
      }),
    ],
  });
  lifecycle.onStop('tracing', () => provider.shutdown());
  const { SpanKind } = api;
  const kinds = {
    internal: SpanKind.INTERNAL,
    server: SpanKind.SERVER,
    client: SpanKind.CLIENT,
    producer: SpanKind.PRODUCER,
    consumer: SpanKind.CONSUMER,
  };
  const tracer = provider.getTracer('seckill');
  const contextOf = (traceparent: string): Context =>
    api.trace.setSpanContext(api.ROOT_CONTEXT, parseTraceparent(traceparent));
  logger.info({ share: config.share }, 'traces are told to a collector');
  return {
    start(name, { kind, parent, links = [], attributes = {} }) {
      const span = tracer.startSpan(
        name,
        {
          kind: kinds[kind],
          attributes,
          links: links.slice(0, LINKS_MAX).map((link): Link => ({ context: parseTraceparent(link) })),
          root: parent === undefined,
        },
        parent === undefined ? api.ROOT_CONTEXT : contextOf(parent),
      );
      if (!span.isRecording()) return undefined;
      return {
        traceparent: formatTraceparent(span.spanContext()),
        set: (key, value) => span.setAttribute(key, value),
        end(error) {
          if (error !== undefined) {
            const message = typeof error === 'string' ? error : describeBriefly(error);
            span.setStatus({ code: api.SpanStatusCode.ERROR, message });
          }
          span.end();
        },
      };
    },
  };
}

/** The id that ties log lines and spans together. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}

function parseTraceparent(traceparent: string): SpanContext {
  return {
    traceId: traceIdOf(traceparent),
    spanId: traceparent.slice(36, 52),
    traceFlags: parseInt(traceparent.slice(53), 16),
    isRemote: true,
  };
}

function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** `ExportResultCode.SUCCESS` of OpenTelemetry, whose package has nothing else that is used here. */
const EXPORTED: number = 0;

/**
 * A collector that is away is told once, and once more when it is back. The spans meant for it are lost. The
 * code decides: an exporter may fail without saying why.
 */
export function tellFailures(exporter: SpanExporter, logger: Pick<Logger, 'warn' | 'info'>): SpanExporter {
  let isFailing = false;
  return {
    export(spans: ReadableSpan[], done) {
      exporter.export(spans, (result) => {
        const code: number = result.code;
        const hasFailed = code !== EXPORTED;
        if (hasFailed && !isFailing)
          logger.warn({ err: result.error }, 'tracing: spans are lost, the collector does not take them');
        if (!hasFailed && isFailing) logger.info('tracing: the collector takes spans again');
        isFailing = hasFailed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    ...(exporter.forceFlush === undefined
      ? {}
      : { forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve() }),
  };
}

function describeBriefly(error: unknown): string {
  if (!(error instanceof Error)) return 'failed';
  return 'code' in error && typeof error.code === 'string' ? `${error.name} ${error.code}` : error.name;
}
