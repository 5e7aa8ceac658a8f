import type { Scenario } from './scenario.ts';

/**
 * 1,000 boxes of mangoes that are gone in three minutes. There are two sizes, and some buyers want one of
 * each or nothing.
 */
export const mangoes1000: Scenario = {
  windowSeconds: 180,
  crowding: 4,
  sale: {
    id: 'mangoes-1000',
    title: '海南贵妃芒',
    holdSeconds: 600,
    limitPerBuyer: 3,
    items: [
      { sku: 'mango-3kg', title: '芒果 3kg', price: { amount: 3_990, currency: 'CNY' }, total: 600 },
      { sku: 'mango-5kg', title: '芒果 5kg', price: { amount: 5_990, currency: 'CNY' }, total: 400 },
    ],
    channels: [
      {
        id: 'xingfu-li',
        kind: 'community',
        title: '幸福里',
        partnerId: 'p-7',
        pickupPointId: 'store-3',
        cap: 150,
      },
      { id: 'xhs', kind: 'content', title: '小红书' },
      { id: 'zhihu', kind: 'content', title: '知乎' },
    ],
  },
};
