import { isValidMetadata, LIMITS, ReserveItem, type ReserveAnswer } from '@seckill/contracts';
import { sampledTraceparent, type Http, type Span, type Tracing } from '@seckill/runtime';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Reservations } from '../reserve/reservations.ts';
import type { CallerCheck } from './caller-check.ts';

const reserveItem = Compile(ReserveItem);
/**
 * Checks only the frame. Each item is checked by itself, so that a bad one is answered and its neighbours go
 * on.
 */
const ReserveBatch = Type.Array(Type.Unknown(), { minItems: 1, maxItems: LIMITS.reserveBatchMax });
/**
 * The longest valid item, with every character escaped, is about 3.3 kB, its metadata 2 kB and its contact
 * 2.7 kB.
 */
const ITEM_BYTES_MAX = 8_192;

export function reservationRoutes(
  app: Http,
  deps: { reservations: Reservations; tracing: Tracing | undefined; onRequest: CallerCheck },
): void {
  app.post(
    '/internal/reservations',
    {
      schema: { body: ReserveBatch },
      bodyLimit: LIMITS.reserveBatchMax * ITEM_BYTES_MAX,
      onRequest: deps.onRequest,
    },
    async (request): Promise<ReserveAnswer[]> => {
      const offences = request.body.map(findOffence);
      const items = request.body.filter((_item, index) => offences[index] === undefined) as ReserveItem[];
      const spans = deps.tracing === undefined ? undefined : startSpans(deps.tracing, items);
      const answers = await deps.reservations.reserve(items);
      spans?.forEach((span, index) => {
        span?.set('seckill.outcome', answers[index]?.outcome ?? 'outcome_unknown');
        span?.end();
      });
      let next = 0;
      return offences.map((field) => {
        if (field !== undefined) return { outcome: 'invalid_request', field };
        const answer = answers[next];
        next += 1;
        return answer ?? { outcome: 'outcome_unknown' };
      });
    },
  );
}

/** The requests of a batch have traces of their own, which its header cannot name. */
function startSpans(tracing: Tracing, items: ReserveItem[]): (Span | undefined)[] {
  return items.map((item) => {
    const parent = sampledTraceparent(item.traceparent);
    const span = parent && tracing.start('reserve', { kind: 'server', parent });
    if (!span) return undefined;
    item.traceparent = span.traceparent;
    return span;
  });
}

/** The field that makes an item no ReserveItem, if any. */
function findOffence(item: unknown): string | undefined {
  if (!reserveItem.Check(item)) {
    const path = reserveItem.Errors(item)[0]?.instancePath ?? '';
    return path.split('/').slice(1).join('.') || 'item';
  }
  if (item.metadata !== undefined && !isValidMetadata(item.metadata)) return 'metadata';
  const skus = item.lines.map(({ sku }) => sku);
  const twice = skus.findIndex((sku, index) => skus.indexOf(sku) < index);
  return twice === -1 ? undefined : `lines.${twice}.sku`;
}
