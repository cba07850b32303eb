// Builds the API reference from the docstrings of lib/ by TypeDoc: `node wasm/reference.mjs docs`.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Application, Comment, CommentTag, Converter, ReferenceType, ReflectionKind } from 'typedoc'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))
const entry = join(root, 'lib/index.ts')

/** Categories in the order of the navigation, with the exports that belong to them: the first match counts. */
const CATEGORIES = [
  ['Functions', ({ kind, file }) => kind === ReflectionKind.Function && /^global|connect/.test(file)],
  ['Clients', ({ kind, name }) => kind === ReflectionKind.Class && /(Agent|Pool|Client|Dispatcher)$/.test(name)],
  ['Interceptors', ({ name, file }) => name === 'interceptors' || file === 'interceptors/latency.ts'],
  [
    'Load balancing',
    ({ name, file }) => /^balance|health-check|strategies|discover|upstream/.test(file) && !/Options$/.test(name),
  ],
  ['Handlers', ({ kind, name }) => kind !== ReflectionKind.Namespace && /(Handler|Controller)$/.test(name)],
  ['Errors', ({ name }) => name === 'errors'],
  ['Options', ({ name }) => /(Options|Timeouts)$/.test(name)],
  ['Types named as in undici', ({ kind }) => kind === ReflectionKind.Namespace],
  ['Types', () => true],
]

/** Methods of EventEmitter that are not shown: other names of `on` and `off`, and access to listeners. */
const HIDDEN_METHODS = /^(addListener|removeListener|prependListener|prependOnceListener|listeners|rawListeners)$/

/**
 * Types that are exported only because declarations refer to them, and those that the namespace `errors` shows: they have no
 * pages at the top level.
 */
const NO_PAGES =
  /\b(LifecycleDispatcher|OriginPool|WaitingHandler|WrappingHandler|BodyMixinReadable|UnlessErased|ErrorClass|UndiciError|ErrorContext|Fault|Phase|SocketInfo)\b,?/g

/** Groups of options by the begin of their docstrings. */
const OPTION_GROUPS = [
  ['Ignored options', /^(Ignored|Accepted and ignored)/],
  ['Rejected options', /^(Rejected|Not in undici)/],
]

/**
 * Builds the reference.
 * @param {string} folder folder for the pages
 * @returns {Promise<number>} number of errors and warnings
 */
export async function buildReference(folder) {
  const options = { ...compilerOptions(), noEmit: true, skipLibCheck: true }
  const app = await Application.bootstrap({
    entryPoints: [entry],
    basePath: root,
    readme: join(root, 'README.md'),
    customCss: join(root, 'wasm/reference.css'),
    includeVersion: true,
    excludeInternal: true,
    excludePrivate: true,
    excludeProtected: true,
    excludeExternals: true,
    disableSources: true,
    categorizeByGroup: false,
    categoryOrder: CATEGORIES.map(([name]) => name),
    groupOrder: ['Constructors', 'Properties', 'Accessors', 'Methods', ...OPTION_GROUPS.map(([name]) => name), '*'],
    kindSortOrder: [
      'Function',
      'Class',
      'Interface',
      'TypeAlias',
      'Namespace',
      'Constructor',
      'Property',
      'Accessor',
      'Method',
    ],
    navigation: { includeCategories: true, includeGroups: false },
    externalSymbolLinkMappings: { '@types/node': { '*': 'https://nodejs.org/api/' } },
    validation: { notExported: true, invalidLink: true, invalidPath: true },
    logLevel: 'Warn',
  })
  app.options.setCompilerOptions([entry], options, undefined)
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, arrange)
  app.converter.on(Converter.EVENT_RESOLVE_END, hideInternals, -1000)
  const program = ts.createProgram([entry], options, hostOf(options))
  const sourceFile = program.getSourceFile(entry)
  const project = app.converter.convert([{ displayName: 'sluice', program, sourceFile }])
  app.validate(project)
  await app.generateDocs(project, folder)
  return app.logger.errorCount + app.logger.warningCount
}

function compilerOptions() {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
  return ts.parseJsonConfigFileContent({ ...config, files: [entry], include: [] }, ts.sys, root).options
}

/** Reads the files of lib/ with tags that TypeDoc understands. */
function hostOf(options) {
  const host = ts.createCompilerHost(options)
  const { readFile } = host
  host.readFile = (path) => {
    const text = readFile.call(host, path)
    if (text === undefined || !path.startsWith(join(root, 'lib'))) return text
    // Errors and interceptors have their pages in namespaces.
    if (path === entry) return text.replace(/^export type \* from '.\/(errors\/public|interceptors\/index).js'$/gm, '')
    return path === join(root, 'lib/types.ts') ? text.replace(NO_PAGES, '') : withTags(text)
  }
  return host
}

