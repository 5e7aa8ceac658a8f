/** How many units have joined the group purchase of a sale. */
import type { Sale } from '@seckill/client';
import { element, setText } from '../dom.ts';
import { isOneGroup } from '../shop.ts';
import { texts } from '../texts.ts';

export class Joined {
  readonly root = element('p', { class: 'faint', hidden: true });
  #sale: Sale | undefined;
  /** Version of the sale whose channels were asked for: an operator may add a channel. */
  #version: number | undefined;
  #isOneGroup = false;

  update(sale: Sale): void {
    this.#sale = sale;
    if (sale.groupMinimum !== undefined && sale.version !== this.#version) void this.#ask(sale);
    this.#draw();
  }

  async #ask({ id, version }: Sale): Promise<void> {
    this.#version = version;
    const answer = await isOneGroup(id);
    // A later version was asked for meanwhile.
    if (this.#version !== version) return;
    this.#isOneGroup = answer;
    this.#draw();
  }

  /** Items do not tell the units of a channel. With groups of channels their sum is that of no group. */
  #draw(): void {
    const { groupMinimum, items = [] } = this.#sale ?? {};
    this.root.hidden = groupMinimum === undefined || !this.#isOneGroup;
    if (groupMinimum === undefined) return;
    // The units of kits are those of their parts, which are items as well.
    const counted = items.filter(({ components }) => components === undefined);
    const joined = counted.reduce((sum, { held, paid }) => sum + held + paid, 0);
    setText(this.root, texts().joined(joined, groupMinimum));
  }
}
