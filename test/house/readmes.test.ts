// Goal: both READMEs say the same.
// Method: what needs no translation is compared: headings by level, links, code without
// its comments, rows and figures of tables.
import t from 'tap';
import { read } from '../support/repository.ts';

interface Shape {
  headings: string[];
  links: string[];
  code: string[];
  rows: string[];
  inline: string[];
}

function shapeOf(path: string): Shape {
  // The drawing is left out, because it has words in it.
  const text = read(path).replaceAll(/^```mermaid[\s\S]*?^```$/gm, '');
  const code = [...text.matchAll(/^```.*\n([\s\S]*?)^```$/gm)].map(([, body = '']) =>
    body.replaceAll(/ +#.*$/gm, ''),
  );
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '');
  return {
    headings: [...prose.matchAll(/^(#+) /gm)].map(([, level = '']) => level),
    // Links to the page of the other language and to headings of the page itself are left out.
    links: [...prose.matchAll(/\]\(([^)#][^)]*)\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^README/.test(target))
      .sort(),
    code,
    rows: [...prose.matchAll(/^\|(.*)\|$/gm)].map(([, row = '']) =>
      [...row.matchAll(/\d[\d.,]*\d/g)].join(' '),
    ),
    inline: [...new Set([...prose.matchAll(/`[^`\n]+`/g)].map(([word]) => word))].sort(),
  };
}

await t.test('README.md and README.zh-CN.md have the same content', async (t) => {
  const [english, chinese] = [shapeOf('README.md'), shapeOf('README.zh-CN.md')];
  t.ok(english.code.length > 10 && english.links.length > 20, 'there is something to compare');
  t.same(chinese.headings, english.headings, 'headings by level');
  t.same(chinese.links, english.links, 'links');
  t.same(chinese.code, english.code, 'code');
  t.same(chinese.inline, english.inline, 'names in the text');
  t.same(chinese.rows, english.rows, 'figures of tables, row by row');
});