/**
 * Error classes are created by a function, and a result is another name of a type: tags make TypeDoc show their members. Types
 * that a module does not export are shown where they are used. TypeDoc ignores the types of `@throws`: they become links.
 * @param {string} text
 */
function withTags(text) {
  return text
    .replace(/ \*\/\n(?=export const \w+Error = )/g, ' * @class\n */\n')
    .replace(/ \*\/\n(?=export type \w+(<.*>)? = TunnelData<)/g, ' @interface */\n')
    .replace(/^(?=(type|interface) \w+(<.*>)? (= |\{))/gm, '/** @inline */\n')
    .replace(/@throws \{([\w| ]+)\}/g, (_, names) => `@throws ${names.replace(/\w+/g, linkOf)}:`)
}

/** @param {string} name */
function linkOf(name) {
  return /Error$/.test(name) && name !== 'Error' ? `{@link errors.${name} | ${name}}` : name
}

/** Adds categories and groups, and removes overloads that exist for type compatibility only. */
function arrange(context) {
  const { project } = context
  for (const one of project.children ?? []) addTag(one, '@category', categoryOf(one, context))
  const base = (name) => [ReferenceType.createResolvedReference(name, project.getChildByName(name), project)]
  for (const one of Object.values(project.reflections)) {
    if (one.kindOf(ReflectionKind.SomeSignature) && isCompatibilityOverload(one)) project.removeReflection(one)
    if (one.kindOf(ReflectionKind.Method) && isHiddenMethod(one)) project.removeReflection(one)
    if (one.kindOf(ReflectionKind.Class)) {
      if (one.extendedTypes?.some(({ name }) => /^(Lifecycle|Origin)/.test(name)))
        one.extendedTypes = base('Dispatcher')
      if (one.parent.name === 'errors') one.extendedTypes ??= base('errors.UndiciError')
    }
    if (one.kindOf(ReflectionKind.Parameter) && one.type?.name === 'Clock') project.removeReflection(one)
    if (one.type?.name === 'UnlessErased') one.type = one.type.typeArguments[1]
    for (const repeated of repeatedOverloads(one.signatures ?? [])) project.removeReflection(repeated)
    if (!one.kindOf(ReflectionKind.Property)) continue
    const text = Comment.combineDisplayParts(one.comment?.summary)
    const group = OPTION_GROUPS.find(([, begin]) => begin.test(text))
    if (group !== undefined) addTag(one, '@group', group[0])
  }
}

/** Removes names of internal classes and constants. */
function hideInternals({ project }) {
  for (const one of Object.values(project.reflections)) {
    for (const name of ['inheritedFrom', 'overwrites', 'implementationOf'])
      if (one[name] !== undefined && one[name].reflection === undefined) delete one[name]
    // Names of constants say nothing.
    if (/^[A-Z_]+$/.test(one.defaultValue ?? '')) delete one.defaultValue
  }
}

function categoryOf(one, context) {
  const { name, kind } = one
  const symbol = context.getSymbolFromReflection(one)
  const path = symbol?.declarations?.[0]?.getSourceFile().fileName ?? ''
  const file = path.slice(join(root, 'lib/').length)
  return CATEGORIES.find(([, belongs]) => belongs({ name, kind, file }))[0]
}

function isCompatibilityOverload({ comment, parameters = [] }) {
  const text = Comment.combineDisplayParts(comment?.summary)
  return (
    /^(Repeats the first overload|Overload with undici)/.test(text) ||
    parameters.some(({ type }) => type?.name === 'never')
  )
}

function isHiddenMethod({ name, signatures = [] }) {
  const [{ comment } = {}] = signatures
  return HIDDEN_METHODS.test(name) || /Called by BalancedPool/.test(Comment.combineDisplayParts(comment?.summary))
}

/** Overloads with the types of an earlier one: TypeScript reads the last one where the first is meant. */
function repeatedOverloads(signatures) {
  const types = signatures.map(({ parameters = [], type }) => [...parameters.map((one) => one.type), type].join())
  return signatures.filter((_, i) => types.indexOf(types[i]) < i)
}

function addTag(one, tag, text) {
  one.comment ??= new Comment()
  one.comment.blockTags.push(new CommentTag(tag, [{ kind: 'text', text }]))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? 'docs'
  process.exitCode = Math.min(1, await buildReference(folder))
  console.log(`${folder}/index.html`)
}
