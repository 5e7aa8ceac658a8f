// Goal: the operators' page is there only for whoever asked for it, and lets nothing from elsewhere in.
// Method: the real app without engines behind it, and the page as `npm run build` makes it.
import t from 'tap';
import { startGateway } from '../support/gateway.ts';

const FILES = {
  '/console': 'text/html',
  '/console/': 'text/html',
  '/console/console.js': 'text/javascript',
  '/console/style.css': 'text/css',
};

for (const [what, environment] of Object.entries({
  'nothing is said': {},
  'CONSOLE=false': { CONSOLE: 'false' },
})) {
  await t.test(`there is no console when ${what}`, async (t) => {
    const gateway = await startGateway(environment);
    t.teardown(() => gateway.stop());
    for (const url of Object.keys(FILES)) {
      const answer = await gateway.app.inject({ url });
      t.match(
        { status: answer.statusCode, body: answer.json<object>() },
        { status: 404, body: { code: 'not_found' } },
        url,
      );
    }
  });
}

await t.test('CONSOLE=true serves the page, under a policy of its own', async (t) => {
  const gateway = await startGateway({ CONSOLE: 'true' });
  t.teardown(() => gateway.stop());
  for (const [url, type] of Object.entries(FILES)) {
    const answer = await gateway.app.inject({ url });
    t.equal(answer.statusCode, 200, url);
    t.match(answer.headers['content-type'], type);
    const directives = String(answer.headers['content-security-policy']).split('; ');
    for (const one of [
      "default-src 'none'",
      "script-src 'self'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ]) {
      t.ok(directives.includes(one), `${url}: ${one}`);
    }
    t.notMatch(directives.join(), /https?:|\*|unsafe/, `${url}: nothing from elsewhere, nothing inline`);
    t.equal(answer.headers['x-content-type-options'], 'nosniff');
  }
  const { body } = await gateway.app.inject({ url: '/console' });
  t.match(body, '/console/console.js', 'it is the page');
  t.notMatch(body, /<script>|<style>|\son\w+=/, 'which has nothing inline, because it would not run');
});
