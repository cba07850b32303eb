/** What an editor shows for public names: a complete first sentence, for options also unit and default. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const program = join(root, 'test/types/hovers.ts')

const classes =
  'Agent BalancedPool BodyReadable Client DecoratorHandler Dispatcher EnvHttpProxyAgent HealthCheck LatencyRecorder ' +
  'OutlierDetection Pool ProxyAgent RedirectHandler RetryAgent RetryHandler RoundRobinPool errors.UndiciError ' +
  'errors.ResponseError errors.SocketError'
const functions =
  'buildConnector connect discover dnsUpstreams getGlobalDispatcher install leastRequests peakEwma pipeline request ' +
  'setGlobalDispatcher stream upgrade interceptors.decompress interceptors.dns interceptors.dump interceptors.hedge ' +
  'interceptors.latency interceptors.redirect interceptors.responseError interceptors.retry'
const members =
  'Client.close Client.closed Client.closeIdle Client.compose Client.connect Client.destroy Client.dispatch ' +
  'Client.inspect Client.pipeline Client.request Client.stats Client.stream Client.upgrade Client.warm Pool.stats ' +
  'BalancedPool.addUpstream BalancedPool.getUpstream BalancedPool.removeUpstream BalancedPool.upstreams BodyReadable.body ' +
  'BodyReadable.dump BodyReadable.json BodyReadable.text errors.UndiciError.fault errors.UndiciError.method ' +
  'errors.UndiciError.origin errors.UndiciError.path errors.UndiciError.phase errors.UndiciError.replaySafe ' +
  'errors.ResponseError.body errors.ResponseError.headers errors.ResponseError.statusCode errors.SocketError.socket ' +
  'Dispatcher.ResponseData.body Dispatcher.ResponseData.headers Dispatcher.ResponseData.timings ' +
  'Dispatcher.DispatchController.abort Dispatcher.DispatchHandler.onResponseData PoolStats.queued Timings.firstByte'
/** Types of options: each member is checked. */
const options =
  'AgentOptions BalancedPoolOptions ClientOptions PoolOptions ProxyAgentOptions EnvHttpProxyAgentOptions DispatchOptions ' +
  'Dispatcher.RequestOptions Dispatcher.PipelineOptions Dispatcher.ConnectOptions Dispatcher.UpgradeOptions Timeouts ' +
  'HealthCheckOptions OutlierDetectionOptions LeastRequestsOptions PeakEwmaOptions DNSUpstreamsOptions RetryBudgetOptions ' +
  'BodyDumpOptions interceptors.RetryOptions interceptors.DNSOptions interceptors.DecompressOptions ' +
  'interceptors.DumpOptions interceptors.HedgeOptions interceptors.RedirectOptions interceptors.ResponseErrorOptions'

/** Options in ms or bytes. */
const TIME =
  /timeout$|^(?:connect|headers|body|queue|total|deadline)$|ttl$|interval$|delay|age$|slowStart$|time$|threshold$/i
const SIZE = /size$|^highWaterMark$|^limit$/i
/** Options that are numbers without a unit although their names are similar. */
const COUNTS = /^(?:healthyThreshold|unhealthyThreshold|panicThreshold)$/
/** Options that are rejected or required. */
const WITHOUT_DEFAULT = /^(?:Rejected|Ignored|Accepted and ignored)\b/

const text = [
  `import type * as sluice from 'sluice'`,
  'declare const client: sluice.Client',
  `export const sent = client.request({ path: '/', method: 'GET' })`,
  `export const wrong = client.request({ method: 'GET' })`,
  ...classes.split(' ').map((name) => `export type ${name.replace('.', '')} = sluice.${name}`),
  ...functions.split(' ').map((name) => `export type F${name.replace('.', '')} = typeof sluice.${name}`),
  ...members.split(' ').map((path) => {
    const [, type, member] = /^(.*)\.(\w+)$/.exec(path) ?? []
    return `export type M${path.replaceAll('.', '')} = sluice.${type}['${member}']`
  }),
].join('\n')

const service = ts.createLanguageService({
  getCompilationSettings: () => ({
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts'],
    types: [],
    strict: true,
  }),
  getScriptFileNames: () => [program],
  getScriptVersion: () => '1',
  getScriptSnapshot: (path) => {
    const content = path === program ? text : ts.sys.readFile(path)
    return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content)
  },
  getCurrentDirectory: () => root,
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  fileExists: (path) => path === program || ts.sys.fileExists(path),
  readFile: ts.sys.readFile,
  readDirectory: ts.sys.readDirectory,
})

