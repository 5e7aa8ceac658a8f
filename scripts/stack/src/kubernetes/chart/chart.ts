/**
 * The chart: k8s/chart with templates made of what kustomize renders, so that a manifest is written once. The
 * base's resources get the components' changes under conditions; each component's own stand in a file of its
 * name.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { ROOT } from '../../names.ts';
import { bareNameOf, HASH_HELPERS, mapData, writeVariables } from './config-maps.ts';
import { placeValues } from './places.ts';
import { titleOf, type Rendering, type Resource } from './render.ts';
import { merge, type Value, type Variant } from './tree.ts';
import { isOn, unless, writeTree } from './write.ts';

/** A namespace goes with its volumes. The one that Helm installs into is the operator's to make. */
const isOurs = ({ kind }: Resource): boolean => kind !== 'Namespace';

/** The base's maps of variables, by their names without a hash. */
const variableMaps = ({ base }: Rendering): string[] =>
  base.map(bareNameOf).filter((name) => name !== undefined);

/** A rendering with values in their places, by titles that no hash changes. */
function placeAll(resources: Resource[], maps: string[]): Map<string, Resource> {
  const bareNames = new Map(resources.map((one) => [one.metadata.name, bareNameOf(one)]));
  const isVariable = (bare: string | undefined): bare is string => bare !== undefined && maps.includes(bare);
  // Whatever has the name of a map with variables is that map or refers to it.
  const rename = (_key: string, inner: unknown): unknown => {
    const bare = typeof inner === 'string' ? bareNames.get(inner) : undefined;
    return isVariable(bare) ? bare : inner;
  };
  return new Map(
    resources.filter(isOurs).map((one) => {
      const bare = bareNameOf(one);
      const renamed = JSON.parse(JSON.stringify(one), rename) as Resource;
      const whole = isVariable(bare) ? { ...renamed, data: mapData(bare) } : renamed;
      return [titleOf(renamed), placeValues(whole)];
    }),
  );
}

const dataOf = (resources: Resource[], name: string): Value =>
  resources.find((one) => bareNameOf(one) === name)?.['data'];

/** What each component makes of something of the base. */
const variantsOf = <From>(by: Map<string, From>, read: (from: From) => Value): Variant[] =>
  [...by].map(([component, from]) => ({ component, value: read(from) }));

function writeBase(
  base: Map<string, Resource>,
  components: Map<string, Map<string, Resource>>,
): Map<string, string[]> {
  const files = new Map<string, string[]>();
  for (const [title, resource] of base) {
    const variants = variantsOf(components, (resources) => resources.get(title));
    // The file is that of the workload: its account, Deployment, budget, Service, variables.
    const [, name = ''] = title.split(' ');
    const rest = variants.filter(({ value }) => value !== undefined);
    const takers = variants.filter(({ value }) => value === undefined).map(({ component }) => component);
    const lines = unless(takers, ['---', ...writeTree(merge(resource, rest))]);
    files.set(name, [...(files.get(name) ?? []), ...lines]);
  }
  return files;
}

function writeComponent(
  name: string,
  base: Map<string, Resource>,
  resources: Map<string, Resource>,
): string[] {
  const own = [...resources].filter(([title]) => !base.has(title));
  const lines = own.flatMap(([, resource]) => ['---', ...writeTree({ plain: resource })]);
  return [`{{- if ${isOn(name)} }}`, ...lines, '{{- end }}'];
}

const NOTICE = '{{/* Made of k8s/base and k8s/components by `npm run chart`: change them instead. */}}';

/** Writes the chart into an empty folder. @returns what the chart is called */
export function writeChart(folder: string, rendering: Rendering): { name: string; version: string } {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const maps = variableMaps(rendering);
  const base = placeAll(rendering.base, maps);
  const components = new Map(
    [...rendering.components].map(([name, resources]) => [name, placeAll(resources, maps)]),
  );
  cpSync(join(ROOT, 'k8s/chart'), folder, { recursive: true });
  const about = parse(readFileSync(join(folder, 'Chart.yaml'), 'utf8')) as { name: string };
  writeFileSync(join(folder, 'Chart.yaml'), stringify({ ...about, version, appVersion: version }));
  cpSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
  const write = (file: string, lines: string[]): void => {
    writeFileSync(join(folder, 'templates', file), [NOTICE, ...lines, ''].join('\n'));
  };
  mkdirSync(join(folder, 'templates/components'), { recursive: true });
  const variables = maps.map((name) => {
    const variants = variantsOf(rendering.components, (resources) => dataOf(resources, name));
    return writeVariables(name, dataOf(rendering.base, name), variants);
  });
  write('_variables.tpl', [HASH_HELPERS, ...variables]);
  for (const [name, lines] of writeBase(base, components)) write(`${name}.yaml`, lines);
  for (const [name, resources] of components)
    write(`components/${name}.yaml`, writeComponent(name, base, resources));
  return { name: about.name, version };
}
