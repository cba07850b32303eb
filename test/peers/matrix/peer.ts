import { Client, type ClientOptions } from '../../../lib/index.js'
import type { Identity } from '../../servers/certificates.js'

/** Resources that all servers of the matrix share. */
export interface Setting {
  /** Folder of served files and certificates. */
  readonly folder: string
  readonly big: Buffer
  readonly ca: Identity
  /** Client certificate. */
  readonly client: Identity
  /** Port of Node's service, the upstream of the proxies. */
  readonly origin: number
  /** Port of a TCP echo server. */
  readonly echo: number
}

/** A running server. */
export interface Peer {
  readonly version: string
  /** URL for most cases. */
  readonly url: string
  /** URL over TLS, for localhost and other.example. */
  readonly secure?: string
  /** URL over TLS that requires a client certificate. */
  readonly mutual?: string
  /** URL that closes connections after 200 ms idle (Bun: some seconds), and after three requests if the server supports that. */
  readonly short?: string
  readonly socketPath?: string
  /** URL for CONNECT. */
  readonly connect?: string
  /** Reloads the configuration. Responses have this `x-generation` afterwards. */
  reload?(generation: number): Promise<void>
  stop(): Promise<void>
}

/** A known defect of a server. The case must fail as described in one of a few attempts, otherwise the run fails. */
export interface Defect {
  /** Pattern of the failure. */
  readonly error: RegExp
  /** Description, and how to reproduce it. */
  readonly because: string
}

/** A server: one row of the matrix. */
export interface Server {
  readonly name: string
  /** Status and size limit of too long headers. */
  readonly headLimit: { readonly bytes: number; readonly status: number }
  /** Cases that the server does not support, `capability: name`, with the reason. */
  readonly lacks: Readonly<Record<string, string>>
  readonly defects?: Readonly<Record<string, Defect>>
  /** Why it can not run on this machine, or false. */
  missing(): Promise<string | false>
  start(setting: Setting): Promise<Peer>
}

/** Arguments of a case. */
export interface Scene {
  readonly server: Server
  readonly peer: Peer
  readonly setting: Setting
}

export type Case = (scene: Scene) => Promise<void>

/** Runs a case with a Client and destroys it afterwards. */
export function byClient(use: (client: Client, scene: Scene) => Promise<void>, options: ClientOptions = {}): Case {
  return (scene) => withClient(scene, { url: scene.peer.url, options }, (client) => use(client, scene))
}

export async function withClient<Result>(
  { setting }: Scene,
  part: { url: string | undefined; options?: ClientOptions },
  use: (client: Client) => Promise<Result>,
): Promise<Result> {
  if (part.url === undefined) throw new Error('the server does not listen for this')
  const { connect } = part.options ?? {}
  const tls = typeof connect === 'object' ? connect : {}
  const client = new Client(part.url, { ...part.options, connect: { ca: setting.ca.cert, ...tls } } as ClientOptions)
  try {
    return await use(client)
  } finally {
    await client.destroy()
  }
}

export async function text(client: Client, path: string, options: object = {}): Promise<string> {
  const { body } = await client.request({ path, method: 'GET', ...options })
  return body.text()
}