interface Hover {
  readonly signature: string
  readonly docs: string
}

function hoverAt(path: string, position: number): Hover {
  const info = service.getQuickInfoAtPosition(path, position)
  if (info === undefined) throw new Error(`no quick info in ${path} at ${position}`)
  return {
    signature: ts.displayPartsToString(info.displayParts),
    docs: ts.displayPartsToString(info.documentation).replace(/\s+/g, ' '),
  }
}

/** Hover of a name that the program uses. */
function hoverOf(use: string, length: number): Hover {
  const at = text.indexOf(`${use}\n`)
  return hoverAt(program, (at < 0 ? text.length - use.length : at) + use.length - length)
}

/** Complaint about the text of a hover, or null. */
function complaint({ signature, docs }: Hover): string | null {
  if (/\$\d|options: never|\bouter\.|UndiciCompatible|import\(/.test(signature)) return `shows ${signature}`
  const [first = ''] = /^.*?\.(?= |$)/.exec(docs) ?? []
  if (!/^[A-Z`]/.test(first) || first.split(' ').length < 2) return `begins with "${first || docs}"`
  return null
}

t.test('classes, functions, methods and properties have a first sentence', async (t) => {
  for (const name of classes.split(' ')) {
    t.equal(complaint(hoverOf(`= sluice.${name}`, name.split('.').at(-1)?.length ?? 0)), null, name)
  }
  for (const name of functions.split(' ')) {
    t.equal(complaint(hoverOf(`typeof sluice.${name}`, name.split('.').at(-1)?.length ?? 0)), null, name)
  }
  for (const path of members.split(' ')) {
    const [, type, member = ''] = /^(.*)\.(\w+)$/.exec(path) ?? []
    t.equal(complaint(hoverOf(`sluice.${type}['${member}']`, member.length + 2)), null, path)
  }
})

t.test('a call and its errors show the documented names', async (t) => {
  const { signature } = hoverAt(program, text.indexOf('request({ path'))
  t.match(signature, /request<null>\(options: .*RequestOptions<null>\): Promise<.*ResponseData<null>>/)
  t.notMatch(signature, /\$\d|\bnever\b|import\(/)
  const errors = service.getSemanticDiagnostics(program)
  const [message = ''] = errors.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
  t.equal(errors.length, 1)
  t.match(message, /Property 'path' is missing in type .* but required in type '(?:Dispatcher\.)?RequestOptions<.*>'/)
  t.notMatch(message, /\$\d|\bnever\b|import\(/)
})

const checker = service.getProgram()?.getTypeChecker() as ts.TypeChecker
const specifier = service.getProgram()?.getSourceFile(program)?.statements[0] as ts.ImportDeclaration
const library = checker.getSymbolAtLocation(specifier.moduleSpecifier) as ts.Symbol

function typeOf(path: string): ts.Symbol {
  let symbol = library
  for (const name of path.split('.')) {
    const next = checker.getExportsOfModule(symbol).find((one) => one.name === name)
    if (next === undefined) throw new Error(`${path} is not exported`)
    symbol = next.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(next) : next
  }
  return symbol
}

for (const type of options.split(' ')) {
  t.test(`options of ${type} have a first sentence, a unit and a default`, async (t) => {
    for (const property of checker.getDeclaredTypeOfSymbol(typeOf(type)).getProperties()) {
      const declaration = property.valueDeclaration
      if (declaration === undefined || !ts.isPropertySignature(declaration)) continue
      const file = declaration.getSourceFile()
      const hover = hoverAt(file.fileName, declaration.name.getStart(file))
      t.equal(complaint(hover), null, property.name)
      if (WITHOUT_DEFAULT.test(hover.docs)) continue
      const isNumber = /^number\b/.test(declaration.type?.getText(file) ?? '')
      if (isNumber && TIME.test(property.name) && !COUNTS.test(property.name))
        t.match(hover.docs, /\bms\b/, property.name)
      if (isNumber && SIZE.test(property.name)) t.match(hover.docs, /\bbytes\b/i, property.name)
      if (property.flags & ts.SymbolFlags.Optional) t.match(hover.docs, /\bDefault: /, property.name)
    }
  })
}
