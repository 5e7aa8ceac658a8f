import type { Scenario } from './scenario.ts';

/**
 * 2,000 boxes of oranges that are gone in ten minutes. There is one item, neighbourhood groups with caps, and
 * a content community.
 */
export const oranges2000: Scenario = {
  windowSeconds: 600,
  crowding: 3,
  sale: {
    id: 'oranges-2000',
    title: '赣南脐橙 5kg',
    holdSeconds: 900,
    limitPerBuyer: 2,
    items: [
      {
        sku: 'orange-5kg',
        title: '脐橙 5kg',
        price: { amount: 2_990, currency: 'CNY' },
        total: 2_000,
      },
    ],
    channels: [
      {
        id: 'xingfu-li',
        kind: 'community',
        title: '幸福里',
        partnerId: 'p-7',
        pickupPointId: 'store-3',
        cap: 300,
      },
      {
        id: 'yangguang-cheng',
        kind: 'community',
        title: '阳光城',
        partnerId: 'p-9',
        pickupPointId: 'store-5',
        cap: 200,
      },
      { id: 'xhs', kind: 'content', title: '小红书' },
      { id: 'store-3', kind: 'store', title: '幸福里便利店' },
    ],
  },
};
