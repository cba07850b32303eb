import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import ts from 'typescript'

const folder = join(dirname(createRequire(import.meta.url).resolve('undici/package.json')), 'types')

/** Option types of undici, and the files that declare them. */
const declarations: Record<string, string> = {
  'Client.Options': 'client',
  'Client.H2Options': 'client',
  'Client.WebSocketOptions': 'client',
  'Client.EventSourceOptions': 'client',
  'Pool.Options': 'pool',
  'RoundRobinPool.Options': 'round-robin-pool',
  'Agent.Options': 'agent',
  'ProxyAgent.Options': 'proxy-agent',
  'EnvHttpProxyAgent.Options': 'env-http-proxy-agent',
  'RetryHandler.RetryOptions': 'retry-handler',
  'Dispatcher.DispatchOptions': 'dispatcher',
  'Dispatcher.RequestOptions': 'dispatcher',
  'Dispatcher.PipelineOptions': 'dispatcher',
  'Dispatcher.ConnectOptions': 'dispatcher',
  'Dispatcher.UpgradeOptions': 'dispatcher',
  'Interceptors.DumpInterceptorOpts': 'interceptors',
  'Interceptors.RedirectInterceptorOpts': 'interceptors',
  'Interceptors.DecompressInterceptorOpts': 'interceptors',
  'Interceptors.ResponseErrorInterceptorOpts': 'interceptors',
  'Interceptors.DNSInterceptorOpts': 'interceptors',
  'buildConnector.BuildOptions': 'connector',
}

/** Returns every option that undici's types declare for classes that sluice has, as `Client.Options.pipelining`; inherited ones once. */
export function documentedOptions(): string[] {
  return Object.entries(declarations).flatMap(([declaration, file]) => {
    const [namespace, name] = declaration.split('.') as [string, string]
    const text = readFileSync(join(folder, `${file}.d.ts`), 'utf8')
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
    const names: string[] = []
    const visit = (node: ts.Node, within: string): void => {
      if (ts.isModuleDeclaration(node)) return ts.forEachChild(node, (child) => visit(child, node.name.text))
      const declares = ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)
      if (declares && within === namespace && node.name.text === name) {
        for (const member of membersOf(node)) names.push(`${declaration}.${member}`)
      } else ts.forEachChild(node, (child) => visit(child, within))
    }
    visit(source, '')
    if (names.length === 0) throw new Error(`undici's types declare no ${declaration}`)
    return names
  })
}

/** Returns the properties of a type without inherited ones. */
function membersOf(node: ts.InterfaceDeclaration | ts.TypeAliasDeclaration): string[] {
  const literals = ts.isInterfaceDeclaration(node) ? [node] : literalsOf(node.type)
  return literals.flatMap(({ members }) => members.flatMap((member) => member.name?.getText() ?? []))
}

function literalsOf(type: ts.TypeNode): ts.TypeLiteralNode[] {
  if (ts.isTypeLiteralNode(type)) return [type]
  return ts.isIntersectionTypeNode(type) ? type.types.flatMap(literalsOf) : []
}
