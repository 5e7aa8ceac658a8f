/**
 * `node --import ./test/runner/register.js`: what a test process is told before its file runs.
 *
 * erase.js erases types, and typebox.js loads TypeBox as few files. And services that a test spawns run as
 * they are deployed: tap adds a hook of its own to the NODE_OPTIONS of every child, which follows what the
 * child loads for the table of coverage, and which doubles the processor time that a service takes to start
 * (from 0.8 to 1.6 s). Without that table nobody reads what the hook writes.
 */
import { register } from 'node:module';
import processOnSpawn from 'process-on-spawn';

register('./erase.js', import.meta.url);
register('./typebox.js', import.meta.url);

// .taprc keeps tap's own loader of TypeScript out of this process, which has passed that loader by now; tap
// itself would take the variable for a wish for Node 22's flag.
process.env.TAP_TYPE_STRIP_ONLY = '0';

const HOOK = /"?--import=\S*@tapjs\/processinfo\S*"?/g;
// This listener is called after tap's, which adds the hook whatever the test asks for.
processOnSpawn.addListener((child) => {
  const { NODE_OPTIONS: options = '', ...others } = child.env;
  const left = options.replaceAll(HOOK, '').trim();
  child.env = left === '' ? others : { ...others, NODE_OPTIONS: left };
});
