/** Config maps under names that end with a hash of what they hold, as kustomize names them. */
import { createHash } from 'node:crypto';
import type { Resource } from './render.ts';
import { Expression, merge, type Fields, type Value, type Variant } from './tree.ts';
import { writeTree } from './write.ts';

/** Letters that kustomize writes instead, so that no hash reads as a word. */
const LETTERS: Record<string, string> = { 0: 'g', 1: 'h', 3: 'k', a: 'm', e: 't' };

/**
 * kustomize's api/hasher: the first ten digits of SHA-256 of the map as JSON with sorted keys. The name is
 * empty, because kustomize looks for it under a key that no map has.
 */
function hashOf(data: Fields): string {
  const sorted = Object.fromEntries(Object.entries(data).sort(([one], [other]) => (one < other ? -1 : 1)));
  const json = JSON.stringify({ data: sorted, kind: 'ConfigMap', name: '' });
  const escaped = json.replaceAll('&', '\\u0026').replaceAll('<', '\\u003c').replaceAll('>', '\\u003e');
  const hex = createHash('sha256').update(escaped).digest('hex').slice(0, 10);
  return hex.replaceAll(/[013ae]/g, (digit) => LETTERS[digit] ?? digit);
}

/** The name without the hash; undefined when the resource is no map that kustomize has named. */
export function bareNameOf({ kind, metadata, data }: Resource): string | undefined {
  const [, bare, hash] = /^(.+)-([a-z0-9]{10})$/.exec(metadata.name) ?? [];
  if (kind !== 'ConfigMap' || bare === undefined) return undefined;
  return hashOf(data as Fields) === hash ? bare : undefined;
}

/** The same hash, reckoned by Helm: what the map holds is known only with the values. */
export const HASH_HELPERS = `{{/* What a config map holds: variables of the manifests and of the values. Takes the root and a name. */}}
{{- define "seckill.variables" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $own := fromYaml (include (printf "seckill.variables.%s" $name) $root) -}}
{{- toJson (merge (dict) (default (dict) (index $root.Values.variables $name)) $own) -}}
{{- end }}

{{/* Its hash, as kustomize reckons it: a pod that carries it is replaced when a variable changes. */}}
{{- define "seckill.variablesHash" -}}
{{- $map := dict "kind" "ConfigMap" "name" "" "data" (fromJson (include "seckill.variables" .)) -}}
{{- toJson $map | sha256sum | trunc 10${Object.entries(LETTERS)
  .map(([from, to]) => ` | replace "${from}" "${to}"`)
  .join('')} -}}
{{- end }}
`;

export const variablesHash = (name: string): Expression =>
  new Expression(`{{ include "seckill.variablesHash" (list $ "${name}") }}`);

export const mapData = (name: string): Expression =>
  new Expression(`{{ include "seckill.variables" (list $ "${name}") }}`);

/** The helper with the manifests' own variables of one map. */
export function writeVariables(name: string, base: Value, variants: Variant[]): string {
  const lines = writeTree(merge(base, variants));
  return [`{{- define "seckill.variables.${name}" }}`, ...lines, '{{- end }}', ''].join('\n');
}
