import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { haproxyOf } from '../../../servers/haproxy.js'
import { freePorts, missing } from '../../../servers/program.js'
import type { Peer, Server, Setting } from '../peer.js'
import { reloading, versionOf } from './common.js'

const sections = (setting: Setting, [plain, secure, mutual, short]: readonly number[]) => [
  '    mode http',
  '    timeout http-keep-alive 60s',
  '    timeout tunnel 60s',
  'frontend all',
  `    bind 127.0.0.1:${plain}`,
  '    bind FOLDER/haproxy.sock',
  `    bind 127.0.0.1:${secure} ssl crt FOLDER/server-all.pem crt FOLDER/other-all.pem`,
  `    bind 127.0.0.1:${mutual} ssl crt FOLDER/server-all.pem ca-file ${setting.folder}/ca.pem verify required`,
  '    http-request deny deny_status 413 if { path /refuse }',
  '    http-request redirect location /text.txt code 302 if { path /redirect }',
  '    http-after-response set-header x-generation generation-0',
  '    compression algo gzip',
  '    compression type text/plain',
  '    compression offload',
  '    http-request set-var(txn.closing) bool(true) if { path /close }',
  '    http-after-response set-header connection close if { var(txn.closing) -m bool }',
  '    default_backend origin',
  'frontend short',
  `    bind 127.0.0.1:${short}`,
  '    timeout http-keep-alive 200ms',
  '    default_backend origin',
  'backend origin',
  `    server origin 127.0.0.1:${setting.origin}`,
]

async function begin(setting: Setting): Promise<Peer> {
  const ports = await freePorts(4)
  const [plain, secure, mutual, short] = ports as [number, number, number, number]
  const file = (name: string) => readFileSync(join(setting.folder, name), 'utf8')
  const program = await haproxyOf({
    ports,
    files: {
      'server-all.pem': `${file('server.pem')}\n${file('server.key')}\n`,
      'other-all.pem': `${file('other.pem')}\n${file('other.key')}\n`,
    },
    sections: sections(setting, ports),
  })
  return {
    version: await versionOf('haproxy', '-v'),
    url: `http://127.0.0.1:${plain}`,
    secure: `https://localhost:${secure}`,
    mutual: `https://localhost:${mutual}`,
    short: `http://127.0.0.1:${short}`,
    socketPath: join(program.folder, 'haproxy.sock'),
    connect: `http://127.0.0.1:${plain}`,
    reload: reloading(join(program.folder, 'haproxy.cfg'), program.replace),
    stop: program.stop,
  }
}

export const haproxy: Server = {
  name: 'HAProxy',
  headLimit: { bytes: 24_000, status: 400 },
  lacks: {
    'keep-alive: three requests on each connection': 'it has no such limit',
  },
  missing: async () => missing('haproxy'),
  start: begin,
}
