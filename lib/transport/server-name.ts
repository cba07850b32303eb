import { builtinModule } from '../base/builtin-modules.js'
import type { ConnectorOptions } from './connector.js'

/** By what a server is known in TLS. */
export interface ServerNames {
  /** The server name to send; empty for none. RFC 6066 §3: it is never an address. */
  readonly servername: string
  /** The name or address that the certificate must be issued for. */
  readonly identity: string
}

/** `given`: the `servername` option, which comes first; otherwise the request's `host` field, then the origin. */
export function serverNames(given: string | null | undefined, target: ConnectorOptions): ServerNames {
  const { isIP } = builtinModule('node:net')
  const hostname = withoutBrackets(target.hostname)
  if (given === '') return { servername: '', identity: hostname }
  const host = withoutBrackets((target.host ?? '').replace(/:\d+$/, ''))
  const name = given ?? (host === '' ? hostname : host)
  if (isIP(name) === 0) return { servername: name, identity: name }
  // A `host` field with an address says nothing of an origin that has a name.
  const named = given == null && isIP(hostname) === 0
  return { servername: '', identity: named ? hostname : name }
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}
