/**
 * Strict validation without a cluster, against models generated from Kubernetes' own and the operators'
 * definitions: their validators find wrong values and enums, the compiler finds unknown fields in literals of
 * their types.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { KubernetesTools } from '@seckill/stack';
import ts from 'typescript';
import type { Resource } from './render.ts';

const PACKAGES = [
  'kubernetes-models',
  '@kubernetes-models/keda',
  '@kubernetes-models/prometheus-operator',
  '@kubernetes-models/strimzi-kafka-operator',
  '@kubernetes-models/cloudnative-pg',
  '@kubernetes-models/external-secrets',
  '@kubernetes-models/gateway-api',
];

export const titleOf = ({ kind, metadata }: Resource): string => `${kind} ${metadata.name}`;

function modelOf({ folder }: KubernetesTools, { apiVersion, kind }: Resource): string | undefined {
  const files = PACKAGES.map((name) => join(folder, 'node_modules', name, apiVersion, kind));
  return files.find((file) => existsSync(`${file}.js`));
}

interface Model {
  validate(): void;
}

async function checkValues(tools: KubernetesTools, resource: Resource): Promise<string[]> {
  const file = modelOf(tools, resource);
  if (file === undefined)
    return [`${titleOf(resource)}: no model of ${resource.apiVersion} ${resource.kind}`];
  const module = (await import(pathToFileURL(`${file}.js`).href)) as Record<
    string,
    new (data: unknown) => Model
  >;
  const Kind = module[resource.kind];
  if (Kind === undefined) return [`${titleOf(resource)}: its model is empty`];
  try {
    new Kind(resource).validate();
    return [];
  } catch (error) {
    return [`${titleOf(resource)}: ${error instanceof Error ? error.message : String(error)}`];
  }
}

export const isBuiltIn = ({ folder }: KubernetesTools, { apiVersion, kind }: Resource): boolean =>
  existsSync(join(folder, 'node_modules', 'kubernetes-models', apiVersion, `${kind}.js`));

/**
 * The model of a resource, by the path that a file in a folder beside `node_modules` imports. Undefined
 * without a model.
 */
function typeOf(tools: KubernetesTools, resource: Resource): string | undefined {
  const file = modelOf(tools, resource);
  if (file === undefined) return undefined;
  return `import('../${relative(tools.folder, file).replaceAll('\\', '/')}.js').I${resource.kind}`;
}

function compile({ folder }: KubernetesTools, lines: string[]): { program: ts.Program; source: string } {
  const draft = mkdtempSync(join(folder, 'check-'));
  try {
    const source = join(draft, 'resources.mts');
    writeFileSync(source, `${lines.join('\n')}\n`);
    const program = ts.createProgram([source], {
      noEmit: true,
      strict: true,
      skipLibCheck: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      types: [],
    });
    return { program, source };
  } finally {
    // The program of the compiler has read all files of its list.
    rmSync(draft, { recursive: true });
  }
}

/** Compiles resources as literals. The line of a message tells which resource the compiler speaks of. */
function checkFields(tools: KubernetesTools, resources: Resource[]): string[] {
  const lines = resources.map((resource, index) => {
    const type = typeOf(tools, resource);
    return type === undefined ? '' : `export const resource${index}: ${type} = ${JSON.stringify(resource)};`;
  });
  const { program } = compile(tools, lines);
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line =
      file === undefined || start === undefined ? -1 : file.getLineAndCharacterOfPosition(start).line;
    const about = resources[line];
    const text = ts.flattenDiagnosticMessageText(messageText, ' ');
    return `${about === undefined ? 'resources' : titleOf(about)}: ${text}`;
  });
}

/** The compiler's types of the resources, in the order of the resources; `unknown` without a model. */
export function compileTypes(
  tools: KubernetesTools,
  resources: Resource[],
): { checker: ts.TypeChecker; types: ts.Type[] } {
  const lines = resources.map(
    (one, index) => `export type Resource${index} = ${typeOf(tools, one) ?? 'unknown'};`,
  );
  const { program, source } = compile(tools, lines);
  const checker = program.getTypeChecker();
  const statements = program.getSourceFile(source)?.statements ?? [];
  return { checker, types: statements.map((one) => checker.getTypeAtLocation(one)) };
}

/** @returns what is wrong, nothing when every resource is valid. */
export async function validate(tools: KubernetesTools, resources: Resource[]): Promise<string[]> {
  const known = resources.filter((resource) => modelOf(tools, resource) !== undefined);
  const values = await Promise.all(resources.map((resource) => checkValues(tools, resource)));
  return [...values.flat(), ...checkFields(tools, known)];
}
