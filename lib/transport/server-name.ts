import { builtinModule } from '../base/builtin-modules.js'
import type { ConnectorOptions } from './connector.js'

/** TLS names of a server. */
export interface ServerNames {
  /** Server name to send (SNI); empty for none. Never an IP address (RFC 6066 §3). */
  readonly servername: string
  /** Host name or IP address that the certificate must be issued for. */
  readonly identity: string
}

/** Returns the TLS names of a target: from the `servername` option `given`, else the `host` header, else the origin. */
export function serverNames(given: string | null | undefined, target: ConnectorOptions): ServerNames {
  const { isIP } = builtinModule('node:net')
  const hostname = withoutBrackets(target.hostname)
  if (given === '') return { servername: '', identity: hostname }
  const host = withoutBrackets((target.host ?? '').replace(/:\d+$/, ''))
  const name = given ?? (host === '' ? hostname : host)
  if (isIP(name) === 0) return { servername: name, identity: name }
  // An IP address in the `host` header does not replace the name of an origin that has one.
  const named = given == null && isIP(hostname) === 0
  return { servername: '', identity: named ? hostname : name }
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}
