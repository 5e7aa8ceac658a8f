/**
 * CustomResourceDefinitions of the operators' resources, written from the same models that validate without a
 * server.
 */
import type { KubernetesTools } from '@seckill/stack';
import ts from 'typescript';
import type { Resource } from './render.ts';
import { compileTypes, isBuiltIn } from './schema.ts';

type Schema = Record<string, unknown>;

const ANYTHING: Schema = { 'x-kubernetes-preserve-unknown-fields': true };

function schemaOfUnion(types: ts.Type[], convert: (type: ts.Type) => Schema): Schema {
  const real = types.filter(({ flags }) => (flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)) === 0);
  const all = (flag: ts.TypeFlags): boolean => real.every(({ flags }) => (flags & flag) !== 0);
  const [first] = real;
  if (first === undefined) return ANYTHING;
  if (real.length === 1) return convert(first);
  if (all(ts.TypeFlags.BooleanLike)) return { type: 'boolean' };
  if (all(ts.TypeFlags.StringLiteral))
    return { type: 'string', enum: real.map((one) => (one as ts.StringLiteralType).value) };
  if (all(ts.TypeFlags.String | ts.TypeFlags.Number)) return { 'x-kubernetes-int-or-string': true };
  return ANYTHING;
}

/**
 * Writes what the compiler knows of a type as OpenAPI. Recursive types and unions of shapes take anything.
 */
function schemaOf(checker: ts.TypeChecker, type: ts.Type, within: ts.Type[] = []): Schema {
  const convert = (inner: ts.Type): Schema => schemaOf(checker, inner, [...within, type]);
  if (within.includes(type)) return ANYTHING;
  if (type.isUnion()) return schemaOfUnion(type.types, convert);
  if (type.isStringLiteral()) return { type: 'string', enum: [type.value] };
  if ((type.flags & ts.TypeFlags.StringLike) !== 0) return { type: 'string' };
  if ((type.flags & ts.TypeFlags.NumberLike) !== 0) return { type: 'number' };
  if ((type.flags & ts.TypeFlags.BooleanLike) !== 0) return { type: 'boolean' };
  if ((type.flags & ts.TypeFlags.Object) === 0) return ANYTHING;
  if (checker.isArrayType(type)) {
    const [items] = checker.getTypeArguments(type as ts.TypeReference);
    return { type: 'array', items: items === undefined ? ANYTHING : convert(items) };
  }
  const fields = checker.getPropertiesOfType(type);
  const values = checker.getIndexInfoOfType(type, ts.IndexKind.String)?.type;
  if (fields.length === 0)
    return {
      type: 'object',
      ...(values === undefined ? ANYTHING : { additionalProperties: convert(values) }),
    };
  const isOptional = (field: ts.Symbol): boolean => (field.flags & ts.SymbolFlags.Optional) !== 0;
  const required = fields.filter((field) => !isOptional(field)).map(({ name }) => name);
  return {
    type: 'object',
    properties: Object.fromEntries(
      fields.map((field) => [field.name, convert(checker.getTypeOfSymbol(field))]),
    ),
    ...(required.length === 0 ? {} : { required }),
  };
}

function definitionOf({ apiVersion, kind }: Resource, openAPIV3Schema: Schema): Resource {
  const [group = '', version] = apiVersion.split('/');
  const plural = `${kind.toLowerCase()}s`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${group}`,
      // The server wants to know who approved a group of Kubernetes' own. Nobody did, because it is for a
      // test.
      annotations: { 'api-approved.kubernetes.io': 'unapproved, for a test' },
    },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural },
      versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  };
}

/** One definition for each kind among `resources` that Kubernetes does not serve by itself. */
export function defineKinds(tools: KubernetesTools, resources: Resource[]): Resource[] {
  const kinds = new Map(
    resources.filter((one) => !isBuiltIn(tools, one)).map((one) => [`${one.apiVersion} ${one.kind}`, one]),
  );
  const list = [...kinds.values()];
  const { checker, types } = compileTypes(tools, list);
  return list.map((resource, index) => {
    const type = types[index];
    const spec = type && checker.getPropertyOfType(type, 'spec');
    if (spec === undefined) throw new Error(`no model of ${resource.apiVersion} ${resource.kind}`);
    return definitionOf(resource, {
      type: 'object',
      required: ['spec'],
      // apiVersion, kind and metadata are the server's own; the status is the operator's.
      properties: {
        spec: schemaOf(checker, checker.getTypeOfSymbol(spec)),
        status: { type: 'object', ...ANYTHING },
      },
    });
  });
}
