import { createHash } from 'node:crypto';
import { PROBLEMS } from '@seckill/contracts';

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}' +
  'table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #8884}' +
  ':target{background:#fd06}@media(prefers-color-scheme:dark){body{background:#111;color:#eee}}';

/** The page to which the `type` of every problem leads: `/errors#<code>`. */
export function buildErrorsPage(): string {
  const rows = Object.entries(PROBLEMS).map(
    ([code, { status, retryable, title }]) =>
      `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${escape(title.en)}<br><span lang="zh-CN">${escape(title.zh)}</span></td><td>${retryable ? 'yes' : 'no'}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Errors of Seckill</title><style>${STYLE}</style></head><body>
<h1>Errors</h1>
<p>Go by <code>code</code>, which never changes, and by the answer's own <code>retryable</code>, which may be narrower than
the column here. The calls and their errors are in <a href="/docs">the contract</a>.</p>
<table><thead><tr><th>Code</th><th>Status</th><th>Meaning</th><th>Retryable</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></body></html>
`;
}

const escape = (text: string) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** Allows the page its own style, known by its hash, and nothing else. */
export const ERRORS_PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; frame-ancestors 'none'`;
